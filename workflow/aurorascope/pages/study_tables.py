"""Tables on a study's page: divergence by field, exposures, responding features."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from aurorascope.pages.study_dates import n_edited
from aurorascope.spec import LATENT_LEVELS
from aurorascope.studies.finished import FinishedStudy
from aurorascope.studies.wording import field_words, number, unit_of

_SHOWN = 12
_BEST = 5


@dataclass(frozen=True)
class Cell:
    """A cell.

    Attributes:
        text: what it says.
        link: where it leads to, if anywhere.
    """

    text: str
    link: str | None = None


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        caption: what it has.
        columns: titles; those that end with a unit name it.
        numeric: which of the columns hold numbers.
        rows: that are shown.
        more: that are shown once they are asked for.
    """

    caption: str
    columns: Sequence[str]
    numeric: Sequence[bool]
    rows: Sequence[Sequence[Cell]]
    more: Sequence[Sequence[Cell]] = ()


def divergence_table(study: FinishedStudy) -> Table | None:
    """How far each field moved at the last step, with the edit once, as its controls and as the SAE's reconstruction; None without the table."""
    table = study.tables.get("divergence")
    if table is None or table.empty:
        return None
    table = table[(table["step"] == study.steps) & (table["dose"].abs() <= 1)].assign(level=table["level"].astype("Int64").fillna(-1))
    rows = table.groupby(["variable", "level", "arm", "kind"], sort=False, as_index=False)["d2"].mean()
    by_field = {key: part for key, part in rows.groupby(["variable", "level"], sort=False)}
    found = []
    for (variable, level), part in by_field.items():
        values = part.set_index("arm")["d2"]
        controls = part[part["kind"].isin(("control", "direction"))]["d2"].to_numpy(np.float64)
        found.append((
            float(values.get("feature_1", np.nan)), field_words(variable, None if level < 0 else int(level)), float(values.get("minus_feature_1", np.nan)),
            float(np.median(controls)) if len(controls) else np.nan, float(values.get("reconstruction_1", np.nan)),
        ))
    found.sort(key=lambda row: (np.isnan(row[0]), -row[0], row[1]))
    cells = [[Cell(name), *(Cell(number(each)) for each in (feature, *others))] for feature, name, *others in found]
    caption = f"Mean square by area of changed minus clean forecast over that of clean forecast minus input, mean over dates (no unit); {len(cells)} fields"
    titles = ("Field", "Edit", "Reverse", "Median of controls", "Reconstruction")
    return Table(caption, titles, (False, True, True, True, True), cells[:_SHOWN], cells[_SHOWN:])


def exposure_table(study: FinishedStudy, links: Mapping[str, str]) -> Table:
    """Exposure of the edited features and of the controls, of changed inputs the size of each change; and effects on the first outcome."""
    record, (asked, _) = study.record, study.outcomes[0]
    if study.changes_inputs:
        return _size_table(study, asked)
    effects = study.effects_of(str(asked["name"])).set_index("arm")["effect"]
    link, rows = links.get(record["block"]), []
    sets = [("edited", "feature_1", record["features"], record["exposure"])]
    sets += [(f"control_{at:02d}", f"control_{at:02d}", each["features"], each["exposure"]) for at, each in enumerate(record["controls"])]
    for name, arm, ids, exposures in sets:
        for at, (feature, exposure) in enumerate(zip(ids, exposures, strict=True)):
            p99 = number(record["p99"][at]) if name == "edited" else ""
            effect = number(effects.get(arm, np.nan)) if not at else ""
            rows.append([Cell(name), feature_cell(feature, link), Cell(number(exposure)), Cell(p99), Cell(effect)])
    over = "over dates and edited steps" if n_edited(study) > 1 else "over dates"
    caption = f"Mean of each feature by area over the region and {over}, and the effect of each set with the others of its arm"
    titles = ("Set", "Feature", "Exposure (block's units)", "99th percentile (block's units)", f"Effect ({unit_of(asked)})")
    n = 1 + len(record["features"]) + _SHOWN
    return Table(caption, titles, (False, True, True, True, True), rows[:n], rows[n:])


def _size_table(study: FinishedStudy, asked: Mapping[str, Any]) -> Table:
    effects = study.effects_of(str(asked["name"])).set_index("arm")["effect"]
    rows = [[Cell(arm), Cell(number(size)), Cell(number(effects.get(arm, np.nan)))] for arm, size in study.record["sizes"].items()]
    caption = f"Mean size of each arm's change over dates, and its effect on {asked['name']}"
    return Table(caption, ("Arm", "Size (Aurora's normalised units)", f"Effect ({unit_of(asked)})"), (False, True, True), rows)


def response_tables(study: FinishedStudy, links: Mapping[str, str]) -> list[Table]:
    """Of changed inputs and each block asked for, the features that respond the most of those that respond more than to any control.

    Where there is none of these, the features that respond the most.
    """
    table = study.tables.get("responses")
    if table is None or table.empty:
        return []
    found = []
    for block in study.blocks:
        part = table[(table["block"] == block) & (table["change"].abs() > 0)]
        beyond = part[part["beyond_controls"]]
        words = f"{len(beyond)} of {len(part)} responses are larger than any to other variables or noise"
        shown = beyond if len(beyond) else part
        order = shown["change"].abs().sort_values(ascending=False, kind="stable").index[:_BEST]
        rows = [_response(row, links.get(block)) for row in shown.loc[order].to_dict("records")]
        titles = ("Feature", "Latent level", "Change (block's units)", "z over dates (no unit)", "q (no unit)", "Largest to noise (block's units)")
        found.append(Table(f"{block}: {words}; the largest {'of these' if len(beyond) else 'of all'}", titles, (True, False, True, True, True, True), rows))
    return found


def _response(row: Mapping[str, Any], link: str | None) -> list[Cell]:
    feature = [int(row["feature"]), int(row["sign"])]
    numbers = (Cell(number(float(row[name]))) for name in ("change", "z", "q", "change_noise"))
    return [feature_cell(feature, link), Cell(LATENT_LEVELS[int(row["level"])]), *numbers]


def feature_cell(feature: Sequence[int], link: str | None) -> Cell:
    """A feature's number, which leads to it on its block's page of the atlas."""
    n, sign = feature
    sign_words = "&sign=-1" if sign < 0 else ""
    return Cell(f"{n}{' (negative)' if sign < 0 else ''}", f"{link}#feature={n}{sign_words}" if link else None)
