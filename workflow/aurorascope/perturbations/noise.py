"""Red noise in the place of a change: large random waves of the same variables in the same region."""

import functools
from dataclasses import dataclass, field

import numpy as np

from aurorascope.errors import UserError
from aurorascope.labels.controls import red_noise, waves
from aurorascope.perturbations.inputs import Inputs, find_variable, level_rows, scales
from aurorascope.perturbations.logarithms import check_emission
from aurorascope.perturbations.operations import Fields, check_times, checked_names, on_levels, values_of
from aurorascope.perturbations.regions import Everywhere, Region
from aurorascope.streams import Stream, generator


def noise_of(inputs: Inputs, seed: int, draw: int | None) -> np.ndarray:
    """Red noise at the inputs' time, float64, (rows, columns): that of the label `control_red_noise`, or a draw of its own.

    Args:
        inputs: whose time and grid.
        seed: of the draws.
        draw: number of the draw from 0; None for the label's noise.
    """
    return _noise(inputs.time, seed, draw, inputs.lat.tobytes(), inputs.lon.tobytes())


# Both times take the same field, and the search for an amplitude takes it again and again.
@functools.lru_cache(maxsize=1)
def _noise(time: str, seed: int, draw: int | None, lat_bytes: bytes, lon_bytes: bytes) -> np.ndarray:
    when, lat, lon = np.datetime64(time[:-1]), *(np.frombuffer(each) for each in (lat_bytes, lon_bytes))
    if draw is None:
        found = red_noise(when, lat, lon).astype(np.float64)
    else:
        hours = int(np.datetime64(when, "h").astype(np.int64))
        found = waves(generator(Stream.PERTURBATION_NOISE, seed, draw, hours), lat, lon).astype(np.float64)
    found.flags.writeable = False
    return found


def _check_amplitude(amplitude: float) -> None:
    if not 0 <= amplitude < np.inf:
        raise UserError("amplitude of red noise", "a number of 0 or more", str(amplitude), "correct amplitude")


@dataclass(frozen=True)
class AddRedNoise:
    """A random field of large waves, the same at both times: the control for "any change there would have done it".

    Amounts become x (1 + amplitude weight noise), never below 0; other variables x + amplitude scale weight noise, with Aurora's
    scale of the level. The noise is that of the label `control_red_noise`, of the snapshot's time alone and of variance 1, or
    one of any number of draws like it.

    Attributes:
        variables: their names in Aurora or NetCDF files.
        amplitude: of the noise, 0 or more.
        region: where.
        levels: hPa; None for all.
        times: "both" or "latest".
        consistent: whether columns move with levels and particles of all sizes together.
        seed: of the draws.
        draw: number of the draw from 0; None for the label's noise.
    """

    variables: tuple[str, ...]
    amplitude: float
    region: Region = field(default_factory=Everywhere)
    levels: tuple[int, ...] | None = None
    times: str = "both"
    consistent: bool = True
    seed: int = 0
    draw: int | None = None

    def __post_init__(self) -> None:
        check_times(self, self.times)
        checked_names(self.variables, self.consistent)
        _check_amplitude(self.amplitude)

    def new_values(self, inputs: Inputs, place: int) -> Fields:
        """See `StateOperation`."""
        rows = level_rows(self.levels, inputs)
        noise_yx = noise_of(inputs, self.seed, self.draw) * self.amplitude * self.region.weight(inputs.lat, inputs.lon)
        found = {}
        for name in checked_names(self.variables, self.consistent):
            values, variable = values_of(inputs, place, name), find_variable(name)
            noise = on_levels(values, noise_yx, rows)
            if variable.units.startswith("kg"):
                found[name] = values * (1 + noise).clip(0)
            else:
                found[name] = values + noise * scales(name, inputs.levels)
        return found


@dataclass(frozen=True)
class ScaleEmissionByNoise:
    """A static field of emissions times exp(amplitude weight noise), and its logarithm with it, which is what Aurora sees of emissions.

    Attributes:
        emission: as for `ScaleEmission`.
        amplitude: of the noise, 0 or more.
        region: where.
        seed: of the draws.
        draw: number of the draw from 0; None for the label's noise.
    """

    emission: str
    amplitude: float
    region: Region = field(default_factory=Everywhere)
    seed: int = 0
    draw: int | None = None

    def __post_init__(self) -> None:
        check_emission(self.emission)
        _check_amplitude(self.amplitude)

    def factors(self, inputs: Inputs) -> np.ndarray:
        """See `StaticOperation`."""
        return np.exp(noise_of(inputs, self.seed, self.draw) * self.amplitude * self.region.weight(inputs.lat, inputs.lon))
