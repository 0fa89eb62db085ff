"""Write one block's page: the HTML, the script that it opens with, and scripts that it loads when a feature is opened."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from aurorascope.atlas.nulls import DATE_SHIFT, ROTATION
from aurorascope.atlas.read import BlockAtlas
from aurorascope.blocks import BY_ID
from aurorascope.pages.commands import commands
from aurorascope.pages.data import NEVER_ON, BlockData, block_data
from aurorascope.pages.html import render
from aurorascope.pages.read import Names
from aurorascope.pages.script import in_pieces, write_script
from aurorascope.pages.shared import fields_key
from aurorascope.tokens import TokenGrid

# Bytes of a script that is loaded when a feature is opened, about.
_PIECE = 1 << 19
_WHERE = {ROTATION: "in longitude", DATE_SHIFT: "in time"}


def write_block_page(
    folder: Path, atlas: BlockAtlas, grid: TokenGrid, near: pd.DataFrame, blocks: Sequence[str], *,
    labels: Mapping[str, Names] | None = None, names: Names | None = None, fields_of: Sequence[str] = (), matched: pd.DataFrame | None = None,
) -> int:
    """Write `<block>.html` and `pages/<block>/` in a folder; returns how many bytes they are.

    Args:
        folder: of the pages, which has `pages/shared/` from `write_shared`.
        atlas: the block's.
        grid: of its tokens.
        near: `nearest_features` of the block.
        blocks: that have a page, in forward order.
        labels: labels of the other blocks' features, by block and (feature, sign): `labels_of`.
        names: that a user gave to the block's features.
        fields_of: times for which the weather on this grid was written, by `write_fields`.
        matched: of blocks of other stages, `matching.read.matched_elsewhere`; None where there are none.
    """
    data = block_data(atlas, grid, near, labels or {}, names or {}, matched)
    # Scripts of an earlier page may be more than this one has.
    shutil.rmtree(folder / "pages" / atlas.block_id, ignore_errors=True)
    weather = {"at": fields_key(grid, ""), "times": sorted(fields_of)}
    size = _write_scripts(folder, atlas.block_id, data, weather)
    html = render("block.html", **_context(atlas, data, list(blocks)))
    return size + html.write(folder / f"{atlas.block_id}.html")


def _write_scripts(folder: Path, block_id: str, data: BlockData, weather: dict[str, Any]) -> int:
    place, size = folder / "pages" / block_id, 0
    pieces = in_pieces([len(json.dumps(each)) for each in data.details], _PIECE)
    for number, (start, stop) in enumerate(pieces):
        size += write_script(place / f"details_{number}.js", f"{block_id}/details_{number}", data.details[start:stop])
    mapped = sorted(data.maps)
    groups = [mapped[start:stop] for start, stop in in_pieces([len(json.dumps(data.maps[each])) for each in mapped], _PIECE)]
    for number, group in enumerate(groups):
        size += write_script(place / f"maps_{number}.js", f"{block_id}/maps_{number}", {str(each): data.maps[each] for each in group})
    table = data.table | {"details": [start for start, _ in pieces], "maps": groups, "fields": weather, "commands": commands(block_id)}
    return size + write_script(place / "table.js", block_id, table)


def _context(atlas: BlockAtlas, data: BlockData, blocks: list[str]) -> dict[str, Any]:
    block, columns = BY_ID[atlas.block_id], data.table["columns"]
    at = blocks.index(block.id)
    badges = sorted({badge for each in columns["badges"]["words"] for badge in each.split(",") if badge})
    splits = atlas.summary["splits"]
    return {
        "block": block, "blocks": blocks, "before": blocks[at - 1] if at else None, "after": blocks[at + 1] if at + 1 < len(blocks) else None,
        "verdict": atlas.verdict, "shows_labels": atlas.shows_labels, "n": len(columns["feature"]), "n_alive": data.table["n_alive"],
        "signed": data.table["signed"], "labels": [word for word in columns["label"]["words"] if word],
        "verdicts": [word for word in columns["verdict"]["words"] if word != NEVER_ON], "badges": badges, "levels": data.table["levels"],
        "n_dates": [splits[name]["n_dates"] for name in ("select", "test")], "n_snapshots": atlas.summary["n_snapshots"],
        **_shortage(atlas.summary),
    }


def _shortage(summary: dict[str, Any]) -> dict[str, Any]:
    """What an atlas has, and would need, where its verdict is "too_few_dates" or "too_coarse"."""
    settings, splits, nulls = summary["settings"], summary["splits"], summary.get("nulls", {})
    needed = 2 * settings["least_blocks"]
    return {
        "groups": {
            "needed": needed, "there": sum(splits[name]["n_blocks"] for name in ("select", "test")), "days_between": settings["drop_days"],
            "in_a_row": (needed - 1) * (settings["block_days"] + settings["drop_days"]) + 1,
        },
        "coarse": [{"n": each["n_distinct"], "where": _WHERE[kind]} for kind, each in nulls.items() if each["reason"]],
        "least_shifts": settings["least_distinct"],
    }
