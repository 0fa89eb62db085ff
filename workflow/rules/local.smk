# The user's own files of CAMS days: what lies there when a run is planned, and which of them hold a day.
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
