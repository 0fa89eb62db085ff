# Atlases: each block's features against labels, alone or many blocks in one process, and pages of them. A plain run makes
# and draws them with `atlas: {enabled: true}`; without, ask for `atlas`, or for one block's summary.
ATLAS_LABELS = {
    "labels": expand("results/scratch/labels/{day}.json", day=LABEL_DAYS),
    "states": expand("results/scratch/states/{split}.json", split=SPLITS),
}
ATLAS = [
    *for_blocks("results/atlas/{block}/summary.json"),
    "results/atlas/index.html",
    "results/atlas/storyline.parquet",
]
DEPTH_FIGURES = expand(
    "results/figures/{name}.{kind}",
    name=["storyline", "scale_over_depth"],
    kind=["png", "csv"],
)


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
        maps="results/atlas/{block}/maps.parquet",
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


rule draw_storyline:
    input:
        atlases=for_blocks("results/atlas/{block}/summary.json"),
        states="results/scratch/states/held_out.json",
    output:
        "results/atlas/storyline.parquet",
        **shown(
            "results/figures/storyline",
            "storyline",
            {"shows": "labels over depth"},
            category="Atlas",
        ),
        **{
            f"scale_{kind}": figure
            for kind, figure in shown(
                "results/figures/scale_over_depth",
                "scale_over_depth",
                {"shows": "spatial scale over depth"},
                category="Atlas",
            ).items()
        },
    log:
        "results/logs/draw_storyline.log",
    benchmark:
        "results/benchmarks/draw_storyline.tsv"
    priority: 1
    conda:
        "../../envs/aurorascope.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        config=stage_params(CONFIG, "draw_storyline"),
    shell:
        "python -m aurorascope draw_storyline --results results --log {log}"


rule draw_atlas:
    # One job for all, since pages name each other. The other scripts lie beside those declared, in results/atlas/pages.
    input:
        atlases=for_blocks("results/atlas/{block}/summary.json"),
        saes=for_blocks("results/saes/sae_{block}.json"),
        days=days_read(LABEL_DAYS),
        states="results/scratch/states/held_out.json",
        static="results/scratch/static/static.json",
        figures=DEPTH_FIGURES,
        names=own_names,
    output:
        "results/atlas/index.html",
        "results/atlas/pages/index.js",
        for_blocks("results/atlas/{block}.html"),
        for_blocks("results/atlas/pages/{block}/table.js"),
    log:
        "results/logs/draw_atlas.log",
    benchmark:
        "results/benchmarks/draw_atlas.tsv"
    priority: 1
    conda:
        "../../envs/aurorascope.yaml"
    threads: 1
    resources:
        mem_mb=memory(32000),
        runtime=growing(4 * 60),
    params:
        config=stage_params(CONFIG, "draw_atlas"),
        seeds=compared_with_seeds,
        matches=matched_across_stages,
    shell:
        "python -m aurorascope draw_atlas --results results --log {log}"
