"""Many days of the demo made in one process, left beside their places for each day's own job to adopt.

What a day's own job does takes a second, and importing what it needs takes longer. Days of other sources wait for the data
store, or depend on the user's files; each is read in its own job.
"""

import contextlib
import json
import logging
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aurorascope.cams.day import make_day
from aurorascope.config import Config
from aurorascope.config.calendar import day_hours
from aurorascope.config.stages import stage_digest
from aurorascope.files import publish_folder, sha256_file, write_bytes, write_json
from aurorascope.locks import folder_lock

_LOG = logging.getLogger(__name__)
# Written last: what the day was made from, and the digest of each file.
_COMPLETE = "complete.json"


def make_days(config: Config, dates: Sequence[str], scratch: Path) -> None:
    """Make every date whose record is neither there nor waits.

    Args:
        config: the configuration.
        dates: `YYYY-MM-DD`, days of the configured splits.
        scratch: `results/scratch`.

    Raises:
        UserError: as of one day; what was made before it waits.
    """
    if config.cams.source != "demo":
        _LOG.info("cams.source is %s: each day is made in its own job.", config.cams.source)
        return
    needed = day_hours(config.cams)
    for date in dates:
        waiting, claim = _waiting(scratch, date), _claim(config, date)
        with folder_lock(waiting.parent):
            if (scratch / "cams" / f"{date}.json").is_file() or _whole(waiting, claim) is not None:
                _LOG.info("%s is made already.", date)
                continue
            shutil.rmtree(waiting, ignore_errors=True)
            make_day(date, waiting / f"{date}.json", config.cams, needed[date])
            files = sorted(path for path in waiting.rglob("*") if path.is_file())
            content = {"claim": claim, "files": {str(path.relative_to(waiting)): sha256_file(path) for path in files}}
            write_json(waiting / _COMPLETE, content)


def adopt_day(config: Config, date: str, record: Path) -> bool:
    """Put a day that waits in its place, its record last; False where none of this configuration does.

    Args:
        config: the configuration.
        date: `YYYY-MM-DD`.
        record: the record's path, `results/scratch/cams/<date>.json`.
    """
    waiting, work = _waiting(record.parent.parent, date), record.with_name(f".{date}.work")
    if config.cams.source != "demo" or not waiting.is_dir():
        return False
    with folder_lock(waiting.parent), folder_lock(work):
        names = _whole(waiting, _claim(config, date))
        if names is not None:
            # The proof of an earlier download beside a demo zip would pass the demo off as the real thing.
            record.with_name(f"{date}.download.json").unlink(missing_ok=True)
            for name in names - {record.name}:
                if (waiting / name).is_dir():
                    publish_folder(waiting / name, record.with_name(name))
                else:
                    os.replace(waiting / name, record.with_name(name))
            write_bytes(record, (waiting / record.name).read_bytes())
        shutil.rmtree(work, ignore_errors=True)
    shutil.rmtree(waiting.parent, ignore_errors=True)
    return names is not None


def _waiting(scratch: Path, date: str) -> Path:
    return scratch / "waiting" / "cams_day" / date / "day"


def _claim(config: Config, date: str) -> dict[str, Any]:
    return {"config_sha256": stage_digest(config, "download_day"), "hours": day_hours(config.cams)[date]}


def _whole(waiting: Path, claim: dict[str, Any]) -> set[str] | None:
    """Names of a finished day's files and folders; None where it was made from something else or is damaged."""
    with contextlib.suppress(OSError, ValueError, KeyError, AttributeError):
        content = json.loads((waiting / _COMPLETE).read_text())
        files = content["files"].items()
        if content["claim"] == claim and all(sha256_file(waiting / name) == digest for name, digest in files):
            return {name.split("/")[0] for name, _ in files}
    return None
