# CAMS days and the splits made of them.


checkpoint index_local:
    # Opens each new or changed file of the user's once. What a day depends on are the notes of its own files, which lie
    # beside the listing, undeclared: another file changes no other day.
    output:
        "results/scratch/cams/local/listing.json",
    log:
        "results/logs/index_local.log",
    conda:
        "../../envs/aurorascope.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=24 * 60,
    params:
        files=listing_digest(LISTED),
    shell:
        "python -m aurorascope index_local --record {output} --log {log}"


rule download_day:
    # The zip and the zarr group of states lie beside the record, undeclared.
    input:
        local_files,
    output:
        "results/scratch/cams/{day}.json",
    log:
        "results/logs/download_day/{day}.log",
    benchmark:
        "results/benchmarks/download_day/{day}.tsv"
    retries: 2 if CONFIG.cams.source == "ads" else None
    conda:
        "../../envs/aurorascope.yaml"
    threads: 1
    resources:
        ads=1 if CONFIG.cams.source == "ads" else 0,
        # More than `--resources days=` of a call that also asks for `days_together` leaves beside a share.
        days=1000,
        attempt=lambda wildcards, attempt: attempt,
        mem_mb=4000,
        runtime=24 * 60,
    params:
        config=stage_params(CONFIG, "download_day"),
        hours=lambda wildcards: day_hours(CONFIG.cams).get(wildcards.day, []),
    shell:
        "python -m aurorascope download_day --date {wildcards.day} --record {output}"
        " --attempt {resources.attempt} --log {log}"


rule days_share:
    output:
        touch("results/scratch/waiting/days_{share}.done"),
    log:
        "results/logs/days_together/{share}.log",
    # Before the days' own jobs, which then find their days made.
    priority: 1
    conda:
        "../../envs/aurorascope.yaml"
    threads: 1
    resources:
        days=1,
        mem_mb=4000,
        runtime=24 * 60,
    params:
        config=stage_params(CONFIG, "download_day"),
        hours=sha256_json(day_hours(CONFIG.cams)),
    shell:
        "python -m aurorascope days_together --share {wildcards.share} --results results --log {log}"


rule days_together:
    # No output on purpose: `snakemake --cores N days_together`
    input:
        for_shares_of_days(
            "results/scratch/waiting/days_{share}.done", day_hours(CONFIG.cams)
        ),
    log:
        "results/logs/days_together/all.log",
    conda:
        "../../envs/aurorascope.yaml"
    shell:
        # Asked for again, whatever is missing by then is made.
        "rm -vf {input} >{log}"


rule check_access:
    # `snakemake -c1 check_access`: is the data store reachable with this key and licence? Asks for no data.
    log:
        "results/logs/check_access.log",
    conda:
        "../../envs/aurorascope.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    shell:
        "python -m aurorascope check_access --folder results/scratch/cams --log {log}"


rule select_states:
    input:
        lambda wildcards: expand(
            "results/scratch/cams/{day}.json",
            day=split_days(CONFIG.cams, wildcards.split),
        ),
    output:
        "results/scratch/states/{split}.json",
    log:
        "results/logs/select_states/{split}.log",
    benchmark:
        "results/benchmarks/select_states/{split}.tsv"
    conda:
        "../../envs/aurorascope.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        config=stage_params(CONFIG, "select_states"),
        snapshots=lambda wildcards: sha256_json(
            [s.time for s in snapshots(CONFIG.cams, wildcards.split)]
        ),
    shell:
        "python -m aurorascope select_states --split {wildcards.split} --days results/scratch/cams"
        " --record {output} --log {log}"
