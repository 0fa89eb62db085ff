# Targets that only look, at whichever run the folder holds: they declare no output and print what they find.


rule plan:
    # What the configured run will cost: `snakemake -c1 plan`. No input, so that it runs before anything is downloaded.
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


rule verify:
    # Whether what is there is still what its records say: `snakemake -c1 verify`. No input: it asks for no missing file.
    log:
        "results/logs/verify.log",
    conda:
        "../../envs/aurorascope.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=24 * 60,
    shell:
        "python -m aurorascope verify --results results --log {log}"
