# Boosts: a second SAE of what a block's first one leaves out, and what both together explain. A plain run makes them with
# `sae: {boost: {enabled: true}}`; without, ask for one by name: results/boosts/sae_encoder_s1_b5.pt.


rule boost_sae:
    input:
        sae="results/saes/sae_{block}.json",
        train="results/scratch/activations/{block}/train/manifest.json",
        states="results/scratch/states/train.json",
        labels=boost_labels("train"),
    output:
        weights="results/boosts/sae_{block}.pt",
        record="results/boosts/sae_{block}.json",
        golden="results/boosts/golden/{block}.safetensors",
        training="results/boosts/training/{block}.parquet",
    log:
        "results/logs/boost_sae/{block}.log",
    benchmark:
        "results/benchmarks/boost_sae/{block}.tsv"
    priority: 1
    conda:
        "../../envs/aurorascope.yaml"
    threads: CONFIG.compute.threads
    resources:
        **on_gpus(GPU),
        mem_mb=memory(128000),
        runtime=growing(12 * 60),
    params:
        config=stage_params(CONFIG, "boost_sae"),
    shell:
        "python -m aurorascope boost_sae --block {wildcards.block} --results results --log {log}"


rule evaluate_boost:
    input:
        sae="results/saes/sae_{block}.json",
        boost="results/boosts/sae_{block}.json",
        train="results/scratch/activations/{block}/train/manifest.json",
        held_out="results/scratch/activations/{block}/held_out/manifest.json",
        states="results/scratch/states/held_out.json",
        labels=boost_labels("held_out"),
    output:
        record="results/boosts/evaluation/{block}.json",
        table="results/boosts/evaluation/{block}.parquet",
    log:
        "results/logs/evaluate_boost/{block}.log",
    benchmark:
        "results/benchmarks/evaluate_boost/{block}.tsv"
    priority: 1
    conda:
        "../../envs/aurorascope.yaml"
    threads: CONFIG.compute.threads
    resources:
        **on_gpus(GPU),
        mem_mb=memory(64000),
        runtime=growing(4 * 60),
    params:
        config=stage_params(CONFIG, "evaluate_boost"),
    shell:
        "python -m aurorascope evaluate_boost --block {wildcards.block} --results results --log {log}"
