# Labels: what the weather is, where, on each configured date. No plain run makes them: ask for `labels`.
from aurorascope.config.calendar import day_snapshots
from aurorascope.labels.own_files import own_files, own_folder

LABEL_DAYS = list(day_snapshots(CONFIG.cams))


def days_read(days):
    """Records of the days that hold the states of so many dates' snapshots."""
    found = [s for day in days for s in day_snapshots(CONFIG.cams)[day]]
    read = sorted({time[:10] for s in found for time in (s.previous, s.time)})
    return expand("results/scratch/cams/{day}.json", day=read)


def own_of(days):
    """The user's own files of so many dates, as inputs, so that a changed file is noticed; a missing one is the job's to report."""
    if not CONFIG.labels.own:
        return []
    folder = Path(user_path(CONFIG.labels.own, "labels.own"))
    return [str(path) for day in days for path in own_files(folder, day)]


def own_ids():
    """The record of the ids of the user's labels, where there are any."""
    return ["results/scratch/labels/own.json"] if CONFIG.labels.own else []


def label_inputs(days):
    """What the labels of so many dates are made from."""
    return {
        "days": days_read(days),
        "static": "results/scratch/static/static.json",
        "reference": "results/scratch/labels/reference.json",
        "ids": own_ids(),
        "own": own_of(days),
    }


def day_of(wildcards):
    """The date that labels are asked of; one without snapshots ends the planning."""
    split_of(wildcards)
    return [wildcards.day]


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


rule index_own_labels:
    # Opens each of the user's files once; days depend on the ids alone, and on their own files.
    input:
        own_of(LABEL_DAYS),
    output:
        "results/scratch/labels/own.json",
    log:
        "results/logs/index_own_labels.log",
    conda:
        "../../envs/aurorascope.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        dates=sha256_json(LABEL_DAYS),
    shell:
        "python -m aurorascope index_own_labels --record {output} --log {log}"


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
    conda:
        "../../envs/aurorascope.yaml"
    threads: 1
    resources:
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


rule labels:
    # No output on purpose: `snakemake --cores N labels`
    input:
        expand("results/scratch/labels/{day}.json", day=LABEL_DAYS),
