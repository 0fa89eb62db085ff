# Index, model card, tables, digests: what is uploaded, and what `rule all` asks for.
# Every file of the release by name, so that a lost one is noticed.
RELEASE = [
    "results/sae_index.json",
    "results/README.md",
    "results/aurora_sae.py",
    "results/sae_index.schema.json",
    "results/SHA256SUMS",
    "results/evaluation/suite.parquet",
    *expand("{figure}.{kind}", figure=FIGURES, kind=["png", "csv"]),
    *[
        f"results/{path.format(block=block)}"
        for kind in RELEASED_KINDS
        for path in (kind.path, *kind.files)
        for block in MADE[kind.name]
    ],
    *[
        f"results/{path.format(stage=stage)}"
        for kind in RELEASED_OF_STAGES
        for path in (kind.path, *kind.files)
        for stage in STAGES_MADE
    ],
]


rule build_index:
    input:
        **ACTIVATION_INPUTS,
        saes=SUITE["saes"],
        boosts=records_of("boost"),
        of_stages=[
            kind.where(RESULTS, stage=stage)
            for kind in RELEASED_OF_STAGES
            for stage in STAGES_MADE
        ],
        measured=[
            record for measure in MEASURES for record in records_of(measure.kind.name)
        ],
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
        f"{SOURCES}/aurorascope/schemas/sae_index.schema.json",
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
        expand(
            "results/figures/{name}.{kind}",
            name=["suite", "levels"],
            kind=["png", "csv"],
        ),
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
