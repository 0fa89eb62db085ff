"""Write the page that leads to all blocks, with a search over all features that have a label or a name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aurorascope.atlas.read import BlockAtlas
from aurorascope.blocks import BY_ID
from aurorascope.pages.data import NEVER_ON
from aurorascope.pages.html import render
from aurorascope.pages.read import Names
from aurorascope.pages.script import rounded, write_script

_BEST = 3


@dataclass(frozen=True)
class Figure:
    """A figure on the page.

    Attributes:
        path: from the page's folder.
        title: above it.
        alt: what it shows, in words.
        table: path of its numbers.
    """

    path: str
    title: str
    alt: str
    table: str


def labels_of(atlas: BlockAtlas) -> Names:
    """Labels of a block's features by (feature, sign), as far as they may be shown."""
    if not atlas.shows_labels:
        return {}
    table = atlas.tables["features"]
    keys = zip(table["feature"].tolist(), table["sign"].tolist(), strict=True)
    return {key: label for key, label in zip(keys, table["label"], strict=True) if label}


def index_entry(atlas: BlockAtlas, names: Names) -> dict[str, Any]:
    """What the page says of one block: numbers, and its features that have a label or a name."""
    table, block, labels = atlas.tables["features"], BY_ID[atlas.block_id], labels_of(atlas)
    counts: dict[str, int] = {}
    for label in labels.values():
        counts[label] = counts.get(label, 0) + 1
    most = sorted(counts, key=lambda label: (-counts[label], label))[:_BEST]
    wanted = [key in labels or bool(names.get(key)) for key in zip(table["feature"].tolist(), table["sign"].tolist(), strict=True)]
    rows = table[wanted]
    numbers = rounded(rows["f1_test"], 3) if atlas.shows_labels and "f1_test" in rows else [None] * len(rows)
    found = []
    for feature, sign, verdict, f1 in zip(rows["feature"].tolist(), rows["sign"].tolist(), rows["verdict"], numbers, strict=True):
        word = verdict if atlas.shows_labels or verdict == NEVER_ON else atlas.verdict
        found.append([feature, sign, labels.get((feature, sign), ""), names.get((feature, sign), ""), word, f1])
    return {
        "block": block.id, "component": block.component, "stage": block.stage, "verdict": atlas.verdict, "signed": bool((table["sign"] < 0).any()),
        "n": len(table), "n_alive": int(atlas.summary["n_alive"]), "n_labelled": len(labels),
        # Of features with and without a label: most that are beyond both nulls do no better than a variable.
        "n_event": int((table["verdict"] == "event").sum()) if atlas.shows_labels else None,
        "most": [f"{label} ({counts[label]})" for label in most], "features": found,
    }


def write_index_page(
    folder: Path, entries: Mapping[str, dict[str, Any]], figures: Sequence[Figure] = (), strange: Sequence[str] = ()
) -> int:
    """Write `index.html` and `pages/index.js`; returns how many bytes they are.

    Args:
        folder: of the pages.
        entries: `index_entry` of each block that has a page.
        figures: shown below.
        strange: `names_of_nothing`.
    """
    blocks = sorted(entries, key=lambda each: BY_ID[each].depth_index)
    size = write_script(folder / "pages" / "index.js", "index", [entries[each] for each in blocks])
    html = render(
        "index.html", figures=figures, n=len(blocks), n_labelled=sum(each["n_labelled"] for each in entries.values()),
        n_features=sum(each["n"] for each in entries.values()),
        held_back=sum(each["verdict"] != "calibrated" for each in entries.values()), strange="; ".join(strange),
    )
    return size + html.write(folder / "index.html")
