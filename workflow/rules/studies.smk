# Studies: edits of features, or changes of inputs, with all their controls, each asked for by a file in `studies/`. No plain run makes them: ask for
# `studies`, or for one study's record.


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


rule studies:
    # No output on purpose: `snakemake --cores N studies`
    input:
        expand("results/studies/{study}/record.json", study=study_names()),
