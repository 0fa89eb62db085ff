"""What a study reads, from its file and the configuration alone, for planning. Nothing heavy is imported here.

Whatever is not said well enough to be planned is refused here; all the rest is, before any forward, when the study is read.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aurorascope.blocks import BY_ID, nearest_block
from aurorascope.config.model import Cams
from aurorascope.errors import UserError
from aurorascope.studies.dates import Dated, check_configured, hour_of, quiet_of
from aurorascope.studies.keys import EDIT_KEYS, INPUT_KEYS
from aurorascope.studies.reading import check_dates, check_keys, check_list, nearest, reads_as_number
from aurorascope.studies.study_file import naming
from aurorascope.studies.written import OF_FILE, AskedFile

KINDS = ("perturb", "edit")
"""Keys that tell what kind of study a file asks for, the first that it has."""

# Edits that ask what features usually are, as `studies.study.REFERRING`; a test compares.
_REFERRING = ("normal", "mean", "position_mean", "gain")


@dataclass(frozen=True)
class Needs(Dated):
    """What a study reads, beside snapshots.

    Attributes:
        blocks: ids of blocks whose SAEs are read, an edited one first.
        edited_block: of an edit; None where inputs are changed.
    """

    blocks: tuple[str, ...]
    edited_block: str | None


def needs_of(file: AskedFile, cams: Cams) -> Needs:
    """What the study of a file reads.

    Raises:
        UserError: a block, date or hour that there is not; no date is quiet where one is needed.
    """
    with naming(file.path):
        asked = file.asked
        needed, optional = INPUT_KEYS if _changes_inputs(file) else EDIT_KEYS
        check_keys("the study", asked, needed + optional + OF_FILE, needed)
        hour = hour_of("the study", file, cams)
        dates = check_dates("the study, dates", asked.get("dates"))
        for date in dates:
            check_configured("the study, dates", date, hour, cams)
        outcomes = [each for each in check_list("the study, outcomes", asked.get("outcomes")) if isinstance(each, Mapping)]
        read = [each["block"] for each in outcomes if each.get("block") is not None]
        edited = None if _changes_inputs(file) else _block("the study, block", asked.get("block"))
        named = check_list("the study, blocks", asked["blocks"]) if edited is None and asked.get("blocks") else []
        blocks = [*([edited] if edited else []), *(_block("the study, blocks", each) for each in named)]
        blocks += [_block("the study, outcomes, block", each) for each in read]
        regions = [asked.get("region"), *(each.get("region") for each in outcomes)]
        has_labels = any(isinstance(region, Mapping) and region.get("label") is not None for region in regions)
        is_asked = replaces_by_mean(asked["perturb"]) if edited is None else asks_what_is_usual(asked.get("edit"))
        quiet = quiet_of("the study", file, dates, hour, cams) if is_asked else ()
    return Needs(dates, hour, quiet, has_labels, tuple(dict.fromkeys(blocks)), edited)


def _changes_inputs(file: AskedFile) -> bool:
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
        raise UserError(where, "a block of Aurora", repr(block), nearest_block(block))
    return block
