# Activations: one job per block and split, and the one explicit target that fills all stores from single forwards.
ACTIVATION_INPUTS = {
    "static": "results/scratch/static/static.json",
    "checkpoint": "results/scratch/checkpoint/checkpoint.json",
}


rule dump_activations:
    # The store lies beside its manifest, undeclared, so that Snakemake never deletes it: a retried job resumes.
    input:
        **ACTIVATION_INPUTS,
        states="results/scratch/states/{split}.json",
    output:
        "results/scratch/activations/{block}/{split}/manifest.json",
    log:
        "results/logs/dump_activations/{block}_{split}.log",
    benchmark:
        "results/benchmarks/dump_activations/{block}_{split}.tsv"
    # A cluster job is two more Snakemakes, one in the other, which would each try again.
    retries: 2 if workflow.is_main_process else 0
    conda:
        "../../envs/aurorascope.yaml"
    threads: CONFIG.compute.threads
    resources:
        **on_gpus(lambda wildcards: 0 if is_filled(wildcards) else GPU),
        mem_mb=memory(64000),
        runtime=dump_runtime,
    params:
        config=stage_params(CONFIG, "dump_activations"),
    shell:
        "python -m aurorascope dump_activations --block {wildcards.block} --split {wildcards.split}"
        " --scratch results/scratch --log {log}"


rule drop_chunks:
    # Deletes what is undeclared, once every configured consumer has read it; a later reader computes it again.
    input:
        consumers_of,
    output:
        "results/dropped/{block}.json",
    log:
        "results/logs/drop_chunks/{block}.log",
    benchmark:
        "results/benchmarks/drop_chunks/{block}.tsv"
    priority: 1
    conda:
        "../../envs/aurorascope.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    shell:
        "python -m aurorascope drop_chunks --block {wildcards.block} --scratch results/scratch"
        " --record {output} --log {log}"


rule fill_activations:
    # No output on purpose: what it leaves, the dump jobs verify. `snakemake -c1 fill_activations`
    input:
        **ACTIVATION_INPUTS,
        states=expand("results/scratch/states/{split}.json", split=SPLITS),
    log:
        "results/logs/fill_activations.log",
    priority: 2
    conda:
        "../../envs/aurorascope.yaml"
    threads: CONFIG.compute.threads
    resources:
        **on_gpus(GPU),
        mem_mb=memory(64000),
        runtime=growing(24 * 60),
    params:
        config=stage_params(CONFIG, "dump_activations"),
    shell:
        "python -m aurorascope fill_activations --scratch results/scratch --log {log}"
