"""The evaluation's table: every metric with its formula, and the sums that any other definition could be made of."""

from typing import Any

import numpy as np
import pandas as pd

from aurorascope.measures.held_out.formulas import FORMULAS
from aurorascope.measures.held_out.metrics import by_group, density_histogram
from aurorascope.measures.held_out.sums import Sums
from aurorascope.spec import LATENT_LEVELS
from aurorascope.tokens import TokenGrid

_COLUMNS = ("metric", "formula_id", "scope", "level", "lat_band", "at", "value", "n")


def token_groups(grid: TokenGrid, bands: tuple[float, ...]) -> np.ndarray:
    """Group of each token, latent level x latitude band, (n_tokens,); a token on an edge belongs to the north.

    Tokens outside all bands share one last group, which the table leaves out.
    """
    n_bands = len(bands) - 1
    band_y = np.clip(np.searchsorted(bands, grid.lat, side="right") - 1, 0, n_bands - 1)
    level_band = np.arange(grid.n_levels)[:, None] * n_bands + band_y[None, :]
    is_outside_y = (grid.lat < bands[0]) | (grid.lat > bands[-1])
    level_band[:, is_outside_y] = grid.n_levels * n_bands
    return np.broadcast_to(level_band[:, :, None], grid.shape).reshape(-1)


def table(metrics: dict[str, Any], sums: Sums, bands: tuple[float, ...]) -> pd.DataFrame:
    """One row a number, with columns metric, formula_id, scope, level, lat_band, at, value, n.

    Scope "all": each of `FORMULAS`. "group": fve about the group's own mean with its sse and sst, by level and lat_band.
    "density": features whose log10 of the share of tokens lies from `at` to half a unit above. "l0": tokens with `at`
    features on. "feature": tokens that feature `at` is on for. Elsewhere level, lat_band and `at` are null; n counts the
    tokens of the row's scope.
    """
    n = metrics["n_eval_tokens"]
    rows = [(name, FORMULAS[name][0], "all", None, None, None, value, n) for name, value in metrics.items()]
    rows += _group_rows(sums, bands)
    fired_h, l0_counts = sums.totals["fired_h"], sums.totals["l0_counts"]
    histogram = density_histogram(fired_h, n)
    counts = {
        "density": zip(histogram["log10_edges"], histogram["counts"], strict=True),
        "l0": ((l0, count) for l0, count in enumerate(l0_counts) if count),
        "feature": enumerate(fired_h),
    }
    for scope, pairs in counts.items():
        rows += [("count", "count", scope, None, None, at, value, n) for at, value in pairs]
    return pd.DataFrame(rows, columns=_COLUMNS).astype({"at": "float64", "value": "float64", "n": "int64"})


def _group_rows(sums: Sums, bands: tuple[float, ...]) -> list[tuple[Any, ...]]:
    rows, n_bands = [], len(bands) - 1
    for group in by_group(sums)[: len(LATENT_LEVELS) * n_bands]:
        level, band = divmod(group["group"], n_bands)
        place = ("group", LATENT_LEVELS[level], f"{bands[band]:g}..{bands[band + 1]:g}", None)
        rows.append(("fve", FORMULAS["fve"][0], *place, group["fve"], group["n"]))
        rows += [(name, "sum", *place, group[name], group["n"]) for name in ("sse", "sst")]
    return rows
