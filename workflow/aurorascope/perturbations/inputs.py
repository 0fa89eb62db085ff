"""What Aurora is given for one snapshot, before it becomes a batch: two states and the static fields on one grid."""

import datetime
import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from aurora import Batch

from aurorascope.backbone.batch import make_batch
from aurorascope.backbone.static import load_static
from aurorascope.cams.states import load_state
from aurorascope.cams.variables import ATMOS, STATIC, SURFACE, Variable
from aurorascope.config.calendar import STEP, iso, moment_of, parse
from aurorascope.errors import UserError, nearest
from aurorascope.files import results_folder
from aurorascope.sphere import AREA_UNITS, RADIUS_M, cell_areas

TIMES = ("both", "latest")
"""Which of the two input times a change is made at."""
_BY_NAME = {name: v for v in SURFACE + ATMOS for name in (v.netcdf, v.aurora)}


def find_variable(name: str) -> Variable:
    """The variable of a name in Aurora or in NetCDF files.

    Raises:
        UserError: there is none; the message names the nearest.
    """
    if name in _BY_NAME:
        return _BY_NAME[name]
    names = sorted(_BY_NAME)
    raise UserError(f"variable {name!r}", f"one of {', '.join(names)}", "no such name", nearest(name, names))


@dataclass(frozen=True, eq=False)
class Inputs:
    """Two states 12 hours apart and the static fields.

    Attributes:
        previous: the state at t - 12 h, the 22 variables under their NetCDF names, dims ([level,] latitude, longitude).
        current: the state at t, on the same grid and levels.
        time: t, ISO, UTC.
        static: Aurora's 11 static fields by name, each (rows, columns).
    """

    previous: xr.Dataset
    current: xr.Dataset
    time: str
    static: Mapping[str, np.ndarray]

    @classmethod
    def load(cls, date: str, *, hour: int = 12, results: Path | str = "results") -> "Inputs":
        """Of one date of this workflow's run, as `backbone.batch.load_batch` has it.

        Raises:
            UserError: a state or the static fields are missing; the message names the target that makes them.
        """
        scratch = results_folder(results) / "scratch"
        moment = moment_of(date, hour)
        states = [load_state(scratch / "cams", iso(when)) for when in (moment - STEP, moment)]
        return cls(*states, iso(moment), load_static(scratch / "static" / "static.json"))

    @property
    def states(self) -> tuple[xr.Dataset, xr.Dataset]:
        """Both states, in the order of Aurora's history."""
        return self.previous, self.current

    @property
    def times(self) -> tuple[datetime.datetime, datetime.datetime]:
        """Time of each state, UTC."""
        now = parse(self.time)
        return now - STEP, now

    @property
    def lat(self) -> np.ndarray:
        """Degrees north, (rows,) float64."""
        return np.asarray(self.current["latitude"].values, np.float64)

    @property
    def lon(self) -> np.ndarray:
        """Degrees east, (columns,) float64."""
        return np.asarray(self.current["longitude"].values, np.float64)

    @functools.cached_property
    def levels(self) -> tuple[int, ...]:
        """Pressure levels, hPa, in the states' order."""
        return tuple(int(level) for level in self.current["level"].values)

    @functools.cached_property
    def area_y(self) -> np.ndarray:
        """Area of each row's cells, m2, (rows,) float64."""
        return cell_areas_m2(self.lat, len(self.lon))

    def changed_names(self, other: "Inputs") -> list[str]:
        """Both names, Aurora's and NetCDF's, of variables that differ from those of other inputs at some time."""
        differ = [v for v in SURFACE + ATMOS if any(
            not np.array_equal(mine[v.netcdf].values, theirs[v.netcdf].values)
            for mine, theirs in zip(self.states, other.states, strict=True)
        )]
        return sorted({name for v in differ for name in (v.netcdf, v.aurora)})

    def batch(self) -> Batch:
        """Aurora's batch, float32 on the CPU, batch size 1."""
        return make_batch(self.previous, self.current, time=self.time, static={name: self.static[name] for name in STATIC})


def cell_areas_m2(lat: np.ndarray, n_columns: int) -> np.ndarray:
    """Area of each row's cells, m2, (rows,) float64."""
    return cell_areas(lat, n_columns) / AREA_UNITS * 4 * np.pi * RADIUS_M**2


def level_rows(levels: Sequence[int] | None, inputs: Inputs) -> list[int]:
    """Places of some levels in hPa among the states' levels; of all for None.

    Raises:
        UserError: a level is not there, or none is named.
    """
    if levels is None:
        return list(range(len(inputs.levels)))
    missing = [level for level in levels if level not in inputs.levels]
    if missing or not levels:
        found = f"{', '.join(map(str, missing))}, which they do not have" if missing else "none"
        raise UserError("levels", f"levels of the states: {', '.join(map(str, inputs.levels))} hPa", found, "correct levels")
    return sorted(inputs.levels.index(level) for level in set(levels))


def scales(name: str, levels: Iterable[int]) -> np.ndarray:
    """Aurora's scale of a variable, its unit, that broadcasts against its values: () or (levels, 1, 1), float64."""
    variable = find_variable(name)
    if variable.kind == "surface":
        return np.array(variable.stats()[1])
    return np.array([variable.stats(level)[1] for level in levels])[:, None, None]
