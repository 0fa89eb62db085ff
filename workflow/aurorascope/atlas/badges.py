"""What else is known of a feature: whether it follows the place, the windows, the seam, the calendar, or another feature.

`lock` has a module of its own.

A badge names a suspicion and hides nothing: features that follow a place may matter to the model.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aurorascope.atlas.entries import Entries
from aurorascope.atlas.splits import days_of
from aurorascope.spec import WINDOW
from aurorascope.sphere import RADIUS_M
from aurorascope.tokens import TokenGrid

_RADIUS_KM = RADIUS_M / 1000
_ROWS_AT_ONCE = 1024


@dataclass(frozen=True)
class Limits:
    """From where on a feature has a badge.

    Attributes:
        dense: share of the area it is on for.
        antipode: cosine of its decoder direction with another's, at most.
        geo_r2: share of variance that is its position's mean.
        lock: where its active tokens of two dates stand between as many tokens anywhere (0) and the very same tokens (1).
        window: share of the position means' variance that goes with the place in a window.
        seam: jump between the last and the first column, in those of other columns.
        padding_row: mean in the padded row, in that of the row before, or its inverse.
        calendar: share of the date means' variance that goes with the weekday.
    """

    dense: float = 0.1
    antipode: float = -0.9
    geo_r2: float = 0.5
    lock: float = 0.5
    window: float = 0.25
    seam: float = 4.0
    padding_row: float = 3.0
    calendar: float = 0.5


def is_locked(lock_f: np.ndarray, random_f: np.ndarray, limit: float) -> np.ndarray:
    """Whether a feature's active set hardly moves between dates, (features,) bool; not where either number is NaN.

    Where `lock` lies more than `limit` of the way from `lock_random` to 1: a feature that is on nearly everywhere has nearly all in
    common with itself on any two dates, and is not meant. That `lock` be above `lock_expected` is not asked for: a set that never
    moves has exactly what the frequencies of its tokens, 0 and 1, lead one to expect.
    """
    return lock_f - random_f > limit * (1 - random_f)


def geo_r2(within_f: np.ndarray, between_f: np.ndarray, n: int) -> np.ndarray:
    """Share of a feature's variance that its mean at each position explains, adjusted for the dates it is a mean of.

    1 - n / (n - 1) * within / (within + between), not below 0; NaN for one that does not vary, and of a single date, whose means
    are its values whatever the feature follows.
    """
    whole = within_f + between_f
    if n < 2:
        return np.full(len(whole), np.nan)
    share = np.divide(within_f, whole, out=np.full(len(whole), np.nan), where=whole > 0)
    return np.maximum(1 - share * n / (n - 1), 0.0)


def window_share(mean_fn: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Share of the position means' variance that goes with the place in a window of (2, 6, 12) tokens, (features,).

    What a window's moving mean leaves (columns around the globe, rows as far as there are) is averaged by level mod 2, row mod
    6 and column mod 12. The share is adjusted for the number of places; NaN where the grid has fewer than four tokens a place.
    """
    levels, rows, columns = shape
    n_places = int(np.prod(WINDOW))
    n = levels * rows * columns
    if n < 4 * n_places or rows < 2 * WINDOW[1] or columns < 2 * WINDOW[2]:
        return np.full(len(mean_fn), np.nan)
    level, row, column = np.indices(shape)
    place_n = ((level % WINDOW[0]) * WINDOW[1] + row % WINDOW[1]) * WINDOW[2] + column % WINDOW[2]
    count = np.bincount(place_n.reshape(-1), minlength=n_places)
    share = np.empty(len(mean_fn))
    for feature, mean_n in enumerate(mean_fn.astype(np.float64)):
        rest = _without_smooth(mean_n.reshape(shape)).reshape(-1)
        by_place = np.bincount(place_n.reshape(-1), rest, n_places)
        whole = ((mean_n - mean_n.mean()) ** 2).sum()
        explained = (by_place**2 / count).sum() - rest.sum() ** 2 / n
        # What as many arbitrary groups explain of what is left.
        chance = ((rest**2).sum() - rest.sum() ** 2 / n - explained) * (n_places - 1) / (n - n_places)
        share[feature] = max(0.0, explained - chance) / whole if whole > 0 else np.nan
    return share


def _without_smooth(map_lyx: np.ndarray) -> np.ndarray:
    """A map minus its moving mean over a window's rows and columns."""
    from scipy.ndimage import convolve1d

    smooth = map_lyx
    for axis, mode in ((1, "nearest"), (2, "wrap")):
        # As many places of each phase: the ends of a window that is even count half.
        kernel = np.full(WINDOW[axis] + 1, 1.0 / WINDOW[axis])
        kernel[[0, -1]] /= 2
        smooth = convolve1d(smooth, kernel, axis=axis, mode=mode)
    return map_lyx - smooth


def seam_jump(mean_fn: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Mean square jump of position means from the last to the first column, over the median of all columns', (features,)."""
    maps = mean_fn.reshape(-1, shape[0] * shape[1], shape[2]).astype(np.float64)
    jumps_fx = ((maps - np.roll(maps, 1, axis=2)) ** 2).sum(axis=1)
    median = np.median(jumps_fx, axis=1)
    return np.divide(jumps_fx[:, 0], median, out=np.full(len(median), np.nan), where=median > 0)


def padding_ratio(mean_fn: np.ndarray, grid: TokenGrid) -> np.ndarray:
    """Mean of position means in the row that holds padding over that of the row before; NaN where no row does, (features,)."""
    if len(grid.row_cells) < 2 or grid.row_cells[-1] == grid.row_cells[0]:
        return np.full(len(mean_fn), np.nan)
    by_row = mean_fn.reshape(-1, *grid.shape).astype(np.float64).mean(axis=(1, 3))
    return np.divide(by_row[:, -1], by_row[:, -2], out=np.full(len(by_row), np.nan), where=by_row[:, -2] > 0)


def weekday_share(mean_sf: np.ndarray, times: Sequence[str]) -> np.ndarray:
    """Share of the variance of date means that goes with the weekday, adjusted; NaN with fewer than 21 dates, (features,)."""
    days, place = np.unique(days_of(times), return_inverse=True)
    n = len(days)
    if n < 21:
        return np.full(mean_sf.shape[1], np.nan)
    by_day = np.zeros((n, mean_sf.shape[1]))
    np.add.at(by_day, place, mean_sf)
    by_day /= np.bincount(place)[:, None]
    weekday = (days + 3) % 7
    centred = by_day - by_day.mean(axis=0)
    means = np.stack([centred[weekday == each].mean(axis=0) for each in range(7)])
    rest, whole = ((centred - means[weekday]) ** 2).sum(axis=0), (centred**2).sum(axis=0)
    share = np.divide(rest, whole, out=np.full(len(whole), np.nan), where=whole > 0)
    return np.maximum(1 - share * (n - 1) / (n - 7), 0.0)


def antipodes(W_hd: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lowest cosine of each decoder row with another, and which row that is, (latents,) each."""
    unit = W_hd / np.maximum(np.linalg.norm(W_hd, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    lowest, which = np.empty(len(unit), np.float32), np.empty(len(unit), np.int64)
    for first in range(0, len(unit), _ROWS_AT_ONCE):
        cosine = unit[first : first + _ROWS_AT_ONCE] @ unit.T
        at = slice(first, first + len(cosine))
        which[at] = cosine.argmin(axis=1)
        lowest[at] = cosine.min(axis=1)
    return lowest, which


def scale_km(entries: Entries, snapshots: np.ndarray, grid: TokenGrid, features: np.ndarray) -> np.ndarray:
    """Distance along circles of latitude at which a feature's autocorrelation falls to 1 / e, km, (features,).

    Of the feature minus its mean over a row, by great-circle distance in steps of a token at the equator, linear between
    them; NaN where it never falls so far, or the feature is never on. Covariances come from Fourier transforms of rows. Tokens near
    the poles that lie closer to each other than half a step are left out: they would stand for distances that no other row has.
    """
    _, rows, columns = grid.shape
    lag = np.arange(columns // 2 + 1)
    chord = np.cos(np.deg2rad(grid.lat))[:, None] * np.sin(np.pi * lag / columns)
    step = 2 * np.pi / columns
    bin_yk = np.rint(2 * np.arcsin(np.clip(chord, 0, 1)) / step).astype(np.int64)
    is_kept = (bin_yk > 0) | (lag == 0)
    weight_y = np.cos(np.deg2rad(grid.lat))
    n_bins = int(bin_yk.max()) + 1
    power = np.zeros((len(features), rows, columns // 2 + 1))
    place = np.full(entries.n_features, -1)
    place[features] = np.arange(len(features))
    for one in entries.snapshots(snapshots):
        token = np.repeat(np.arange(entries.n_tokens), np.diff(one.ends))
        order = np.argsort(place[one.feature], kind="stable")
        of = place[one.feature][order]
        ends = np.searchsorted(of, np.arange(len(features) + 1))
        for feature in range(len(features)):
            here = order[ends[feature] : ends[feature + 1]]
            if len(here):
                # Rows on which it is on; the others add nothing.
                row, column = np.divmod(token[here], columns)
                on, at = np.unique(row, return_inverse=True)
                lines = np.zeros((len(on), columns))
                lines[at, column] = one.value[here]
                lines -= lines.mean(axis=1, keepdims=True)
                np.add.at(power[feature], on % rows, np.abs(np.fft.rfft(lines, axis=1)) ** 2)
    found = np.full(len(features), np.nan)
    for feature in range(len(features)):
        covariance = np.fft.irfft(power[feature], columns, axis=1)[:, : len(lag)] * weight_y[:, None]
        variance = np.repeat(covariance[:, :1], len(lag), axis=1)
        by_bin, whole = (np.bincount(bin_yk[is_kept], each[is_kept], n_bins) for each in (covariance, variance))
        found[feature] = _falls(np.divide(by_bin, whole, out=np.zeros(n_bins), where=whole > 0)) if whole[0] > 0 else np.nan
    return found * step * _RADIUS_KM


def _falls(correlation: np.ndarray) -> float:
    """Where a correlation, 1 at 0, first falls to 1 / e, in steps."""
    level = np.exp(-1)
    below = np.flatnonzero(correlation <= level)
    if not len(below):
        return np.nan
    at = int(below[0])
    return at - 1 + (correlation[at - 1] - level) / (correlation[at - 1] - correlation[at])
