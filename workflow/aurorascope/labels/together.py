"""Labels of many days made in one process, left beside their places for each day's own job to adopt.

At small grids a day takes a fraction of a second, and importing what it needs longer.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aurorascope.config import Config
from aurorascope.labels.claim import is_made, made_from
from aurorascope.progress import Progress
from aurorascope.records import KINDS
from aurorascope.waiting import WaitingDay


def make_label_days(config: Config, dates: Sequence[str], results: Path) -> None:
    """Make the labels of every date for which those of the present settings and states are neither there nor wait.

    Args:
        config: the configuration.
        dates: `YYYY-MM-DD`, dates with snapshots.
        results: the results folder.

    Raises:
        UserError: as of one day; what was made before it waits.
    """
    from aurorascope.labels.make import make_day

    progress = Progress("Labelling", len(dates), "day")
    for date in dates:
        claim, record = made_from(config, date, results).entries(), KINDS["labels"].where(results, day=date)

        def make(path: Path, date: str = date) -> None:
            make_day(config, date, results, path)

        def is_there(record: Path = record, claim: dict[str, Any] = claim) -> bool:
            return is_made(record, claim)

        _waiting(results, date, claim).make(make, is_there)
        progress.step()
    progress.close()


def adopt_label_day(config: Config, date: str, results: Path) -> bool:
    """Put labels that wait in their place, the record last; False where none made from what is there now do."""
    claim = made_from(config, date, results).entries()
    return _waiting(results, date, claim).adopt(KINDS["labels"].where(results, day=date))


def _waiting(results: Path, date: str, claim: dict[str, Any]) -> WaitingDay:
    return WaitingDay(KINDS["labels"].name, results / "scratch", date, claim)
