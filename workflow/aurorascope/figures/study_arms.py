"""All arms of a study at dose 1 beside each other: what the edit does, and what everything that it is compared with does."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from aurorascope.figures import style
from aurorascope.figures.study_doses import BAR, FEATURE, FLOOR, REVERSE, scale_ticks
from aurorascope.studies.finished import FinishedStudy
from aurorascope.studies.verdict import FEWEST_CLUSTERS, FLOORS
from aurorascope.studies.wording import unit_of, with_power

ROWS = {
    "feature": "edit", "change": "change", "minus_feature": "its reverse", "reverse": "its reverse", "control": "matched features",
    "direction": "random directions", "moved": "same change further east", "other": "other variables", "noise": "red noise",
    "difference_of_means": "difference of means", "placebo": "placebo region", "reconstruction": "reconstruction alone",
}
"""What each kind of arm is called, in the order in which they are drawn."""
_CONTROLS = ("control", "direction", "moved", "other", "noise")
_COLOURS = {"feature": FEATURE, "change": FEATURE, "minus_feature": REVERSE, "reverse": REVERSE}


def arms_table(study: FinishedStudy, outcome: str) -> pd.DataFrame:
    """Arms at dose 1 or -1: arm, kind, number, dose, effect (mean over dates, the outcome's unit), sets_the_bar."""
    table = study.effects_of(outcome)
    table = table[table["kind"].isin(ROWS) & (table["dose"].abs() == 1)]
    order = {kind: at for at, kind in enumerate(ROWS)}
    table = table.assign(sets_the_bar=table["kind"].isin(_CONTROLS))
    return table.sort_values("kind", key=lambda kinds: kinds.map(order), kind="stable", ignore_index=True)


def draw_arms(study: FinishedStudy, outcome: str, png: Path) -> None:
    """Draw the arms of one outcome; beside it a CSV with the columns of `arms_table`.

    Args:
        study: a finished study.
        outcome: the outcome's name.
        png: where to.
    """
    table, verdict = arms_table(study, outcome), study.record["outcomes"][outcome]
    kinds = list(dict.fromkeys(table["kind"]))
    figure, axis = plt.subplots(figsize=(4.8, 1.8 + 0.36 * len(kinds)))
    floor = FLOORS * verdict["floor"]
    axis.axvspan(-floor, floor, color=FLOOR, lw=0, label=f"within {FLOORS:g} floors")
    axis.axvline(0, color="black", lw=0.6)
    if verdict["controls_95"] is not None:
        for sign in (-1, 1):
            words = {"label": "95 % of controls do no more"} if sign > 0 else {}
            axis.axvline(sign * verdict["controls_95"], color=BAR, lw=1.4, ls="--", **words)
    if verdict["interval"] and verdict["n_clusters"] >= FEWEST_CLUSTERS:
        axis.plot(verdict["interval"], [0, 0], color=FEATURE, lw=5, alpha=0.35, solid_capstyle="butt", label="95 % interval over clusters of dates")
    names = []
    for at, kind in enumerate(kinds):
        part = table[table["kind"] == kind]
        known = part["effect"].to_numpy()[np.isfinite(part["effect"])]
        # Marks of one kind at the same place would be one.
        up = 0.16 * (np.arange(len(known)) % 3 - 1) if len(known) > 1 else np.zeros(len(known))
        is_control = kind in _CONTROLS
        colour = _COLOURS.get(kind, "black")
        axis.plot(known, at + up, lw=0, marker="o" if is_control else "D", ms=5, mfc="none" if is_control else colour, mec=colour, zorder=3)
        lost = len(part) - len(known)
        names.append(ROWS[kind] + (f" ({len(part)})" if is_control else "") + (f"\n{lost} without a value" if lost else ""))
    axis.set_yticks(range(len(kinds)), names)
    axis.set(ylim=(len(kinds) - 0.4, -0.6))
    # Numbers of a small range are long, and so there are few.
    axis.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    power = scale_ticks(axis.xaxis, axis.get_xlim())
    axis.set_xlabel(f"effect on {outcome}\n({with_power(power, unit_of(study.asked_of(outcome)))})", parse_math=False)
    axis.grid(axis="x", alpha=0.25)
    axis.tick_params(axis="y", length=0)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    style.save(figure, table, png)
