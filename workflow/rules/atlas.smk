# Atlases: each block's features against labels, alone or many blocks in one process. A plain run makes them with
# `atlas: {enabled: true}`; without, ask for `atlas` or one block's summary.
ATLAS_LABELS = {
    "labels": expand("results/scratch/labels/{day}.json", day=LABEL_DAYS),
    "days": days_read(LABEL_DAYS),
    "states": "results/scratch/states/held_out.json",
}


rule score_features:
    input:
        **ATLAS_LABELS,
        sae="results/saes/sae_{block}.json",
        train="results/scratch/activations/{block}/train/manifest.json",
        held_out="results/scratch/activations/{block}/held_out/manifest.json",
    output:
        record="results/atlas/{block}/summary.json",
        features="results/atlas/{block}/features.parquet",
        labels="results/atlas/{block}/labels.parquet",
        examples="results/atlas/{block}/examples.parquet",
    log:
        "results/logs/score_features/{block}.log",
    benchmark:
        "results/benchmarks/score_features/{block}.tsv"
    priority: 1
    conda:
        "../../envs/aurorascope.yaml"
    threads: CONFIG.compute.threads
    resources:
        **on_gpus(gpu_unless_waiting("atlas")),
        mem_mb=memory(96000),
        runtime=growing(12 * 60),
    params:
        config=stage_params(CONFIG, "score_features"),
    shell:
        "python -m aurorascope score_features --block {wildcards.block} --results results --log {log}"


rule score_share:
    # What it leaves, the blocks' own jobs adopt.
    input:
        **ATLAS_LABELS,
        saes=lambda wildcards: for_share("results/saes/sae_{block}.json", wildcards),
        stores=lambda wildcards: for_share(
            "results/scratch/activations/{block}/{split}/manifest.json",
            wildcards,
            split=SPLITS,
        ),
    output:
        touch("results/scratch/waiting/score_{share}.done"),
    log:
        "results/logs/score_together/{share}.log",
    conda:
        "../../envs/aurorascope.yaml"
    threads: CONFIG.compute.threads
    resources:
        **on_gpus(GPU),
        mem_mb=memory(96000),
        runtime=growing(48 * 60),
    params:
        config=stage_params(CONFIG, "score_features"),
    shell:
        "python -m aurorascope score_together --share {wildcards.share} --results results --log {log}"


rule score_together:
    # No output on purpose: `snakemake --cores N score_together`
    input:
        for_shares("results/scratch/waiting/score_{share}.done"),
    log:
        "results/logs/score_together/all.log",
    conda:
        "../../envs/aurorascope.yaml"
    shell:
        # Asked for again, whatever is missing by then is made.
        "rm -vf {input} >{log}"


rule atlas:
    # No output on purpose: `snakemake --cores N atlas`
    input:
        for_blocks("results/atlas/{block}/summary.json"),
