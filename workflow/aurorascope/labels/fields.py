"""The continuous fields behind the labels, each of one time, float32, (rows, columns): NaN where a formula means nothing.

Labels are thresholds on these; of most, the change over 12 hours has a label of its own.
"""

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from aurorascope.config.thresholds import Thresholds
from aurorascope.labels.state import GRAVITY, LabelState, Moment, Place, remember
from aurorascope.sphere import gradient

JET_LEVELS = (200, 250, 300)
STRATOSPHERIC_LEVELS = {300: (250, 400), 400: (300, 500), 500: (400, 600)}
"""Levels at which stratospheric air is looked for, hPa, each with its neighbours above and below."""
_RIVER_LEVELS = range(300, 1001)
_BLOCKING_SPAN = 15.0
_MELTS = 273.15
_LEAST_PM = 1e-11


def _where(condition: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.where(condition, values, np.nan)


@remember
def jet_speed(moment: Moment) -> np.ndarray:
    """Wind speed, m/s: its mean over 200 to 300 hPa by trapezoids, of the levels 200, 250 and 300 that are there."""
    there = [level for level in JET_LEVELS if level in moment.place.levels]
    if len(there) == 1:
        return moment.wind_speed(there[0])
    total = np.zeros(moment.place.shape)
    for above, below in itertools.pairwise(there):
        total += (moment.wind_speed(above) + moment.wind_speed(below)) / 2 * (below - above)
    return total / (there[-1] - there[0])


@remember
def low_depth(moment: Moment) -> np.ndarray:
    """How far sea-level pressure lies below its latitude's mean, Pa."""
    msl = moment.surface("msl")
    return msl.mean(axis=1, keepdims=True) - msl


@remember
def thickness(moment: Moment) -> np.ndarray:
    """Geopotential at 300 hPa less that at 500 hPa, m2 s-2: warm columns are thick."""
    return moment.level("z", 300) - moment.level("z", 500)


@remember
def cyclonic_vorticity(moment: Moment) -> np.ndarray:
    """Relative vorticity at 850 hPa times the sign of latitude, 1/s."""
    return _where(moment.is_above_ground(850), moment.vorticity(850) * moment.place.hemisphere_yx)


@remember
def moisture_transport(moment: Moment) -> np.ndarray:
    """IVT = |1/g integral of q (u, v) dp| from 300 to 1000 hPa, kg m-1 s-1."""
    levels = [level for level in moment.place.levels if level in _RIVER_LEVELS]
    parts = [
        moment.integrate({level: moment.level("q", level) * moment.level(wind, level) for level in levels}) for wind in ("u", "v")
    ]
    return np.hypot(*parts) / GRAVITY


def _shifted(height_yx: np.ndarray, lat: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Values `shift` degrees north of each row, between rows by straight lines; NaN beyond the grid."""
    order = np.argsort(lat)
    place = np.interp(lat + shift, lat[order], order.astype(np.float64), left=np.nan, right=np.nan)
    low = np.floor(np.nan_to_num(place)).astype(int).clip(0, len(lat) - 2)
    share = (place - low)[:, None]
    return (1 - share) * height_yx[low] + share * height_yx[low + 1]


def height_slopes(moment: Moment) -> tuple[np.ndarray, np.ndarray]:
    """Slopes of the 500 hPa height towards the pole, m per degree: over the 15 degrees equatorward, and those poleward."""
    height, lat = moment.level("z", 500) / GRAVITY, moment.place.lat
    side = np.where(lat >= 0, _BLOCKING_SPAN, -_BLOCKING_SPAN)
    equatorward = (height - _shifted(height, lat, -side)) / _BLOCKING_SPAN
    return equatorward, (_shifted(height, lat, side) - height) / _BLOCKING_SPAN


@remember
def height_reversal(moment: Moment) -> np.ndarray:
    """Slope of the 500 hPa height over the 15 degrees equatorward, m per degree, positive where it rises towards the pole."""
    return height_slopes(moment)[0]


@remember
def front_gradient(moment: Moment) -> np.ndarray:
    """Magnitude of the gradient of equivalent potential temperature at 850 hPa, K/m."""
    slopes = gradient(moment.theta_e(850), moment.place.lat, moment.place.lon)
    return _where(moment.is_above_ground(850), np.hypot(*slopes))


def potential_vorticities(moment: Moment) -> dict[int, np.ndarray]:
    """Potential vorticity times the sign of latitude at 300, 400 and 500 hPa, K m2 kg-1 s-1, above ground."""
    return {
        level: _where(moment.is_above_ground(below), moment.potential_vorticity(level, above, below) * moment.place.hemisphere_yx)
        for level, (above, below) in STRATOSPHERIC_LEVELS.items()
    }


@remember
def stratospheric_vorticity(moment: Moment) -> np.ndarray:
    """The largest of `potential_vorticities`; NaN where none is defined."""
    stacked = np.stack(list(potential_vorticities(moment).values()))
    return np.fmax.reduce(stacked)


@remember
def inversion_strength(moment: Moment) -> np.ndarray:
    """Temperature at 925 hPa less that at 2 m, K, where 925 hPa lies above ground."""
    return _where(moment.is_above_ground(925), moment.level("t", 925) - moment.surface("t2m"))


@remember
def pm2p5(moment: Moment) -> np.ndarray:
    """PM2.5, kg m-3."""
    return moment.values["pm2p5"].copy()


@remember
def pm10(moment: Moment) -> np.ndarray:
    """PM10, kg m-3."""
    return moment.values["pm10"].copy()


@remember
def pm_ratio(moment: Moment) -> np.ndarray:
    """PM2.5 / PM10; NaN without PM10."""
    total = moment.surface("pm10")
    return np.divide(moment.surface("pm2p5"), total, out=np.full(total.shape, np.nan), where=total > 0)


@remember
def coarse(moment: Moment) -> np.ndarray:
    """PM10 less PM2.5, kg m-3."""
    return moment.surface("pm10") - moment.surface("pm2p5")


@remember
def no2_column(moment: Moment) -> np.ndarray:
    """Column of nitrogen dioxide, kg m-2."""
    return moment.values["tcno2"].copy()


@remember
def so2_column(moment: Moment) -> np.ndarray:
    """Column of sulphur dioxide, kg m-2."""
    return moment.values["tcso2"].copy()


@remember
def coldness(moment: Moment) -> np.ndarray:
    """How far the air at 2 m is below 273.15 K, K."""
    return _MELTS - moment.surface("t2m")


@remember
def transport(moment: Moment) -> np.ndarray:
    """-(u, v) . grad ln PM2.5 with the wind at 925 hPa, 1/s: positive where air with more PM2.5 arrives."""
    logarithm = np.log(np.maximum(moment.surface("pm2p5"), _LEAST_PM))
    east, north = gradient(logarithm, moment.place.lat, moment.place.lon)
    return _where(moment.is_above_ground(925), -(moment.level("u", 925) * east + moment.level("v", 925) * north))


def everywhere(place: Place, thresholds: Thresholds) -> np.ndarray:
    """All cells."""
    return np.ones(place.shape, bool)


def sea(place: Place, thresholds: Thresholds) -> np.ndarray:
    """Less land than `land_share`."""
    return place.static["lsm"] < thresholds.land_share


def tropics(place: Place, thresholds: Thresholds) -> np.ndarray:
    """Where tropical cyclones are looked for."""
    return np.abs(place.lat_yx) <= thresholds.cyclone_lat


def river_latitudes(place: Place, thresholds: Thresholds) -> np.ndarray:
    """Where atmospheric rivers are looked for."""
    return np.abs(place.lat_yx) >= thresholds.river_lat


def blocking_latitudes(place: Place, thresholds: Thresholds) -> np.ndarray:
    """Where blocking is looked for."""
    away = np.abs(place.lat_yx)
    return (away >= thresholds.blocking_lowest_lat) & (away <= thresholds.blocking_highest_lat)


def stratospheric_latitudes(place: Place, thresholds: Thresholds) -> np.ndarray:
    """Where stratospheric air is looked for."""
    return np.abs(place.lat_yx) > thresholds.stratospheric_lat


@dataclass(frozen=True)
class Field:
    """The field of a label.

    Attributes:
        compute: the field of a moment, wherever its formula means something.
        units: its unit.
        needs: levels without which neither field nor label can be had, hPa.
        domain: where the label is defined; the field of a label is NaN elsewhere.
    """

    compute: Callable[[Moment], np.ndarray]
    units: str
    needs: tuple[int, ...] = ()
    domain: Callable[[Place, Thresholds], np.ndarray] = everywhere

    def within(self, moment: Moment, thresholds: Thresholds) -> np.ndarray:
        """The field, NaN outside the domain, float32, (rows, columns)."""
        return np.where(self.domain(moment.place, thresholds), self.compute(moment), np.float32(np.nan))

    def change(self, state: LabelState, thresholds: Thresholds) -> np.ndarray:
        """The field at t less that at t - 12 h, float32, (rows, columns)."""
        return self.within(state.now, thresholds) - self.compute(state.before)


FIELDS = {
    "jet": Field(jet_speed, "m s-1", (250,)),
    "jet_core": Field(jet_speed, "m s-1", (250,)),
    "low": Field(low_depth, "Pa"),
    "tropical_cyclone": Field(thickness, "m2 s-2", (300, 500), tropics),
    "cyclonic_core": Field(cyclonic_vorticity, "s-1", (850,)),
    "atmospheric_river": Field(moisture_transport, "kg m-1 s-1", (300, 500, 700, 850, 925, 1000), river_latitudes),
    "blocking": Field(height_reversal, "m degree-1", (500,), blocking_latitudes),
    "front": Field(front_gradient, "K m-1", (850,)),
    "stratospheric_air": Field(stratospheric_vorticity, "K m2 kg-1 s-1", (250, 300, 400, 500, 600), stratospheric_latitudes),
    "inversion": Field(inversion_strength, "K", (925,)),
    "dust": Field(pm10, "kg m-3"),
    "coarse_pm": Field(coarse, "kg m-3"),
    "smoke": Field(pm2p5, "kg m-3"),
    "sea_salt": Field(pm10, "kg m-3", (), sea),
    "urban_no2": Field(no2_column, "kg m-2"),
    "volcanic_so2": Field(so2_column, "kg m-2", (300, 500, 700, 850, 1000)),
    "cold_ocean": Field(coldness, "K", (), sea),
    "transport_edge": Field(transport, "s-1", (925,)),
}
"""The field of each label that changes with the weather."""
CHANGING = tuple(name for name in FIELDS if name not in ("jet_core", "transport_edge"))
"""Labels whose field's change over 12 hours has a label of its own. `jet_core` has the jet's field, and the field of
`transport_edge` is a rate of change already."""


def can_have(name: str, levels: Iterable[int]) -> bool:
    """Whether states on these levels, in hPa, have what the field and the label of this id need."""
    return set(FIELDS[name].needs) <= set(levels)
