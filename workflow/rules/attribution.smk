# Attributions: how much each feature of a block carries of an outcome, each outcome a file in `outcomes/`; one block alone, or all of
# an outcome's in one process. No plain run makes them: ask for `attributions`, or for one block's record.


rule attribute:
    # What features usually are on quiet dates is kept in results/scratch/attribution, undeclared, for other outcomes and for a job that
    # was killed.
    input:
        unpack(outcome_inputs),
        sae=attributed_sae,
        static="results/scratch/static/static.json",
        checkpoint="results/scratch/checkpoint/checkpoint.json",
    output:
        record="results/attribution/{outcome}/{block}.json",
        table="results/attribution/{outcome}/{block}.parquet",
    log:
        "results/logs/attribute/{outcome}/{block}.log",
    benchmark:
        "results/benchmarks/attribute/{outcome}/{block}.tsv"
    conda:
        "../../envs/aurorascope.yaml"
    threads: CONFIG.compute.threads
    resources:
        **on_gpus(attribution_gpu),
        mem_mb=memory(96000),
        runtime=growing(24 * 60),
    params:
        config=stage_params(CONFIG, "attribute"),
        # Whether its dates' snapshots are still the same.
        dates=outcome_dates,
    shell:
        "python -m aurorascope attribute --outcome {wildcards.outcome} --block {wildcards.block} --results results --log {log}"


rule draw_attribution:
    # Its picture lies beside the page, undeclared.
    input:
        records=lambda wildcards: attributions_of(wildcards.outcome, "json"),
        tables=lambda wildcards: attributions_of(wildcards.outcome, "parquet"),
    output:
        "results/attribution/{outcome}/index.html",
    log:
        "results/logs/draw_attribution/{outcome}.log",
    benchmark:
        "results/benchmarks/draw_attribution/{outcome}.tsv"
    conda:
        "../../envs/aurorascope.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        config=stage_params(CONFIG, "draw_attribution"),
        # Drawn again, with links and labels, when an atlas came or changed.
        atlas=outcome_atlas,
    shell:
        "python -m aurorascope draw_attribution --outcome {wildcards.outcome} --results results --log {log}"


rule attribute_outcome:
    # What it leaves, the blocks' own jobs adopt.
    input:
        unpack(outcome_inputs),
        saes=outcome_saes,
        static="results/scratch/static/static.json",
        checkpoint="results/scratch/checkpoint/checkpoint.json",
    output:
        touch("results/scratch/waiting/attribute_{outcome}.done"),
    log:
        "results/logs/attribute_together/{outcome}.log",
    conda:
        "../../envs/aurorascope.yaml"
    threads: CONFIG.compute.threads
    resources:
        **on_gpus(GPU),
        mem_mb=memory(96000),
        runtime=growing(48 * 60),
    params:
        config=stage_params(CONFIG, "attribute"),
        dates=outcome_dates,
    shell:
        "python -m aurorascope attribute_together --outcome {wildcards.outcome} --results results --log {log}"


rule attribute_together:
    # No output on purpose: `snakemake --cores N attribute_together`
    input:
        expand(
            "results/scratch/waiting/attribute_{outcome}.done", outcome=outcome_names()
        ),
    log:
        "results/logs/attribute_together/all.log",
    conda:
        "../../envs/aurorascope.yaml"
    shell:
        # Asked for again, whatever is missing by then is made.
        "rm -vf {input} >{log}"
