"""Write the page of one outcome: which features of which blocks carry it, plain HTML that needs no script, no server and no network."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from aurorascope.atlas.read import read_atlas
from aurorascope.attribution.agreement import FLOORS, TRUSTED
from aurorascope.attribution.finished import FinishedOutcome
from aurorascope.files import find_record
from aurorascope.pages.html import render
from aurorascope.pages.study_page import atlas_links, write_style
from aurorascope.pages.study_tables import Cell, Table, feature_cell
from aurorascope.studies.wording import TENDENCIES, number, outcome_words, several

_SHOWN, _AT_MOST = 20, 200
_RULES = {
    "gradient": "gradients at the clean forecast",
    "relevance": "gradients at the clean forecast along paths whose scales (norms, patterns of attention, gates) are held constant",
    "midpoint": "gradients at the middles of {0} equal parts of the way from the block's output to its position mean",
}


def write_attribution_page(outcome: FinishedOutcome, picture: str, results: Path) -> None:
    """Write `index.html` and its styles into the outcome's folder.

    Args:
        outcome: its attributions.
        picture: name of the one over depth, which lies in the folder.
        results: the results folder; what is there of an atlas is linked, and names features.
    """
    first, links = outcome.first, atlas_links(results, outcome.records)
    page = render(
        "attribution/outcome.html", name=outcome.name, what=outcome_words(outcome.asked), unit=TENDENCIES, links=links,
        has_atlas=(results / "atlas" / "index.html").is_file(), dates=f"{several(first['dates'])}, {first['hour']:02d} UTC",
        quiet=several(first["quiet_dates"]), rule=_RULES[first["rule"]].format(first["points"]), picture=picture, alt=_alt(outcome),
        trusted=_trusted(outcome), bound=TRUSTED, floors=FLOORS, strongest=_strongest(outcome, links, _labels(outcome, results)),
        blocks=_blocks(outcome, links), n_blocks=len(outcome.records),
    )
    write_style(outcome.folder)
    page.write(outcome.folder / "index.html")


def _labels(outcome: FinishedOutcome, results: Path) -> dict[tuple[str, int, int], str]:
    """Labels that atlases of the same SAEs show, by block, feature and sign."""
    found = {}
    for block, record in outcome.records.items():
        folder = results / "atlas" / block
        summary = find_record(folder / "summary.json", "atlas")
        if summary is None or summary["sae_sha256"] != record["sae_sha256"]:
            continue
        atlas = read_atlas(folder, block, ["features"])
        if atlas.shows_labels:
            rows = atlas.tables["features"]
            found |= {(block, int(row.feature), int(row.sign)): row.label for row in rows[rows["label"] != ""].itertuples()}
    return found


def _strongest(outcome: FinishedOutcome, links: Mapping[str, str], labels: Mapping[tuple[str, int, int], str]) -> Table:
    """Features of all blocks, the largest effects first."""
    rows = pd.concat([table.assign(block=block) for block, table in outcome.tables.items()], ignore_index=True)
    order = rows["effect"].abs().sort_values(ascending=False, kind="stable").index[:_AT_MOST]
    cells = [_feature(row, outcome.records[row["block"]], links, labels) for row in rows.loc[order].to_dict("records")]
    titles = ("Block", "Feature", "Label", f"Effect ({TENDENCIES})", f"Exact ({TENDENCIES})", "On at (% of tokens)", "Block's gradients")
    caption = f"The {len(cells)} largest of {len(rows):,} effects; exact ones are those of ablations, where a feature was among its block's strongest"
    return Table(caption, titles, (False, True, False, True, True, True, False), cells[:_SHOWN], cells[_SHOWN:])


def _feature(
    row: Mapping[str, Any], record: Mapping[str, Any], links: Mapping[str, str], labels: Mapping[tuple[str, int, int], str]
) -> list[Cell]:
    block, feature, sign = row["block"], int(row["feature"]), int(row["sign"])
    exact = number(row["exact"]) if row["exact_by_date"] is not None else ""
    return [
        _block(block, links), feature_cell((feature, sign), links.get(block)), Cell(labels.get((block, feature, sign), "")), Cell(number(row["effect"])),
        Cell(exact), Cell(number(100 * row["density"])), Cell(record["word"]),
    ]


def _blocks(outcome: FinishedOutcome, links: Mapping[str, str]) -> Table:
    rows = []
    for block, record in outcome.records.items():
        found = record["agreement"] or {}
        quotients = [_known(found.get(key)) for key in ("correlation", "slope", "sign_agreement")]
        sums = [Cell(number(record[key])) for key in ("absolute", "features", "error")]
        rows.append([_block(block, links), *sums, *quotients, _known(record["completeness"]), Cell(record["word"])])
    titles = ("Block", "Sum of |effect|", "Features", "Error node", "Correlation", "Slope", "Same sign", "Completeness", "Gradients")
    caption = f"Sums in {TENDENCIES}, the others without a unit; means over dates"
    return Table(caption, titles, (False, *[True] * 7, False), rows)


def _block(block: str, links: Mapping[str, str]) -> Cell:
    return Cell(block, links.get(block))


def _known(value: float | None) -> Cell:
    return Cell("says nothing" if value is None else number(value))


def _trusted(outcome: FinishedOutcome) -> list[str]:
    """How many blocks have each word."""
    words = pd.Series([record["word"] for record in outcome.records.values()])
    return [f"{word}: {n} of {len(words)} blocks" for word, n in words.value_counts(sort=False).items()]


def _alt(outcome: FinishedOutcome) -> str:
    sums = {block: record["absolute"] for block, record in outcome.records.items()}
    most = max(sums, key=sums.__getitem__)
    return f"Sum of effects' sizes by block, largest in {most} with {number(sums[most])} {TENDENCIES}, and correlation with exact ablations by block."
