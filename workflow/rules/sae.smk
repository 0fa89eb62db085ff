# Training: one job a block; many blocks in one process; and once more, to compare.


rule train_sae:
    # Rules further down depend on the record alone; the weights are named and digested in it.
    input:
        data_to_train_on,
    output:
        weights="results/saes/sae_{block}.pt",
        record="results/saes/sae_{block}.json",
        golden="results/saes/golden/{block}.safetensors",
        saelens_config="results/saelens/{block}/cfg.json",
        saelens_weights="results/saelens/{block}/sae_weights.safetensors",
        training="results/training/{block}.parquet",
    log:
        "results/logs/train_sae/{block}.log",
    benchmark:
        "results/benchmarks/train_sae/{block}.tsv"
    # Before another block is dumped, so that with `keep: false` its room is free sooner.
    priority: 1
    conda:
        "../../envs/aurorascope.yaml"
    threads: CONFIG.compute.threads
    resources:
        **on_gpus(lambda wildcards: 0 if is_trained(wildcards) else GPU),
        mem_mb=memory(96000),
        runtime=growing(12 * 60),
    params:
        config=stage_params(CONFIG, "train_sae"),
    shell:
        "python -m aurorascope train_sae --block {wildcards.block} --manifest {input} --results results --log {log}"


rule reproduce_sae:
    # The published SAE is no input: nothing may make it anew before it is compared.
    input:
        data_to_reproduce,
    output:
        "results/reproduced/{block}.json",
    log:
        "results/logs/reproduce_sae/{block}.log",
    benchmark:
        "results/benchmarks/reproduce_sae/{block}.tsv"
    # Where it comes out otherwise, it would do so again.
    retries: 0
    conda:
        "../../envs/aurorascope.yaml"
    threads: CONFIG.compute.threads
    resources:
        **on_gpus(GPU),
        mem_mb=memory(96000),
        runtime=growing(12 * 60),
    params:
        config=stage_params(CONFIG, "reproduce_sae"),
        # So that another one is compared anew.
        published=lambda wildcards: published_sae(wildcards).digest(),
    shell:
        "python -m aurorascope reproduce_sae --block {wildcards.block} --manifest {input} --results results --log {log}"


rule train_share:
    # What it leaves, the blocks' own jobs adopt.
    input:
        lambda wildcards: for_share(
            "results/scratch/activations/{block}/train/manifest.json", wildcards
        ),
    output:
        touch("results/scratch/waiting/train_{share}.done"),
    log:
        "results/logs/train_together/{share}.log",
    conda:
        "../../envs/aurorascope.yaml"
    threads: CONFIG.compute.threads
    resources:
        **on_gpus(GPU),
        mem_mb=memory(96000),
        runtime=growing(24 * 60),
    params:
        config=stage_params(CONFIG, "train_sae"),
    shell:
        "python -m aurorascope train_together --share {wildcards.share} --results results --log {log}"


rule train_together:
    # No output on purpose: `snakemake --cores N train_together`
    input:
        for_shares("results/scratch/waiting/train_{share}.done"),
    log:
        "results/logs/train_together/all.log",
    conda:
        "../../envs/aurorascope.yaml"
    shell:
        # Asked for again, whatever is missing by then is made.
        "rm -vf {input} >{log}"
