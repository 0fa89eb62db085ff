# CAMS days and the splits made of them.
import subprocess

from aurorascope.cams.local.index import (
    changed,
    listing_digest,
    load_index,
    notes_of,
    unknown,
)
from aurorascope.cams.local.listing import list_files
from aurorascope.notices import shortened

LOCAL = SCRATCH / "cams" / "local"


def _listed():
    """The user's files of CAMS days, by name, size and time of change.

    Those that have changed since they were looked into, or are new among known ones, are named and, but for a dry run, looked
    into before anything is planned: once a job that a day waits for is planned, so is all that follows from that day.
    """
    if CONFIG.cams.source != "local":
        return []
    try:
        files = list_files(CONFIG.cams.directory)
    except UserError as error:
        # Days that are made do without; one that is not fails with this line.
        if workflow.is_main_process:
            logger.warning(error.one_line())
        return []
    index = load_index(LOCAL)
    others = changed(files, index) + (unknown(files, index) if index else [])
    if others and workflow.is_main_process:
        names = ", ".join(shortened(others, "files", 4))
        logger.warning(
            f"New, changed or copied anew since these files were looked into, and so to be hashed again: {names}."
        )
        if not (DRY_RUN or MAY_LOOK):
            _look_again()
    return files


def _look_again():
    words = ["-m", "aurorascope", "index_local"]
    words += ["--record", str(LOCAL / "listing.json"), "--no-record"]
    environment = {"PYTHONPATH": str(WORKFLOW), "AURORASCOPE_CONFIG": str(CONFIG_PATH)}
    done = subprocess.run(
        [sys.executable, *words],
        env=os.environ | environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        _stop(done.stderr.strip().splitlines()[-1])


LISTED = _listed()


def local_files(wildcards):
    """Notes of the user's own files that hold a day; a missing day is the job's to report.

    A day that is not made may be in any file that nobody has looked into, and waits for the checkpoint.
    """
    if CONFIG.cams.source != "local":
        return []
    is_made = (SCRATCH / "cams" / f"{wildcards.day}.json").exists()
    if not is_made and unknown(LISTED, load_index(LOCAL)):
        checkpoints.index_local.get()
    return [str(path) for path in notes_of(wildcards.day, LISTED, LOCAL)]


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
        attempt=lambda wildcards, attempt: attempt,
        mem_mb=4000,
        runtime=24 * 60,
    params:
        config=stage_params(CONFIG, "download_day"),
        hours=hours_of,
    shell:
        "python -m aurorascope download_day --date {wildcards.day} --record {output}"
        " --attempt {resources.attempt} --log {log}"


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
