# Evaluation: one job a block, on the held-out snapshots.


rule evaluate_sae:
    input:
        sae="results/saes/sae_{block}.json",
        train="results/scratch/activations/{block}/train/manifest.json",
        held_out="results/scratch/activations/{block}/held_out/manifest.json",
        states="results/scratch/states/held_out.json",
    output:
        record="results/evaluation/{block}.json",
        table="results/evaluation/{block}.parquet",
    log:
        "results/logs/evaluate_sae/{block}.log",
    benchmark:
        "results/benchmarks/evaluate_sae/{block}.tsv"
    conda:
        "../../envs/aurorascope.yaml"
    threads: CONFIG.compute.threads
    resources:
        gpu=GPU,
        mem_mb=64000 if CONFIG.aurora.embed_dim == 512 else 4000,
        runtime=4 * 60,
    params:
        config=stage_params(CONFIG, "evaluate_sae"),
    shell:
        "python -m aurorascope evaluate_sae --sae {input.sae} --train {input.train} --held-out {input.held_out}"
        " --states {input.states} --record {output.record} --log {log}"
