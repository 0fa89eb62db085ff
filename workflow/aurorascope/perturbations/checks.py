"""What of a change Aurora's encoder does not see, and how large it is in Aurora's units.

Composition enters the encoder as w1 clamp(z, 0, 2.5) + w2 (ln(max(z, 1e-4)) - ln 1e-4) / -ln 1e-4, with z the value over Aurora's
scale (`AuroraAirPollution._pre_encoder_hook`). Above 2.5 only the logarithm sees a change, below 1e-4 only the linear part does,
and there it is at most 1e-4.
"""

from dataclasses import dataclass

import numpy as np
from aurora.normalisation import scales as AURORA_SCALES

from aurorascope.cams.variables import ATMOS, STATIC, SURFACE, Variable
from aurorascope.errors import UserError
from aurorascope.perturbations.consistency import COLUMNS
from aurorascope.perturbations.inputs import Inputs, scales

CLAMP, FLOOR = 2.5, 1e-4
_MENTIONED = 0.01
_WHEN = ("t - 12 h", "t")


@dataclass(frozen=True)
class _Share:
    """Share of the area that changes, of one variable at one level and time."""

    below: float
    above: float
    area: float
    where: str


def encoder_input(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The linear and the logarithmic part of what composition enters the encoder as, float64.

    Args:
        z: values over Aurora's scale.
    """
    z = np.asarray(z, np.float64)
    return z.clip(0, CLAMP), np.log(np.maximum(z, FLOOR) / FLOOR) / -np.log(FLOOR)


def _shares(variable: Variable, before: Inputs, after: Inputs) -> list[_Share]:
    found = []
    scale, name = scales(variable.netcdf, before.levels), variable.netcdf
    for when, old, new in zip(_WHEN, before.states, after.states, strict=True):
        if np.array_equal(old[name].values, new[name].values):
            continue
        z_lyx, new_lyx = (np.asarray(state[name].values, np.float64) / scale for state in (old, new))
        if z_lyx.ndim == 2:
            z_lyx, new_lyx = z_lyx[None], new_lyx[None]
        for place, (z_yx, new_yx) in enumerate(zip(z_lyx, new_lyx, strict=True)):
            area_yx = (z_yx != new_yx) * before.area_y[:, None]
            area = float(area_yx.sum())
            if area:
                low_yx, high_yx = np.maximum(z_yx, new_yx) <= FLOOR, np.minimum(z_yx, new_yx) >= CLAMP
                at = f"{before.levels[place]} hPa, {when}" if variable.kind == "atmos" else when
                found.append(_Share(float((area_yx * low_yx).sum()) / area, float((area_yx * high_yx).sum()) / area, area, at))
    return found


def unseen(before: Inputs, after: Inputs) -> list[str]:
    """Lines on what the encoder will not see of a change, one a variable and reason.

    Raises:
        UserError: nothing changes, or all that changes stays below the encoder's floor, as emissions do of which only those change
            that the logarithm does not tell apart.
    """
    lines, is_seen, is_changed = [], False, False
    for variable in SURFACE + ATMOS:
        shares = _shares(variable, before, after)
        is_changed |= bool(shares)
        is_seen |= any(share.below < 1 or not variable.composition for share in shares)
        if not variable.composition:
            continue
        for part, words in (
            ("below", f"below {FLOOR:g} times Aurora's scale, where the encoder hardly sees a change"),
            ("above", f"above {CLAMP:g} times Aurora's scale, where the encoder sees only the logarithm of a change"),
        ):
            worst = max(shares, key=lambda share: getattr(share, part), default=None)
            if worst is not None and getattr(worst, part) >= _MENTIONED:
                lines.append(f"{variable.netcdf}: of the area that changes, {getattr(worst, part):.0%} ({worst.where}) lies {words}.")
    # A static field enters as it is, over Aurora's scale, which is 1 for emissions: of these the logarithm alone is seen.
    static = {name: np.abs(np.asarray(after.static[name], np.float64) - before.static[name]).max() for name in STATIC}
    is_changed |= any(static.values())
    is_seen |= any(size / AURORA_SCALES[name] > FLOOR for name, size in static.items())
    if not is_changed:
        raise UserError(
            "the change of Aurora's inputs", "a value that differs", "none",
            "give a region that holds centres of grid cells, and a change other than none",
        )
    if not is_seen:
        raise UserError(
            "the change of Aurora's inputs", f"one above the encoder's floor of {FLOOR:g} times Aurora's scale",
            "all that changes stays below it", "change more, or where there is more",
        )
    return lines


def seen_share(before: Inputs, after: Inputs) -> float:
    """Share of the area that changes, over variables, levels and times, where the encoder's linear part sees a change of composition.

    Weather counts in full, and a place whose emissions change by their logarithm. 0 where all lies below the floor or above the
    clamp; NaN where nothing changes.
    """
    seen, area = 0.0, 0.0
    for variable in SURFACE + ATMOS:
        for share in _shares(variable, before, after):
            area += share.area
            seen += share.area * (1 - share.below - share.above if variable.composition else 1.0)
    sizes = [np.abs(np.asarray(after.static[name], np.float64) - before.static[name]) / AURORA_SCALES[name] for name in STATIC]
    largest_yx = np.max(sizes, axis=0)
    area += float(((largest_yx > 0) * before.area_y[:, None]).sum())
    seen += float(((largest_yx > FLOOR) * before.area_y[:, None]).sum())
    return seen / area if area else float("nan")


def emptied(before: Inputs, after: Inputs) -> list[str]:
    """Lines on columns that are nothing at some place where there was something: levels have lost as much as the column held, or more."""
    lines = []
    for column in COLUMNS.values():
        pairs = [(old[column].values, new[column].values) for old, new in zip(before.states, after.states, strict=True)]
        n_empty = sum(int(((old > 0) & (new <= 0)).sum()) for old, new in pairs)
        if n_empty:
            lines.append(f"{column}: at {n_empty} places the levels lose all that the column holds, or more; it is 0 there.")
    return lines


def normalised_size(before: Inputs, after: Inputs) -> float:
    """Root mean square over the sphere of a change in Aurora's scales, summed over both times and all variables, levels and static fields."""
    weight_y = before.area_y / (before.area_y.sum() * len(before.lon))
    total = 0.0
    for old, new in zip(before.states, after.states, strict=True):
        for variable in SURFACE + ATMOS:
            values = (state.variables[variable.netcdf].values for state in (old, new))
            total += _mean_square(*values, scales(variable.netcdf, before.levels), weight_y)
        for name in STATIC:
            total += _mean_square(before.static[name], after.static[name], np.array(AURORA_SCALES[name]), weight_y)
    return float(np.sqrt(total))


def _mean_square(old: np.ndarray, new: np.ndarray, scale: np.ndarray, weight_y: np.ndarray) -> float:
    # Most variables of a changed state are the clean one's arrays.
    if old is new or np.array_equal(old, new):
        return 0.0
    change = (np.asarray(new, np.float64) - old) / scale
    return float((np.square(change).sum(axis=-1).reshape(-1, len(weight_y)).sum(axis=0) * weight_y).sum())
