"""What is changed of Aurora's inputs, as frozen settings; `perturb` applies them.

Each operation names variables, a region and, where there are some, levels; it changes both input times or the latest. With
`consistent`, which it is unless told otherwise, the total column of a gas moves with its levels, and all sizes of particles together.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np

from aurorascope.errors import UserError
from aurorascope.perturbations.consistency import COLUMNS, PARTICLES, level_masses
from aurorascope.perturbations.inputs import TIMES, Inputs, find_variable, level_rows
from aurorascope.perturbations.logarithms import check_emission
from aurorascope.perturbations.regions import Everywhere, Region

Fields = dict[str, np.ndarray]
MOST_OF_AIR = 0.01
"""Share of the air's mass that a plume adds or takes away at most; over a cell of any grid no pollution comes near it."""
DENSITY = 1.2
"""Of air near the ground, kg m-3, to compare particles with."""


class StateOperation(Protocol):
    """A change of states."""

    region: Region
    levels: tuple[int, ...] | None
    times: str
    consistent: bool

    def new_values(self, inputs: Inputs, place: int) -> Fields:
        """Values by NetCDF name, float64, ([level,] rows, columns), of the state at `place` (0: t - 12 h, 1: t)."""


@runtime_checkable
class StaticOperation(Protocol):
    """A change of a static field of emissions."""

    emission: str
    region: Region

    def factors(self, inputs: Inputs) -> np.ndarray:
        """What the emission is multiplied with at each place, float64, (rows, columns)."""


def check_times(operation: object, times: str) -> None:
    """Refuse what is neither "both" nor "latest"."""
    if times not in TIMES:
        raise UserError(f"{type(operation).__name__}", f"times {' or '.join(TIMES)}", repr(times), "correct times")


def checked_names(variables: Iterable[str], consistent: bool) -> tuple[str, ...]:
    """NetCDF names, each once; where it is to be consistent, of all sizes of particles or none, and columns by their gas alone."""
    if isinstance(variables, str):
        variables = (variables,)
    found = list(dict.fromkeys(find_variable(name).netcdf for name in variables))
    if not found:
        raise UserError("variables of a change", "at least one", "none", "name one")
    if consistent:
        for gas, column in COLUMNS.items():
            if column in found and gas not in found:
                raise UserError(
                    f"variable {column}", f"{gas}, whose levels the column is the sum of", "the column alone",
                    f"name {gas}: its column follows; or say consistent=False",
                )
        found = [name for name in found if name not in COLUMNS.values()]
        if set(found) & set(PARTICLES):
            found += [name for name in PARTICLES if name not in found]
    return tuple(found)


def values_of(inputs: Inputs, place: int, name: str) -> np.ndarray:
    """A variable of the state at a place, float64, ([level,] rows, columns)."""
    return np.asarray(inputs.states[place][name].values, np.float64)


def on_levels(values: np.ndarray, weight_yx: np.ndarray, rows: list[int]) -> np.ndarray:
    """The weight in the shape of a variable's values, 0 on levels that were not asked for."""
    if values.ndim == 2:
        return weight_yx
    weight = np.zeros(values.shape)
    weight[rows] = weight_yx
    return weight


@dataclass(frozen=True)
class ScaleVariables:
    """Variables times a factor: x (1 + (factor - 1) weight).

    Attributes:
        variables: their names in Aurora or NetCDF files.
        factor: what they are multiplied with inside the region.
        region: where.
        levels: hPa; None for all. Variables without levels change as a whole.
        times: "both" or "latest".
        consistent: whether columns move with levels and particles of all sizes together.

    Raises:
        UserError: a variable is unknown, or one would become negative that cannot be.
    """

    variables: tuple[str, ...]
    factor: float
    region: Region = field(default_factory=Everywhere)
    levels: tuple[int, ...] | None = None
    times: str = "both"
    consistent: bool = True

    def __post_init__(self) -> None:
        check_times(self, self.times)
        for name in checked_names(self.variables, self.consistent):
            if not np.isfinite(self.factor) or (self.factor < 0 and not find_variable(name).is_signed):
                raise UserError(f"factor of {name}", "a number of 0 or more", str(self.factor), "correct factor")

    def new_values(self, inputs: Inputs, place: int) -> Fields:
        """See `StateOperation`."""
        weight_yx, rows = self.region.weight(inputs.lat, inputs.lon), level_rows(self.levels, inputs)
        found = {}
        for name in checked_names(self.variables, self.consistent):
            values = values_of(inputs, place, name)
            found[name] = values * (1 + (self.factor - 1) * on_levels(values, weight_yx, rows))
        return found


@dataclass(frozen=True)
class AddPlume:
    """A mass of one gas, or of particles of one size, in the air of a region.

    A gas takes the same mixing ratio on all levels that were asked for, times the region's weight; levels below the ground hold
    no air and take nothing. Particles, whose concentration is known near the ground alone, are spread over a depth.

    Attributes:
        variable: co, no, no2, so2, go3, pm1, pm2p5 or pm10.
        kg: mass in all, at each time that is changed; taken away where negative.
        region: where; its weight is the plume's shape.
        levels: hPa, of a gas; None for all.
        depth_m: depth of the layer that holds particles, m.
        times: "both" or "latest".
        consistent: whether the column moves with the levels, and particles of all sizes with the one that is named.

    Raises:
        UserError: the variable has no mass of its own, particles have no depth, or gases have one; when it is added, as of `check_air`.
    """

    variable: str
    kg: float
    region: Region
    levels: tuple[int, ...] | None = None
    depth_m: float | None = None
    times: str = "both"
    consistent: bool = True

    def __post_init__(self) -> None:
        check_times(self, self.times)
        name = find_variable(self.variable).netcdf
        allowed = (*COLUMNS, *PARTICLES)
        if name not in allowed:
            raise UserError("a plume's variable", f"one of {', '.join(allowed)}", self.variable, "correct variable")
        if not np.isfinite(self.kg):
            raise UserError("a plume's kg", "a number", str(self.kg), "correct kg")
        is_right = self.depth_m is None if name in COLUMNS else self.depth_m is not None and 0 < self.depth_m < np.inf
        if not is_right:
            expected = "none: a gas lies on levels" if name in COLUMNS else "a depth in m, for example 1000"
            raise UserError(f"depth_m of a plume of {name}", expected, str(self.depth_m), "correct depth_m")

    def new_values(self, inputs: Inputs, place: int) -> Fields:
        """See `StateOperation`."""
        name = find_variable(self.variable).netcdf
        values, weight_yx = values_of(inputs, place, name), self.region.weight(inputs.lat, inputs.lon)
        weight, depth = weight_yx, self.depth_m
        if values.ndim == 3:
            mass_lyx = level_masses(inputs.levels, values_of(inputs, place, "z"), inputs.static["z"])
            weight = on_levels(values, weight_yx, level_rows(self.levels, inputs)) * (mass_lyx > 0)
            depth = mass_lyx
        air = float((weight * depth * inputs.area_y[:, None]).sum())
        self.check_air(air if values.ndim == 3 else air * DENSITY)
        return {name: values + self.kg / air * weight}

    def check_air(self, air_kg: float) -> None:
        """Refuse a mass that there is no air for.

        Args:
            air_kg: the air on the plume's levels, or in its layer, times the region's weight.

        Raises:
            UserError: there is none, or the plume would be more than `MOST_OF_AIR` of it.
        """
        where = f"a plume of {find_variable(self.variable).netcdf}"
        if air_kg <= 0:
            raise UserError(where, "air to hold it", "none on its levels in its region", "give other levels or a larger region")
        if abs(self.kg) > MOST_OF_AIR * air_kg:
            expected = f"at most {MOST_OF_AIR * air_kg:.3g} kg, {MOST_OF_AIR:.0%} of the {air_kg:.3g} kg of air that it lies in"
            raise UserError(where, expected, f"{self.kg:.3g} kg", "give fewer kg, or a larger region")


@dataclass(frozen=True)
class ScaleEmission:
    """A static field of emissions times a factor, and its logarithm with it.

    Attributes:
        emission: static_ammonia, static_co, static_nox or static_so2.
        factor: what it is multiplied with inside the region, 0 or more. What falls below the smallest emission that the
            logarithm tells apart has that one's logarithm.
        region: where.
    """

    emission: str
    factor: float
    region: Region = field(default_factory=Everywhere)

    def __post_init__(self) -> None:
        check_emission(self.emission)
        if not 0 <= self.factor < np.inf:
            raise UserError(f"factor of {self.emission}", "a number of 0 or more", str(self.factor), "correct factor")

    def factors(self, inputs: Inputs) -> np.ndarray:
        """See `StaticOperation`."""
        return 1 + (self.factor - 1) * self.region.weight(inputs.lat, inputs.lon)


Operation = StateOperation | StaticOperation
