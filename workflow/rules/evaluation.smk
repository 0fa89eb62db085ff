# Evaluation: one job a block, on the held-out snapshots; what forecasts lose with the SAEs in place; other seeds.
SUITE = {f"{kind}s": records_of(kind) for kind in ("sae", "evaluation")}


rule evaluate_sae:
    input:
        sae="results/saes/sae_{block}.json",
        train="results/scratch/activations/{block}/train/manifest.json",
        held_out="results/scratch/activations/{block}/held_out/manifest.json",
        states="results/scratch/states/held_out.json",
    output:
        record="results/evaluation/{block}.json",
        table="results/evaluation/{block}.parquet",
        statistics="results/saes/statistics/{block}.parquet",
    log:
        "results/logs/evaluate_sae/{block}.log",
    benchmark:
        "results/benchmarks/evaluate_sae/{block}.tsv"
    priority: 1
    conda:
        "../../envs/aurorascope.yaml"
    threads: CONFIG.compute.threads
    resources:
        **on_gpus(gpu_unless_waiting("evaluation")),
        mem_mb=memory(64000),
        runtime=growing(4 * 60),
    params:
        config=stage_params(CONFIG, "evaluate_sae"),
    shell:
        "python -m aurorascope evaluate_sae --sae {input.sae} --train {input.train} --held-out {input.held_out}"
        " --states {input.states} --record {output.record} --log {log}"


rule evaluate_share:
    # What it leaves, the blocks' own jobs adopt.
    input:
        saes=lambda wildcards: for_share("results/saes/sae_{block}.json", wildcards),
        stores=lambda wildcards: for_share(
            "results/scratch/activations/{block}/{split}/manifest.json",
            wildcards,
            split=SPLITS,
        ),
        states="results/scratch/states/held_out.json",
    output:
        touch("results/scratch/waiting/evaluate_{share}.done"),
    log:
        "results/logs/evaluate_together/{share}.log",
    conda:
        "../../envs/aurorascope.yaml"
    threads: CONFIG.compute.threads
    resources:
        **on_gpus(GPU),
        mem_mb=memory(64000),
        runtime=growing(24 * 60),
    params:
        config=stage_params(CONFIG, "evaluate_sae"),
    shell:
        "python -m aurorascope evaluate_together --share {wildcards.share} --results results --log {log}"


rule evaluate_together:
    # No output on purpose: `snakemake --cores N evaluate_together`
    input:
        for_shares("results/scratch/waiting/evaluate_{share}.done"),
    log:
        "results/logs/evaluate_together/all.log",
    conda:
        "../../envs/aurorascope.yaml"
    shell:
        # Asked for again, whatever is missing by then is made.
        "rm -vf {input} >{log}"


rule measure_fidelity:
    # Reads means of the training store, never its chunks, which may be gone by then.
    input:
        **ACTIVATION_INPUTS,
        sae="results/saes/sae_{block}.json",
        train="results/scratch/activations/{block}/train/manifest.json",
        states="results/scratch/states/held_out.json",
    output:
        record="results/fidelity/{block}.json",
        table="results/fidelity/{block}.parquet",
    log:
        "results/logs/measure_fidelity/{block}.log",
    benchmark:
        "results/benchmarks/measure_fidelity/{block}.tsv"
    conda:
        "../../envs/aurorascope.yaml"
    threads: CONFIG.compute.threads
    resources:
        **on_gpus(gpu_unless_waiting("fidelity")),
        mem_mb=memory(64000),
        runtime=growing(4 * 60),
    params:
        config=stage_params(CONFIG, "measure_fidelity"),
    shell:
        "python -m aurorascope measure_fidelity --block {wildcards.block} --results results --log {log}"


rule fidelity_share:
    # What it leaves, the blocks' own jobs adopt.
    input:
        **ACTIVATION_INPUTS,
        saes=lambda wildcards: for_share("results/saes/sae_{block}.json", wildcards),
        train=lambda wildcards: for_share(
            "results/scratch/activations/{block}/train/manifest.json", wildcards
        ),
        states="results/scratch/states/held_out.json",
    output:
        touch("results/scratch/waiting/fidelity_{share}.done"),
    log:
        "results/logs/fidelity_together/{share}.log",
    conda:
        "../../envs/aurorascope.yaml"
    threads: CONFIG.compute.threads
    resources:
        **on_gpus(GPU),
        mem_mb=memory(64000),
        runtime=growing(24 * 60),
    params:
        config=stage_params(CONFIG, "measure_fidelity"),
    shell:
        "python -m aurorascope fidelity_together --share {wildcards.share} --results results --log {log}"


rule fidelity_together:
    # No output on purpose: `snakemake --cores N fidelity_together`
    input:
        for_shares("results/scratch/waiting/fidelity_{share}.done"),
    log:
        "results/logs/fidelity_together/all.log",
    conda:
        "../../envs/aurorascope.yaml"
    shell:
        # Asked for again, whatever is missing by then is made.
        "rm -vf {input} >{log}"


rule measure_stability:
    # Trains the block again with other seeds, which no other rule needs: their weights are not kept.
    input:
        sae="results/saes/sae_{block}.json",
        train="results/scratch/activations/{block}/train/manifest.json",
        held_out="results/scratch/activations/{block}/held_out/manifest.json",
    output:
        record="results/stability/{block}/summary.json",
        matches="results/stability/{block}/matches.parquet",
    log:
        "results/logs/measure_stability/{block}.log",
    benchmark:
        "results/benchmarks/measure_stability/{block}.tsv"
    # The longest first; pages of the atlas, drawn later, show it.
    priority: 2
    conda:
        "../../envs/aurorascope.yaml"
    threads: CONFIG.compute.threads
    resources:
        **on_gpus(GPU),
        mem_mb=memory(96000),
        runtime=growing(24 * 60),
    params:
        config=stage_params(CONFIG, "measure_stability"),
    shell:
        "python -m aurorascope measure_stability --sae {input.sae} --train {input.train} --held-out {input.held_out}"
        " --scratch results/scratch --record {output.record} --log {log}"
