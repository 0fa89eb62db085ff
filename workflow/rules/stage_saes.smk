# The SAE that the blocks of a stage share: trained on all of their activations, measured on each block's.


rule train_stage_sae:
    input:
        stores_of_stage("train"),
    output:
        weights="results/saes/sae_{stage}.pt",
        record="results/saes/sae_{stage}.json",
        golden="results/saes/golden/{stage}.safetensors",
        training="results/training/{stage}.parquet",
    log:
        "results/logs/train_stage_sae/{stage}.log",
    benchmark:
        "results/benchmarks/train_stage_sae/{stage}.tsv"
    priority: 1
    conda:
        "../../envs/aurorascope.yaml"
    threads: CONFIG.compute.threads
    resources:
        **on_gpus(GPU),
        mem_mb=memory(96000),
        # All blocks of a stage, as long as they would take one by one.
        runtime=growing(48 * 60),
    params:
        config=stage_params(CONFIG, "train_stage_sae"),
    shell:
        "python -m aurorascope train_stage_sae --stage {wildcards.stage} --results results --log {log}"


rule evaluate_stage_sae:
    input:
        stores_of_stage("held_out"),
        # Of these the means alone.
        stores_of_stage("train"),
        sae="results/saes/sae_{stage}.json",
        states="results/scratch/states/held_out.json",
    output:
        record="results/evaluation/{stage}.json",
        table="results/evaluation/{stage}.parquet",
    log:
        "results/logs/evaluate_stage_sae/{stage}.log",
    benchmark:
        "results/benchmarks/evaluate_stage_sae/{stage}.tsv"
    priority: 1
    conda:
        "../../envs/aurorascope.yaml"
    threads: CONFIG.compute.threads
    resources:
        **on_gpus(GPU),
        mem_mb=memory(64000),
        runtime=growing(12 * 60),
    params:
        config=stage_params(CONFIG, "evaluate_stage_sae"),
    shell:
        "python -m aurorascope evaluate_stage_sae --stage {wildcards.stage} --results results --log {log}"
