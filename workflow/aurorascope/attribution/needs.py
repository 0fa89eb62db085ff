"""What an attribution reads, from its outcome's file and the configuration alone, for planning. Nothing heavy is imported here."""

from collections.abc import Mapping
from dataclasses import dataclass

from aurorascope.attribution.outcome_file import KEYS, RULES, naming
from aurorascope.blocks import BY_ID, nearest_block
from aurorascope.config.model import Cams
from aurorascope.errors import UserError, nearest
from aurorascope.studies.dates import Dated, check_configured, hour_of, quiet_of
from aurorascope.studies.reading import check_dates, check_each_once, check_integer, check_keys, check_list
from aurorascope.studies.written import OF_FILE, AskedFile

N_POINTS, N_EXACT = 4, 20
"""Midpoints, and features of a block that are ablated exactly, where the file says nothing."""
MOST_EXACT = 100_000
"""More features than any block has."""


@dataclass(frozen=True)
class Needs(Dated):
    """What attributions of an outcome read, and what they are of.

    Attributes:
        blocks: ids of the blocks that the file names, in forward order; None where it names none and all are meant.
        rule: `gradient` or `midpoint`.
        points: midpoints; 0 by the rule `gradient`.
        exact: how many of the strongest features of a block are ablated exactly.
    """

    blocks: tuple[str, ...] | None
    rule: str
    points: int
    exact: int


def needs_of(file: AskedFile, cams: Cams) -> Needs:
    """What the attributions of a file's outcome read.

    Raises:
        UserError: an unknown key, block or rule; a date without states or an hour that there is not; no date is quiet; or the rule
            `midpoint` without blocks, of which each costs forwards of its own.
    """
    with naming(file.path):
        asked = check_keys("the outcome", file.asked, KEYS + OF_FILE)
        if ("date" in asked) == ("dates" in asked):
            found = "both" if "date" in asked else "neither"
            raise UserError("the outcome", "either date or dates", found, "give one of them")
        hour = hour_of("the outcome", file, cams)
        key = "date" if "date" in asked else "dates"
        dates = check_dates(f"the outcome, {key}", [asked["date"]] if key == "date" else asked["dates"])
        for date in dates:
            check_configured(f"the outcome, {key}", date, hour, cams)
        rule = asked.get("rule", RULES[0])
        if rule not in RULES:
            raise UserError("the outcome, rule", f"one of {', '.join(RULES)}", repr(rule), nearest(rule, RULES))
        if "points" in asked and rule != "midpoint":
            raise UserError("the outcome, points", f"none, since the rule {rule} takes the clean point", repr(asked["points"]), "leave it out")
        blocks = _blocks(asked["blocks"]) if "blocks" in asked else None
        if rule == "midpoint" and blocks is None:
            expected = "a list of blocks, since each costs forwards of its own by the rule midpoint"
            raise UserError("the outcome, blocks", expected, "none", "add the key blocks")
        points = check_integer("the outcome, points", asked.get("points", N_POINTS), 1) if rule == "midpoint" else 0
        exact = check_integer("the outcome, exact", asked.get("exact", N_EXACT), 0, MOST_EXACT)
        quiet = quiet_of("the outcome", file, dates, hour, cams)
        region = asked.get("region")
        has_labels = isinstance(region, Mapping) and region.get("label") is not None
    return Needs(dates, hour, quiet, has_labels, blocks, rule, points, exact)


def _blocks(given: object) -> tuple[str, ...]:
    where = "the outcome, blocks"
    found = check_list(where, given)
    for each in found:
        if not isinstance(each, str) or each not in BY_ID:
            raise UserError(where, "blocks of Aurora", repr(each), nearest_block(each))
    check_each_once(where, found, "block")
    return tuple(block for block in BY_ID if block in found)
