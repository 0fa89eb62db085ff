"""Write the page that lists all studies of a results folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from aurorascope.errors import UserError
from aurorascope.files import find_record
from aurorascope.pages.html import Page, render
from aurorascope.pages.study_page import write_style
from aurorascope.studies.finished import KIND
from aurorascope.studies.judged import check_judged
from aurorascope.studies.wording import number, unit_of, with_unit


@dataclass(frozen=True)
class Listed:
    """A study in the list.

    Attributes:
        name: of the study.
        link: to its page; None where there is none yet.
        word: of its first outcome.
        outcome: the first one's name.
        effect: with its unit.
        controls: what 95 % of them stay within, with its unit.
        n_dates: dates that it ran on.
    """

    name: str
    link: str | None
    word: str
    outcome: str
    effect: str
    controls: str
    n_dates: int


def write_study_index(results: Path) -> None:
    """Write `studies/index.html`: every study whose record is there, can be read, and says what its effects do.

    Jobs of several studies may write it at the same time, each from what it finds. Whoever writes last looks again, and so no study that
    was done before is missing.

    Args:
        results: the results folder.
    """
    folder, page = results / "studies", _page(results)
    write_style(folder)
    while True:
        page.write(folder / "index.html")
        found = _page(results)
        if found == page:
            return
        page = found


def _page(results: Path) -> Page:
    found, unread = [], []
    for path in KIND.found(results):
        name = KIND.names_in(path)["study"]
        record = find_record(path, KIND.name)
        listed = None if record is None else _listed(path, name, record)
        (unread if listed is None else found).append(name if listed is None else listed)
    return render("studies/studies.html", studies=found, unread=unread, has_atlas=(results / "atlas" / "index.html").is_file())


def _listed(path: Path, name: str, record: dict[str, Any]) -> Listed | None:
    """None where the record is not one, or says other than its effects: its own page says what is wrong with it."""
    try:
        # What is listed is of the first outcome.
        check_judged(path, record, pd.read_parquet(path.with_name("effects.parquet")), 1)
        asked = record["asked"]["outcomes"][0]
        verdict, unit = record["outcomes"][str(asked["name"])], unit_of(asked)
        bar = verdict["controls_95"]
        return Listed(
            name, f"{name}/index.html" if path.with_name("index.html").is_file() else None, record["word"], str(asked["name"]),
            with_unit(verdict["effect"], unit), "no controls" if bar is None else f"± {number(bar)} {unit}", len(record["dates"]),
        )
    except (UserError, LookupError, TypeError, AttributeError, OSError, ValueError):
        return None
