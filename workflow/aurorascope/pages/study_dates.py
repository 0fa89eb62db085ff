"""What a study's page says date by date: effects, and how many of the region's tokens an edit moved."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from aurorascope.studies.finished import FinishedStudy
from aurorascope.studies.wording import number, several

# Dates that are named one by one; of more, the tables have them.
_NAMED = 6


def at_dose_one(study: FinishedStudy, outcome: str) -> pd.DataFrame:
    """Rows of an outcome at the last step with the change made once, a date each."""
    rows = study.tables["effects"]
    arm = "change_1" if study.changes_inputs else "feature_1"
    return rows[(rows.outcome == outcome) & (rows.step == study.steps) & (rows.arm == arm)]


def by_date(words: Mapping[str, str], order: Mapping[str, float] | None = None) -> str:
    """A value of each of a few dates; of many the least and the greatest where `order` has numbers, and where the others stand."""
    if len(words) <= _NAMED:
        return "; ".join(f"{date}: {value}" for date, value in words.items())
    known = {date: value for date, value in (order or {}).items() if np.isfinite(value)}
    if not known:
        return "effects.parquet has each date"
    least, most = (pick(known, key=known.__getitem__) for pick in (min, max))
    return f"from {words[least]} ({least}) to {words[most]} ({most}); effects.parquet has all {len(words)} dates"


def n_edited(study: FinishedStudy) -> int:
    """Steps in which the edit is made."""
    return len(study.asked.get("edit_steps") or [0])


def touched(study: FinishedStudy) -> dict[str, tuple[float, float]]:
    """Of an edit, by date, how many tokens it moves in an edited step and how many its region has there, means over these steps."""
    rows = study.tables["effects"]
    rows = rows[(rows.outcome == str(study.outcomes[0][0]["name"])) & (rows.step == study.steps)].set_index(["arm", "date"])["touched"]
    # The reconstruction takes the place of all tokens of the region.
    return {date: (rows["feature_1", date] / n_edited(study), rows["reconstruction_1", date] / n_edited(study)) for date in study.record["dates"]}


def touched_words(study: FinishedStudy) -> str:
    """How many of the region's tokens an edit moves, mean over dates."""
    moved, held = (sum(each) / len(each) for each in zip(*touched(study).values(), strict=True))
    return f"{number(moved)} token{'' if moved == 1 else 's'} of {number(held)}"


def why_unknown(at_one: pd.DataFrame, column: str) -> str:
    """Why a mean over dates of what is divided by `column` is not known: dates on which nothing changed, or nothing was finite."""
    is_finite = np.isfinite(at_one["d2"].to_numpy(np.float64))
    is_none = is_finite & (at_one[column].to_numpy(np.float64) == 0)
    dates = at_one["date"].to_numpy()
    parts = [f"{words} {_dates(dates[which])}" for words, which in (("nothing changed on", is_none), ("no finite forecast on", ~is_finite)) if which.any()]
    return f": {', '.join(parts)}" if parts else ""


def _dates(dates: np.ndarray) -> str:
    return several(dates.tolist()) if len(dates) <= _NAMED else f"{len(dates)} dates"
