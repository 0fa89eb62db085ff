"""What a study reads, from its file and the configuration alone, for planning. Nothing heavy is imported here.

Whatever is not said well enough to be planned is refused here; all the rest is, before any forward, when the study is read.
"""

import datetime
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aurorascope.blocks import BY_ID
from aurorascope.config.calendar import SPLITS, snapshots, split_of_day
from aurorascope.config.model import Cams
from aurorascope.errors import UserError
from aurorascope.studies.keys import EDIT_KEYS, INPUT_KEYS
from aurorascope.studies.reading import check_dates, check_keys, check_list, nearest, reads_as_number
from aurorascope.studies.study_file import OF_FILE, StudyFile, naming

MOST_QUIET, QUIET_DAYS = 16, 5
"""Quiet dates that are chosen at most, and days from any date of the study within which none is."""

KINDS = ("perturb", "edit")
"""Keys that tell what kind of study a file asks for, the first that it has."""

# Edits that ask what features usually are, as `studies.study.REFERRING`; a test compares.
_REFERRING = ("normal", "mean", "position_mean", "gain")


@dataclass(frozen=True)
class Needs:
    """What a study reads.

    Attributes:
        blocks: ids of blocks whose SAEs are read, an edited one first.
        edited_block: of an edit; None where inputs are changed.
        dates: of the study, ascending.
        hour: of their snapshots, UTC.
        quiet_dates: that say what features, or variables, usually are, ascending; empty where nobody asks.
        has_labels: whether labels of the dates are read.
    """

    blocks: tuple[str, ...]
    edited_block: str | None
    dates: tuple[str, ...]
    hour: int
    quiet_dates: tuple[str, ...]
    has_labels: bool

    def time(self, date: str) -> str:
        """Time of a date's snapshot, `YYYY-MM-DDTHH:00:00Z`."""
        return f"{date}T{self.hour:02d}:00:00Z"


def needs_of(file: StudyFile, cams: Cams) -> Needs:
    """What the study of a file reads.

    Raises:
        UserError: a block, date or hour that there is not; no date is quiet where one is needed.
    """
    with naming(file.path):
        asked = file.asked
        needed, optional = INPUT_KEYS if _changes_inputs(file) else EDIT_KEYS
        check_keys("the study", asked, needed + optional + OF_FILE, needed)
        hour = _hour(file, cams)
        dates = check_dates("the study, dates", asked.get("dates"))
        for date in dates:
            _check_date("the study, dates", date, hour, cams)
        outcomes = [each for each in check_list("the study, outcomes", asked.get("outcomes")) if isinstance(each, Mapping)]
        read = [each["block"] for each in outcomes if each.get("block") is not None]
        edited = None if _changes_inputs(file) else _block("the study, block", asked.get("block"))
        named = check_list("the study, blocks", asked["blocks"]) if edited is None and asked.get("blocks") else []
        blocks = [*([edited] if edited else []), *(_block("the study, blocks", each) for each in named)]
        blocks += [_block("the study, outcomes, block", each) for each in read]
        regions = [asked.get("region"), *(each.get("region") for each in outcomes)]
        has_labels = any(isinstance(region, Mapping) and region.get("label") is not None for region in regions)
        is_asked = replaces_by_mean(asked["perturb"]) if edited is None else asks_what_is_usual(asked.get("edit"))
        quiet = _quiet(file, dates, hour, cams) if is_asked else ()
    return Needs(tuple(dict.fromkeys(blocks)), edited, dates, hour, quiet, has_labels)


def _changes_inputs(file: StudyFile) -> bool:
    """Whether a study changes inputs; otherwise it edits features.

    Raises:
        UserError: no key tells.
    """
    found = next((key for key in KINDS if key in file.asked), None)
    if found is None and "block" not in file.asked:
        for key in file.asked:
            if difflib.get_close_matches(key, KINDS, 1):
                raise UserError(f"the study, {key}", f"a key {' or '.join(KINDS)}", repr(key), nearest(key, KINDS))
        words = ", ".join(file.asked) or "no key"
        raise UserError("the study", "a key edit, of features, or perturb, of inputs", words, "add one of them")
    return found == "perturb"


def replaces_by_mean(perturb: Any) -> bool:
    """Whether changes of inputs, as a file has them, need quiet dates."""
    return isinstance(perturb, list) and any(isinstance(each, Mapping) and "replace_by_mean" in each for each in perturb)


def asks_what_is_usual(edit: Any) -> bool:
    """Whether an edit, as a file has it, needs quiet dates."""
    kind, value = next(iter(edit.items())) if isinstance(edit, Mapping) and len(edit) == 1 else (edit, None)
    return kind in _REFERRING or (kind == "clamp" and isinstance(value, str) and not reads_as_number(value))


def _block(where: str, block: Any) -> str:
    if not isinstance(block, str) or block not in BY_ID:
        raise UserError(where, "a block of Aurora", repr(block), nearest(block, BY_ID))
    return block


def _hour(file: StudyFile, cams: Cams) -> int:
    if file.hour is None:
        return max(cams.init_hours)
    if file.hour not in cams.init_hours:
        hours = ", ".join(map(str, sorted(cams.init_hours)))
        raise UserError("the study, hour", f"one of cams.init_hours, {hours}", str(file.hour), nearest(file.hour, sorted(cams.init_hours)))
    return file.hour


def _times(cams: Cams, split: str) -> set[str]:
    return {each.time for each in snapshots(cams, split)}


def _dates_at(hour: int, cams: Cams, split: str) -> list[str]:
    return sorted(time[:10] for time in _times(cams, split) if int(time[11:13]) == hour)


def _check_date(where: str, date: str, hour: int, cams: Cams) -> None:
    try:
        split = split_of_day(cams, date)
    except UserError as error:
        raise UserError(f"{where}, {date}", error.expected, error.found, error.fix) from None
    if f"{date}T{hour:02d}:00:00Z" not in _times(cams, split):
        raise UserError(f"{where}, {date}", f"a date with a snapshot at {hour} UTC", "none", "take another date or hour")


def _quiet(file: StudyFile, dates: Sequence[str], hour: int, cams: Cams) -> tuple[str, ...]:
    if file.quiet_dates is None:
        found = quiet_dates(dates, [_dates_at(hour, cams, split) for split in reversed(SPLITS)])
        if not found:
            raise UserError(
                "the study, quiet_dates", f"dates more than {QUIET_DAYS} days from those of the study, which say what is usual",
                "no configured one", "name some, or configure more dates",
            )
        return found
    for date in file.quiet_dates:
        _check_date("the study, quiet_dates", date, hour, cams)
        if date in dates:
            raise UserError("the study, quiet_dates", "dates that are none of the study's", date, "leave it out of one")
    return file.quiet_dates


def quiet_dates(dates: Sequence[str], preferred: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Dates that are far from all of a study, spread evenly over those of the first list, then of the next.

    Args:
        dates: of the study.
        preferred: lists of dates, each ascending: held-out ones, then those of training.

    Returns:
        At most `MOST_QUIET`, ascending.
    """
    days = [datetime.date.fromisoformat(each) for each in dates]
    found: list[str] = []
    for each in preferred:
        far = [date for date in each if all(abs((datetime.date.fromisoformat(date) - day).days) > QUIET_DAYS for day in days)]
        n = min(len(far), MOST_QUIET - len(found))
        # The middle of each of n equal parts.
        found += [far[(2 * at + 1) * len(far) // (2 * n)] for at in range(n)]
    return tuple(sorted(found))
