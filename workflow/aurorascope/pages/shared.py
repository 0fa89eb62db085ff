"""What all pages share: scripts and styles, coastlines, and the weather around examples."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from aurorascope.atlas.fields import SHOWN_FIELDS
from aurorascope.files import write_bytes
from aurorascope.pages.coast import coast_lines
from aurorascope.pages.data import coarse, coarser_by
from aurorascope.pages.html import STATIC
from aurorascope.pages.script import packed, rounded, write_script
from aurorascope.tokens import TokenGrid

_COPIED = (".js", ".css")
# Concentrations are shown over so many factors of ten below their largest value.
_DECADES = 4


def write_shared(folder: Path, lsm_yx: np.ndarray, lat: np.ndarray, lon: np.ndarray) -> None:
    """Write `pages/shared/`: scripts, styles, and coastlines from the land mask, (lat, lon)."""
    shared = folder / "pages" / "shared"
    for path in sorted(STATIC.iterdir()):
        if path.suffix in _COPIED:
            write_bytes(shared / path.name, path.read_bytes())
    write_script(shared / "coast.js", "coast", coast_lines(lsm_yx, lat, lon))


def fields_key(grid: TokenGrid, time: str) -> str:
    """Under which the weather of a time lies, for all blocks with such a grid of tokens."""
    return f"fields/{len(grid.lat)}x{len(grid.lon)}/{time[:13]}"


def write_fields(folder: Path, table: pd.DataFrame, grid: TokenGrid) -> list[str]:
    """Write `pages/fields/<rows>x<columns>/<time>.js` for each time of `fields_table`; returns the times."""
    factor = coarser_by(grid)
    for time, rows in table.groupby("time", sort=True):
        fields = [_field(name, values, grid, factor) for name, values in zip(rows["variable"], rows["values"], strict=True)]
        key = fields_key(grid, time)
        write_script(folder / "pages" / f"{key}.js", key, fields)
    return sorted(set(table["time"]))


def _field(name: str, values: Sequence[float], grid: TokenGrid, factor: int) -> dict:
    shown = SHOWN_FIELDS[name]
    map_yx = coarse(np.asarray(values, np.float64).reshape(1, *grid.shape[1:]), factor)[0] * shown.per_unit
    known = map_yx[np.isfinite(map_yx)]
    high = float(known.max()) if len(known) else 1.0
    low = float(known.min()) if len(known) else 0.0
    if shown.is_log:
        high = np.log10(max(high, 1e-300))
        low = max(np.log10(max(low, 1e-300)), high - _DECADES)
        map_yx = np.log10(np.maximum(map_yx, 1e-300))
    # 0 is for what is missing, which rounds to nothing; the least value is 1.
    steps = np.clip((map_yx - low) / (high - low or 1.0), 0, 1)
    return {
        "name": name, "title": shown.title, "units": shown.units, "log": shown.is_log, "low": rounded([low])[0], "high": rounded([high])[0],
        "values": packed(np.where(np.isfinite(steps), (1 + 254 * steps) / 255, np.nan), 1.0),
    }
