# What the configured run will cost, before it starts: `snakemake -c1 plan`


rule plan:
    # No input, so that it runs before anything is downloaded, and no output: it prints.
    log:
        "results/logs/plan.log",
    conda:
        "../../envs/aurorascope.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    shell:
        "python -m aurorascope plan --results results --log {log}"
