# Index, model card, figures, digests: what is uploaded, and what `rule all` asks for.
SUITE = {
    "saes": for_blocks("results/saes/sae_{block}.json"),
    "evaluations": for_blocks("results/evaluation/{block}.json"),
}
FIGURES = ["results/figures/suite", "results/figures/training_curves"]
FIGURES += [f"results/figures/feature_{block}" for block in stage_representatives()]

# Every file of the release by name, so that a lost one is noticed.
RELEASE = [
    "results/sae_index.json",
    "results/README.md",
    "results/aurora_sae.py",
    "results/sae_index.schema.json",
    "results/SHA256SUMS",
    "results/evaluation/suite.parquet",
    *expand("{figure}.{kind}", figure=FIGURES, kind=["png", "csv"]),
    *SUITE["saes"],
    *SUITE["evaluations"],
    *for_blocks("results/saes/sae_{block}.pt"),
    *for_blocks("results/saes/golden/{block}.safetensors"),
    *for_blocks("results/saelens/{block}/cfg.json"),
    *for_blocks("results/saelens/{block}/sae_weights.safetensors"),
    *for_blocks("results/training/{block}.parquet"),
    *for_blocks("results/evaluation/{block}.parquet"),
    *FIDELITY,
    *[name.replace(".json", ".parquet") for name in FIDELITY],
]


rule build_index:
    input:
        **SUITE,
        **ACTIVATION_INPUTS,
        fidelities=FIDELITY,
        manifests=expand(
            "results/scratch/activations/{block}/{split}/manifest.json",
            block=CONFIG.block_ids,
            split=SPLITS,
        ),
        states=expand("results/scratch/states/{split}.json", split=SPLITS),
    output:
        "results/sae_index.json",
    log:
        "results/logs/build_index.log",
    benchmark:
        "results/benchmarks/build_index.tsv"
    conda:
        "../../envs/aurorascope.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        config=stage_params(CONFIG, "build_index"),
    shell:
        "python -m aurorascope build_index --results results --log {log}"


rule write_card:
    input:
        "results/sae_index.json",
    output:
        "results/README.md",
    log:
        "results/logs/write_card.log",
    benchmark:
        "results/benchmarks/write_card.tsv"
    conda:
        "../../envs/aurorascope.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        config=stage_params(CONFIG, "write_card"),
    shell:
        "python -m aurorascope write_release --part card --results results --log {log}"


rule write_table:
    input:
        "results/sae_index.json",
    output:
        "results/evaluation/suite.parquet",
    log:
        "results/logs/write_table.log",
    benchmark:
        "results/benchmarks/write_table.tsv"
    conda:
        "../../envs/aurorascope.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        config=stage_params(CONFIG, "write_table"),
    shell:
        "python -m aurorascope write_release --part table --results results --log {log}"


rule copy_module:
    input:
        f"{SOURCES}/aurorascope/sae/aurora_sae.py",
    output:
        "results/aurora_sae.py",
    log:
        "results/logs/copy_module.log",
    benchmark:
        "results/benchmarks/copy_module.tsv"
    conda:
        "../../envs/aurorascope.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    shell:
        "python -m aurorascope write_release --part module --results results --log {log}"


rule copy_schema:
    input:
        f"{SOURCES}/schemas/sae_index.schema.json",
    output:
        "results/sae_index.schema.json",
    log:
        "results/logs/copy_schema.log",
    benchmark:
        "results/benchmarks/copy_schema.tsv"
    conda:
        "../../envs/aurorascope.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    shell:
        "python -m aurorascope write_release --part schema --results results --log {log}"


rule write_digests:
    # Reads every file of the release; depends on the small ones, which name and digest the rest.
    input:
        "results/sae_index.json",
        "results/README.md",
        "results/aurora_sae.py",
        "results/sae_index.schema.json",
        "results/figures/suite.png",
        "results/evaluation/suite.parquet",
    output:
        "results/SHA256SUMS",
    log:
        "results/logs/write_digests.log",
    benchmark:
        "results/benchmarks/write_digests.tsv"
    conda:
        "../../envs/aurorascope.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=60,
    shell:
        "python -m aurorascope write_release --part digests --results results --log {log}"


rule draw_suite:
    input:
        "results/sae_index.json",
    output:
        png=report(
            "results/figures/suite.png",
            caption="../report/suite.rst",
            category="Suite",
        ),
        csv="results/figures/suite.csv",
    log:
        "results/logs/draw_suite.log",
    benchmark:
        "results/benchmarks/draw_suite.tsv"
    conda:
        "../../envs/aurorascope.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        config=stage_params(CONFIG, "draw_suite"),
    shell:
        "python -m aurorascope draw_suite --index {input} --png {output.png} --log {log}"


rule draw_curves:
    input:
        SUITE["saes"],
    output:
        png=report(
            "results/figures/training_curves.png",
            caption="../report/training_curves.rst",
            category="Training",
        ),
        csv="results/figures/training_curves.csv",
    log:
        "results/logs/draw_curves.log",
    benchmark:
        "results/benchmarks/draw_curves.tsv"
    conda:
        "../../envs/aurorascope.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        config=stage_params(CONFIG, "draw_curves"),
    shell:
        "python -m aurorascope draw_curves --results results --png {output.png} --log {log}"


rule draw_feature:
    input:
        sae="results/saes/sae_{block}.json",
        held_out="results/scratch/activations/{block}/held_out/manifest.json",
        states="results/scratch/states/held_out.json",
        static="results/scratch/static/static.json",
    output:
        png=report(
            "results/figures/feature_{block}.png",
            caption="../report/feature.rst",
            category="Features",
            labels={"block": "{block}"},
        ),
        csv="results/figures/feature_{block}.csv",
    log:
        "results/logs/draw_feature/{block}.log",
    benchmark:
        "results/benchmarks/draw_feature/{block}.tsv"
    conda:
        "../../envs/aurorascope.yaml"
    threads: CONFIG.compute.threads
    resources:
        gpu=reader_gpu,
        mem_mb=32000 if CONFIG.aurora.embed_dim == 512 else 4000,
        runtime=4 * 60,
    params:
        config=stage_params(CONFIG, "draw_feature"),
    shell:
        "python -m aurorascope draw_feature --sae {input.sae} --held-out {input.held_out} --states {input.states}"
        " --static {input.static} --png {output.png} --log {log}"
