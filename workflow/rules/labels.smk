# Labels: what the weather is, where, on each configured date. No plain run makes them: ask for `labels`.


rule label_reference:
    # `reference.nc` lies beside the record, undeclared.
    input:
        days=days_read(sorted({s.time[:10] for s in snapshots(CONFIG.cams, "train")})),
        static="results/scratch/static/static.json",
    output:
        "results/scratch/labels/reference.json",
    log:
        "results/logs/label_reference.log",
    benchmark:
        "results/benchmarks/label_reference.tsv"
    conda:
        "../../envs/aurorascope.yaml"
    threads: 1
    resources:
        mem_mb=memory(8000),
        runtime=growing(6 * 60),
    params:
        config=stage_params(CONFIG, "label_reference"),
        snapshots=sha256_json([s.time for s in snapshots(CONFIG.cams, "train")]),
    shell:
        "python -m aurorascope label_reference --results results --log {log}"


rule label_day:
    # The zarr group of labels lies beside the record, undeclared.
    input:
        unpack(lambda wildcards: label_inputs(day_of(wildcards))),
    output:
        "results/scratch/labels/{day}.json",
    log:
        "results/logs/label_day/{day}.log",
    benchmark:
        "results/benchmarks/label_day/{day}.tsv"
    conda:
        "../../envs/aurorascope.yaml"
    threads: 1
    resources:
        # As days have it, which a share of labels leaves no room for either.
        days=1000,
        mem_mb=memory(8000),
        runtime=growing(60),
    params:
        config=stage_params(CONFIG, "label_day"),
        snapshots=lambda wildcards: [
            s.time for s in day_snapshots(CONFIG.cams).get(wildcards.day, [])
        ],
    shell:
        "python -m aurorascope label_day --date {wildcards.day} --results results --log {log}"


rule labels_share:
    # What it leaves, the dates' own jobs adopt.
    input:
        unpack(lambda wildcards: label_inputs(share_of(LABEL_DAYS, wildcards.share))),
    output:
        touch("results/scratch/waiting/labels_{share}.done"),
    log:
        "results/logs/labels_together/{share}.log",
    # Before the dates' own jobs, which then find their labels made.
    priority: 1
    conda:
        "../../envs/aurorascope.yaml"
    threads: 1
    resources:
        days=1,
        mem_mb=memory(8000),
        runtime=growing(12 * 60),
    params:
        config=stage_params(CONFIG, "label_day"),
    shell:
        "python -m aurorascope labels_together --share {wildcards.share} --results results --log {log}"


rule labels_together:
    # No output on purpose: `snakemake --cores N labels_together`
    input:
        for_shares_of_days("results/scratch/waiting/labels_{share}.done", LABEL_DAYS),
    log:
        "results/logs/labels_together/all.log",
    conda:
        "../../envs/aurorascope.yaml"
    shell:
        # Asked for again, whatever is missing by then is made.
        "rm -vf {input} >{log}"
