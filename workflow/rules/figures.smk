# Figures, each with its numbers as CSV, and where they stand in the report: the suite first, then stage by stage.
FIGURES = [f"results/figures/{name}" for name in ("suite", "levels", "training_curves")]
FIGURES += [f"results/figures/feature_{block}" for block in REPRESENTATIVES]
FIGURES += for_blocks("results/figures/blocks/{block}")


rule draw_suite:
    input:
        "results/sae_index.json",
    output:
        **shown(
            "results/figures/suite", "suite", {"shows": "all SAEs"}, category="Suite"
        ),
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


rule draw_levels:
    input:
        SUITE["evaluations"],
    output:
        **shown(
            "results/figures/levels",
            "levels",
            {"shows": "explained variance by level and latitude"},
            category="Suite",
        ),
    log:
        "results/logs/draw_levels.log",
    benchmark:
        "results/benchmarks/draw_levels.tsv"
    conda:
        "../../envs/aurorascope.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        config=stage_params(CONFIG, "draw_levels"),
    shell:
        "python -m aurorascope draw_levels --results results --png {output.png} --log {log}"


rule draw_curves:
    input:
        SUITE["saes"],
    output:
        **shown(
            "results/figures/training_curves",
            "training_curves",
            {"shows": "training"},
            category="Suite",
        ),
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


rule draw_blocks:
    # One job for all: importing what draws takes longer than a page.
    input:
        **SUITE,
    output:
        *[
            file
            for block in CONFIG.block_ids
            for file in shown(
                f"results/figures/blocks/{block}",
                "block",
                {"block": block},
                category=stage_name(block),
                subcategory="Training and evaluation",
            ).values()
        ],
    log:
        "results/logs/draw_blocks.log",
    benchmark:
        "results/benchmarks/draw_blocks.tsv"
    # Longer than the others.
    priority: 1
    conda:
        "../../envs/aurorascope.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        config=stage_params(CONFIG, "draw_blocks"),
    shell:
        "python -m aurorascope draw_blocks --results results --folder results/figures/blocks --log {log}"


rule draw_feature:
    input:
        sae="results/saes/sae_{block}.json",
        held_out="results/scratch/activations/{block}/held_out/manifest.json",
        states="results/scratch/states/held_out.json",
        static="results/scratch/static/static.json",
    output:
        **shown(
            "results/figures/feature_{block}",
            "feature",
            {"block": "{block}"},
            category=lambda wildcards: stage_name(wildcards.block),
            subcategory="A feature on the globe",
        ),
    log:
        "results/logs/draw_feature/{block}.log",
    benchmark:
        "results/benchmarks/draw_feature/{block}.tsv"
    conda:
        "../../envs/aurorascope.yaml"
    threads: CONFIG.compute.threads
    resources:
        **on_gpus(reader_gpu),
        mem_mb=memory(32000),
        runtime=growing(4 * 60),
    params:
        config=stage_params(CONFIG, "draw_feature"),
    shell:
        "python -m aurorascope draw_feature --sae {input.sae} --held-out {input.held_out} --states {input.states}"
        " --static {input.static} --png {output.png} --log {log}"
