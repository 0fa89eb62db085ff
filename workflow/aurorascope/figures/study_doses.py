"""A study's effect at every dose of the edit and of its reverse, with the floor, the controls and the end of what is linear."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axis import Axis

from aurorascope.figures import style
from aurorascope.studies.finished import FinishedStudy
from aurorascope.studies.verdict import FLOORS
from aurorascope.studies.wording import power_of, unit_of, with_power

FEATURE, REVERSE, FLOOR, BAR = "#1f78a4", "#c8553d", "#d9d9d9", "#444444"
"""Colours of the change, its reverse, what lies within the floor, and the controls' bar."""
# Entry of a dose that says how large it is, by what was changed, and what the axis is called.
_SIZES = {
    False: ("norms_mean", "mean size of the change at moved tokens (norms of the token)"),
    True: ("size", "size of the change (Aurora's normalised units)"),
}


def doses_table(study: FinishedStudy, outcome: str) -> pd.DataFrame:
    """Doses of an outcome in ascending order: dose, effect, size, is_linear; effects in the outcome's unit."""
    verdict = study.record["outcomes"][outcome]
    size = _SIZES[study.changes_inputs][0]
    rows = [
        {"dose": row["dose"], "effect": np.nan if row["effect"] is None else row["effect"], "size": row.get(size),
         "is_linear": abs(row["dose"]) <= verdict["linear_to_dose"]}
        for row in verdict["doses"]
    ]
    return pd.DataFrame(rows)


def draw_doses(study: FinishedStudy, outcome: str, png: Path) -> None:
    """Draw the ladder of doses of one outcome; beside it a CSV with the columns of `doses_table`.

    Args:
        study: a finished study.
        outcome: the outcome's name.
        png: where to.
    """
    table, verdict = doses_table(study, outcome), study.record["outcomes"][outcome]
    figure, axis = plt.subplots(figsize=(4.8, 4.3))
    most = float(table["dose"].abs().max())
    axis.axhspan(-FLOORS * verdict["floor"], FLOORS * verdict["floor"], color=FLOOR, lw=0, label=f"within {FLOORS:g} floors")
    axis.axhline(0, color="black", lw=0.6)
    bar = verdict["controls_95"]
    if bar is not None:
        for sign in (-1, 1):
            words = {"label": "95 % of controls, dose 1"} if sign > 0 else {}
            ends = [sign - 0.08 * most, sign + 0.08 * most]
            axis.plot(ends, [bar, bar], color=BAR, lw=2.4, **words)
            axis.plot(ends, [-bar, -bar], color=BAR, lw=2.4)
    _draw_linear(axis, table, verdict["linear_to_dose"], most)
    names = ("change", "reverse") if study.changes_inputs else ("edit", "reverse of the edit")
    for name, colour, mark, part in (
        (names[0], FEATURE, "o", table[table["dose"] > 0]), (names[1], REVERSE, "s", table[table["dose"] < 0]),
    ):
        axis.plot(part["dose"], part["effect"], color=colour, marker=mark, ms=6, lw=0, label=name, zorder=3)
    axis.set(xlabel="dose (1: as asked; below 0: the reverse)", xlim=(-1.12 * most, 1.12 * most))
    power = scale_ticks(axis.yaxis, axis.get_ylim())
    axis.set_ylabel(f"effect on {outcome}\n({with_power(power, unit_of(study.asked_of(outcome)))})", parse_math=False)
    axis.grid(alpha=0.25)
    _name_sizes(axis, table, most, study.changes_inputs)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    style.save(figure, table, png)


def scale_ticks(axis: Axis, limits: tuple[float, float]) -> int:
    """Let an axis show its numbers over a power of ten, which is returned, to be named with the unit."""
    power = power_of(max(map(abs, limits)))
    axis.set_major_formatter(lambda value, _: f"{value / 10.0**power:.4g}".replace("-", "−"))
    return power


def _draw_linear(axis: plt.Axes, table: pd.DataFrame, upto: float, most: float) -> None:
    """The line that the smallest dose says, drawn through as far as effects follow it."""
    small = table[table["dose"].abs() == table["dose"].abs().min()]
    slope = float((small["dose"] * small["effect"]).sum() / (small["dose"] ** 2).sum())
    if not np.isfinite(slope):
        return
    ends = np.array([-most, most])
    axis.plot(ends, slope * ends, color="black", lw=0.9, ls=(0, (1, 2)), label="what the smallest dose says", scalex=False, scaley=False)
    if upto:
        ends = np.array([-upto, upto])
        axis.plot(ends, slope * ends, color="black", lw=1.6, label=f"linear, to dose {upto:g}")


def _name_sizes(axis: plt.Axes, table: pd.DataFrame, most: float, changes_inputs: bool) -> None:
    """Above, how large each dose is."""
    above = axis.secondary_xaxis("top")
    rows = table[(table["dose"].abs() >= 0.4 * most) & table["size"].notna()]
    above.set_xticks(rows["dose"], [f"{size:.2g}" for size in rows["size"]])
    above.tick_params(labelsize=8)
    above.set_xlabel(_SIZES[changes_inputs][1], fontsize=8)
