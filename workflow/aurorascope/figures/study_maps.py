"""Maps of what a study changes in the forecast: mean over dates, and each of the first dates, with coastlines and the edit's region."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from aurorascope.figures import style
from aurorascope.studies.finished import FinishedStudy
from aurorascope.studies.pictures import MapPicture
from aurorascope.studies.wording import field_title, power_of, pretty_unit, with_power

MOST_DATES = 6
"""Dates that have a map of their own."""

# Columns of a map at most; finer grids are averaged over squares of cells, so that a table beside a picture stays small.
_COLUMNS, _SMALL_COLUMNS = 360, 180
# Colours end at what all but so much of the cells stay within, of those that change by more than a hundredth of the largest change, which
# is all that a colour would show; arrows at the ends of the bar say that there is more. Of all cells it would be a local change's own.
_WITHIN, _SEEN = 0.9995, 0.01


@dataclass(frozen=True, eq=False)
class Ground:
    """What all maps of a study are drawn on.

    Attributes:
        lsm_yx: share of land, (lat, lon).
        lat: latitudes of the land mask, degrees north, decreasing.
        lon: longitudes, degrees east from 0, increasing.
        inside: by date, cells to outline, (rows of the maps, lon) bool; nothing where there is no outline.
    """

    lsm_yx: np.ndarray
    lat: np.ndarray
    lon: np.ndarray
    inside: Mapping[str, np.ndarray]


def draw_maps(study: FinishedStudy, ground: Ground, folder: Path) -> list[MapPicture]:
    """Draw `map_<field>.png` (of parts `map_<field>_<part>.png`), and of several dates `map_<field>_<date>.png` of the first six.

    Each has a CSV with columns lat, lon and change (in the field's unit). Maps of one field that stand beside each other share colours.

    Args:
        study: a finished study.
        ground: coast and outline.
        folder: where to.

    Returns:
        The pictures, field by field: means, then dates.
    """
    found = []
    for field, parts in study.fields():
        dates, units = study.record["dates"], str(parts["total"].attrs["units"])
        known = [at for at in range(len(dates)) if np.isfinite(parts["total"].values[at]).all()]
        if not known:
            continue
        means = {part: maps.values[known].astype(np.float64).sum(axis=0) / len(known) for part, maps in parts.items()}
        names = {part: f"map_{field}" if part == "total" else f"map_{field}_{part}" for part in means}
        inside = [ground.inside[dates[at]] for at in known] if ground.inside else []
        union_yx = np.logical_or.reduce(inside) if inside else None
        found += _draw_row(
            {names[part]: (part, None, mean_yx, union_yx) for part, mean_yx in means.items()}, field, units, ground, folder, len(known),
        )
        if len(known) > 1:
            row = {
                f"map_{field}_{dates[at]}": ("total", dates[at], parts["total"].values[at].astype(np.float64), ground.inside.get(dates[at]))
                for at in known[:MOST_DATES]
            }
            found += _draw_row(row, field, units, ground, folder, 1, is_small=True)
    return found


Drawn = tuple[str, str | None, np.ndarray, np.ndarray | None]


def _draw_row(
    row: Mapping[str, Drawn], field: str, units: str, ground: Ground, folder: Path, n_dates: int, is_small: bool = False,
) -> list[MapPicture]:
    top = colour_end([change_yx for _, _, change_yx, _ in row.values()])
    # Parts of one change beside each other are as small as dates are.
    is_small = is_small or len(row) > 1
    found = []
    for name, (part, date, change_yx, inside_yx) in row.items():
        factor = -(-change_yx.shape[1] // (_SMALL_COLUMNS if is_small else _COLUMNS))
        y, x = np.unravel_index(np.abs(change_yx).argmax(), change_yx.shape)
        largest, at = float(change_yx[y, x]), (float(ground.lat[y]), float(ground.lon[x]))
        title = ", ".join(filter(None, [field_title(field), None if part == "total" else part, date]))
        _draw(_averaged(change_yx, factor), factor, inside_yx, top, abs(largest), units, ground, folder / f"{name}.png", title, is_small)
        found.append(MapPicture(name, field, part, date, largest, at, pretty_unit(units), n_dates, factor))
    return found


def colour_end(changes: Sequence[np.ndarray]) -> float:
    """Where colours of maps end, either way; 0 where nothing changes. Few cells that change the most keep their own colours."""
    every = np.abs(np.concatenate([change_yx.ravel() for change_yx in changes]))
    seen = every[every > _SEEN * every.max()]
    return float(np.quantile(seen, _WITHIN, method="higher")) if len(seen) else 0.0


def _averaged(change_yx: np.ndarray, factor: int) -> np.ndarray:
    """Means over squares of cells; those at the southern and eastern end may have fewer."""
    if factor == 1:
        return change_yx
    starts = [np.arange(0, n, factor) for n in change_yx.shape]
    sums_yx = np.add.reduceat(np.add.reduceat(change_yx, starts[0], axis=0), starts[1], axis=1)
    counts = [np.diff(np.append(start, n)) for start, n in zip(starts, change_yx.shape, strict=True)]
    return sums_yx / (counts[0][:, None] * counts[1])


def _draw(
    change_yx: np.ndarray, factor: int, inside_yx: np.ndarray | None, top: float, largest: float, units: str, ground: Ground, png: Path,
    title: str, is_small: bool,
) -> None:
    figure, axis = plt.subplots(figsize=(4.2, 2.2) if is_small else (6.0, 3.2))
    power, top = power_of(top), top or 1.0
    scale = 10.0**-power
    lat_edges, lon_edges = _edges(ground, change_yx.shape, factor)
    # The first column starts half a cell west of 0; drawn again, it closes the gap before 360.
    wrapped_yx = np.concatenate([change_yx, change_yx[:, :1]], axis=1)
    lon_edges = np.append(lon_edges, lon_edges[1] + 360)
    mesh = axis.pcolormesh(lon_edges, lat_edges, scale * wrapped_yx, cmap="RdBu_r", vmin=-scale * top, vmax=scale * top)
    lon = np.append(ground.lon, ground.lon[0] + 360)
    axis.contour(lon, ground.lat, np.concatenate([ground.lsm_yx, ground.lsm_yx[:, :1]], axis=1), levels=[0.5], colors="#555555", linewidths=0.6)
    if inside_yx is not None:
        _outline(axis, inside_yx, ground)
    axis.set(xlim=(0, 360), ylim=(-90, 90), xticks=range(0, 361, 60), yticks=range(-90, 91, 30), aspect="equal")
    axis.set_title(title, fontsize=9 if is_small else None)
    if is_small:
        axis.set(xticks=range(0, 361, 120), yticks=range(-90, 91, 45))
    else:
        axis.set(xlabel="longitude (degrees east)", ylabel="latitude (degrees north)")
    extend = "both" if largest > top else "neither"
    figure.colorbar(mesh, ax=axis, label=f"changed minus clean\nforecast ({with_power(power, pretty_unit(units))})", fraction=0.024, pad=0.02, extend=extend)
    lat, lon = _centres(ground, change_yx.shape, factor)
    y, x = np.indices(change_yx.shape)
    style.save(figure, pd.DataFrame({"lat": lat[y.ravel()], "lon": lon[x.ravel()], "change": change_yx.ravel()}), png)


def _outline(axis: plt.Axes, inside_yx: np.ndarray, ground: Ground) -> None:
    """A line around cells, white below black so that it is seen on any colour."""
    n_rows = len(inside_yx)
    # One more column on either side closes the circle; a row beyond either end closes what reaches a pole.
    closed_yx = np.pad(np.concatenate([inside_yx[:, -1:], inside_yx, inside_yx[:, :1]], axis=1), ((1, 1), (0, 0)))
    step = ground.lat[0] - ground.lat[1]
    lat = np.concatenate([[ground.lat[0] + step], ground.lat[:n_rows], [ground.lat[n_rows - 1] - step]])
    lon = np.concatenate([[ground.lon[-1] - 360], ground.lon, [ground.lon[0] + 360]])
    for colour, width in (("white", 2.6), ("black", 1.2)):
        axis.contour(lon, lat, closed_yx.astype(float), levels=[0.5], colors=colour, linewidths=width)


def _edges(ground: Ground, shape: Sequence[int], factor: int) -> tuple[np.ndarray, np.ndarray]:
    """Edges of squares of cells, degrees."""
    steps = ground.lat[0] - ground.lat[1], ground.lon[1] - ground.lon[0]
    lat = np.append(ground.lat[0] + steps[0] / 2 - factor * steps[0] * np.arange(shape[0]), np.nan)
    lat[-1] = lat[-2] - factor * steps[0]
    return lat.clip(-90, 90), ground.lon[0] - steps[1] / 2 + factor * steps[1] * np.arange(shape[1] + 1)


def _centres(ground: Ground, shape: Sequence[int], factor: int) -> tuple[np.ndarray, np.ndarray]:
    """Centres of squares of cells, degrees."""
    half = (factor - 1) / 2
    lat = ground.lat[0] - (ground.lat[0] - ground.lat[1]) * (factor * np.arange(shape[0]) + half)
    return lat, ground.lon[0] + (ground.lon[1] - ground.lon[0]) * (factor * np.arange(shape[1]) + half)
