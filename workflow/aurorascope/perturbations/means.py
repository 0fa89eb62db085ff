"""What variables are on average at each position, and the change that moves them there."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from aurorascope.errors import UserError
from aurorascope.perturbations.inputs import Inputs, level_rows
from aurorascope.perturbations.operations import Fields, check_times, checked_names, on_levels, values_of
from aurorascope.perturbations.regions import Everywhere, Region


def position_mean(states: Mapping[str, xr.Dataset]) -> xr.Dataset:
    """Mean of states at each position, by hour of the day: both input times have a mean of their own.

    Args:
        states: states by their times, ISO, UTC; a mapping that reads each when it is asked for keeps memory to one of them.

    Returns:
        Every variable of the states, float64, dims (hour, [level,] latitude, longitude), with hours UTC ascending. The sums run in
        the order of time, so that the order of the mapping changes no bit.

    Raises:
        UserError: there is no state.
    """
    if not states:
        raise UserError("position mean", "at least one state", "none", "name some times")
    sums: dict[int, xr.Dataset] = {}
    counts: dict[int, int] = {}
    for time in sorted(states):
        hour, state = int(time[11:13]), states[time].drop_vars("time", errors="ignore").astype(np.float64)
        sums[hour] = sums[hour] + state if hour in sums else state
        counts[hour] = counts.get(hour, 0) + 1
    hours = sorted(sums)
    return xr.concat([sums[hour] / counts[hour] for hour in hours], xr.Variable("hour", np.array(hours)))


@dataclass(frozen=True, eq=False)
class ReplaceByMean:
    """Variables moved to what they are on average at each position: x + share weight (mean - x).

    Attributes:
        variables: their names in Aurora or NetCDF files.
        mean: what `position_mean` returns.
        region: where.
        levels: hPa; None for all.
        times: "both" or "latest".
        consistent: whether columns move with levels and particles of all sizes together.
        share: of the way to the mean, 1 for all of it; away from it where negative.
    """

    variables: tuple[str, ...]
    mean: xr.Dataset
    region: Region = field(default_factory=Everywhere)
    levels: tuple[int, ...] | None = None
    times: str = "both"
    consistent: bool = True
    share: float = 1.0

    def __post_init__(self) -> None:
        check_times(self, self.times)
        checked_names(self.variables, self.consistent)

    def new_values(self, inputs: Inputs, place: int) -> Fields:
        """See `StateOperation`."""
        weight_yx, rows = self.share * self.region.weight(inputs.lat, inputs.lon), level_rows(self.levels, inputs)
        hour = inputs.times[place].hour
        for axis in ("latitude", "longitude", "level"):
            if not np.array_equal(self.mean[axis].values, inputs.current[axis].values):
                raise UserError("position mean", f"the states' {axis}", "another", "average states of the same grid")
        if hour not in self.mean["hour"].values:
            there = ", ".join(f"{each} UTC" for each in self.mean["hour"].values)
            raise UserError("position mean", f"states of {hour} UTC among those averaged", there, "average some of that hour too")
        mean = self.mean.sel(hour=hour)
        found = {}
        for name in checked_names(self.variables, self.consistent):
            values = values_of(inputs, place, name)
            found[name] = values + on_levels(values, weight_yx, rows) * (mean[name].values - values)
        return found
