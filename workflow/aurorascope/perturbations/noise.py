"""Red noise in the place of a change: large random waves of the same variables in the same region."""

from dataclasses import dataclass, field

import numpy as np

from aurorascope.errors import UserError
from aurorascope.labels.controls import red_noise
from aurorascope.perturbations.inputs import Inputs, find_variable, level_rows, scales
from aurorascope.perturbations.operations import Fields, check_times, checked_names, on_levels, values_of
from aurorascope.perturbations.regions import Everywhere, Region


@dataclass(frozen=True)
class AddRedNoise:
    """A random field of large waves, the same at both times: the control for "any change there would have done it".

    Amounts become x (1 + amplitude weight noise), never below 0; other variables x + amplitude scale weight noise, with Aurora's
    scale of the level. The noise is that of the label `control_red_noise`: of the snapshot's time alone, variance 1.

    Attributes:
        variables: their names in Aurora or NetCDF files.
        amplitude: of the noise, 0 or more.
        region: where.
        levels: hPa; None for all.
        times: "both" or "latest".
        consistent: whether columns move with levels and particles of all sizes together.
    """

    variables: tuple[str, ...]
    amplitude: float
    region: Region = field(default_factory=Everywhere)
    levels: tuple[int, ...] | None = None
    times: str = "both"
    consistent: bool = True

    def __post_init__(self) -> None:
        check_times(self, self.times)
        checked_names(self.variables, self.consistent)
        if not 0 <= self.amplitude < np.inf:
            raise UserError("amplitude of red noise", "a number of 0 or more", str(self.amplitude), "correct amplitude")

    def new_values(self, inputs: Inputs, place: int) -> Fields:
        """See `StateOperation`."""
        rows = level_rows(self.levels, inputs)
        noise_yx = red_noise(np.datetime64(inputs.time[:-1]), inputs.lat, inputs.lon).astype(np.float64)
        noise_yx *= self.amplitude * self.region.weight(inputs.lat, inputs.lon)
        found = {}
        for name in checked_names(self.variables, self.consistent):
            values, variable = values_of(inputs, place, name), find_variable(name)
            noise = on_levels(values, noise_yx, rows)
            if variable.units.startswith("kg"):
                found[name] = values * (1 + noise).clip(0)
            else:
                found[name] = values + noise * scales(name, inputs.levels)
        return found
