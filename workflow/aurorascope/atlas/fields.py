"""The weather that is shown around examples: a few input variables on the tokens of a stage, at the examples' times."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from aurorascope.atlas.plane import Plane, mean_field
from aurorascope.errors import UserError


@dataclass(frozen=True)
class Shown:
    """One of the fields.

    Attributes:
        title: in words.
        units: in which it is shown.
        per_unit: what a value in the states' units is multiplied by.
        is_log: whether its colours follow the logarithm, as those of concentrations do.
    """

    title: str
    units: str
    per_unit: float
    is_log: bool


SHOWN_FIELDS = {
    "pm2p5": Shown("PM2.5", "µg m⁻³", 1e9, True),
    "pm10": Shown("PM10", "µg m⁻³", 1e9, True),
    "tcco": Shown("column of CO", "g m⁻²", 1e3, True),
    "tcno2": Shown("column of NO2", "mg m⁻²", 1e6, True),
    "msl": Shown("sea-level pressure", "hPa", 1e-2, False),
    "wind10": Shown("wind speed at 10 m", "m s⁻¹", 1.0, False),
}


def shown_fields(surface: Mapping[str, np.ndarray], plane: Plane) -> np.ndarray:
    """Area means of `SHOWN_FIELDS` over each token of the plane, (fields, tokens) float32, in the states' units.

    Args:
        surface: (lat, lon) arrays of one time by the names that days have, u10 and v10 among them.
        plane: the tokens.

    Raises:
        UserError: a variable is missing.
    """
    needed = [*(name for name in SHOWN_FIELDS if name != "wind10"), "u10", "v10"]
    if missing := [name for name in needed if name not in surface]:
        raise UserError("fields around examples", f"variables {', '.join(needed)}", f"no {', '.join(missing)}", "give all of them")
    wind = np.hypot(surface["u10"].astype(np.float64), surface["v10"])
    return mean_field(np.stack([wind if name == "wind10" else surface[name] for name in SHOWN_FIELDS]), plane)


def example_times(examples: Iterable[pd.DataFrame]) -> list[str]:
    """All times of some blocks' tables of examples, ascending."""
    return sorted(set().union(*(table["time"].tolist() for table in examples)))


def fields_table(times: Sequence[str], value_tvp: np.ndarray) -> pd.DataFrame:
    """A row a time and field: time, variable, values (tokens of the plane) float32 in the states' units.

    Args:
        times: ISO times.
        value_tvp: (times, fields, tokens of the plane), fields in the order of `SHOWN_FIELDS`.

    Raises:
        UserError: the array has another shape.
    """
    names = list(SHOWN_FIELDS)
    if value_tvp.shape[:2] != (len(times), len(names)):
        raise UserError("fields around examples", f"{len(times)} times of {len(names)} fields", str(value_tvp.shape[:2]), "give them all")
    keys = [(time, name) for time in times for name in names]
    values = list(np.asarray(value_tvp, np.float32).reshape(len(keys), -1))
    return pd.DataFrame({"time": [time for time, _ in keys], "variable": [name for _, name in keys], "values": values})
