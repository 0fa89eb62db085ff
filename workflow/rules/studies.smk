# Studies: edits of features, or changes of inputs, with all their controls, each asked for by a file in `studies/`. No plain run
# makes them: ask for `studies`, or for one study's record or page.


rule run_study:
    # Arms that have run are kept in results/scratch/studies, undeclared, so that a job that was killed goes on with the next. Tables
    # that not all kinds of studies have lie beside the record, undeclared.
    # An atlas is no input: whoever wants a study has not asked for labels of every date.
    input:
        unpack(study_inputs),
        static="results/scratch/static/static.json",
        checkpoint="results/scratch/checkpoint/checkpoint.json",
    output:
        record="results/studies/{study}/record.json",
        effects="results/studies/{study}/effects.parquet",
        fields="results/studies/{study}/fields.nc",
    log:
        "results/logs/run_study/{study}.log",
    benchmark:
        "results/benchmarks/run_study/{study}.tsv"
    conda:
        "../../envs/aurorascope.yaml"
    threads: CONFIG.compute.threads
    resources:
        **on_gpus(GPU),
        mem_mb=memory(64000),
        runtime=growing(24 * 60),
    params:
        config=stage_params(CONFIG, "run_study"),
        # Whether its dates' snapshots are still the same.
        hour=study_hour,
        # So that controls are chosen anew when the block's atlas came or changed.
        atlas=study_atlas,
    shell:
        "python -m aurorascope run_study --study {wildcards.study} --results results --log {log}"


rule draw_study:
    # Pictures lie beside the page, undeclared, since which there are depends on what came of the study; so does the list of all
    # studies that are there, results/studies/index.html, which each of these jobs writes again.
    input:
        record="results/studies/{study}/record.json",
        effects="results/studies/{study}/effects.parquet",
        fields="results/studies/{study}/fields.nc",
        static="results/scratch/static/static.json",
        labels=study_labels,
    output:
        "results/studies/{study}/index.html",
    log:
        "results/logs/draw_study/{study}.log",
    benchmark:
        "results/benchmarks/draw_study/{study}.tsv"
    conda:
        "../../envs/aurorascope.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        config=stage_params(CONFIG, "draw_study"),
        # Drawn again, with links, when pages of an atlas came.
        links=study_links,
    shell:
        "python -m aurorascope draw_study --study {wildcards.study} --results results --log {log}"
