"""Many days of the demo made in one process, left beside their places for each day's own job to adopt.

What a day's own job does takes a second, and importing what it needs takes longer. Days of other sources wait for the data
store, or depend on the user's files; each is read in its own job.
"""

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

from aurorascope.cams.day import make_day
from aurorascope.config import Config
from aurorascope.config.calendar import day_hours
from aurorascope.config.stages import stage_digest
from aurorascope.locks import folder_lock
from aurorascope.waiting import WaitingDay

_LOG = logging.getLogger(__name__)


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
    for date in dates:
        hours, record = day_hours(config.cams)[date], scratch / "cams" / f"{date}.json"

        def make(path: Path, date: str = date, hours: list[int] = hours) -> None:
            make_day(date, path, config.cams, hours)

        _waiting(config, scratch, date).make(make, record.is_file)


def adopt_day(config: Config, date: str, record: Path) -> bool:
    """Put a day that waits in its place, its record last; False where none of this configuration does.

    Args:
        config: the configuration.
        date: `YYYY-MM-DD`.
        record: the record's path, `results/scratch/cams/<date>.json`.
    """
    waiting = _waiting(config, record.parent.parent, date)
    if config.cams.source != "demo" or not waiting.is_there():
        return False
    work = record.with_name(f".{date}.work")
    with folder_lock(work):
        # The proof of an earlier download beside a demo zip would pass the demo off as the real thing.
        record.with_name(f"{date}.download.json").unlink(missing_ok=True)
        is_adopted = waiting.adopt(record)
        shutil.rmtree(work, ignore_errors=True)
    return is_adopted


def _waiting(config: Config, scratch: Path, date: str) -> WaitingDay:
    claim = {"config_sha256": stage_digest(config, "download_day"), "hours": day_hours(config.cams)[date]}
    return WaitingDay("cams_day", scratch, date, claim)
