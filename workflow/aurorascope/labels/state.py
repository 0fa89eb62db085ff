"""What the labels of one time are computed from: two states, static fields, and where they lie."""

import functools
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from aurorascope.cams.day_group import NAMES
from aurorascope.cams.variables import STATIC
from aurorascope.spec import STEP_HOURS
from aurorascope.sphere import cell_areas, vorticity

GRAVITY = 9.80665
"""m s-2."""
_KAPPA, _EPSILON, _OMEGA = 0.2857, 0.622, 7.2921e-5


@dataclass(frozen=True, eq=False)
class Place:
    """Where states lie, and what never changes there.

    Attributes:
        lat: degrees north, (rows,).
        lon: degrees east, (columns,).
        levels: hPa, ascending.
        static: Aurora's static fields by name, each (rows, columns); `z` in m2 s-2, emissions in kg m-2 s-1.
    """

    lat: np.ndarray
    lon: np.ndarray
    levels: tuple[int, ...]
    static: Mapping[str, np.ndarray]

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return len(self.lat), len(self.lon)

    @functools.cached_property
    def area_yx(self) -> np.ndarray:
        """Cell areas in units of 2^-32 of the sphere, int64."""
        return np.broadcast_to(cell_areas(self.lat, len(self.lon))[:, None], self.shape)

    @functools.cached_property
    def lat_yx(self) -> np.ndarray:
        """Latitude of each cell, degrees north."""
        return np.broadcast_to(self.lat[:, None], self.shape)

    @functools.cached_property
    def hemisphere_yx(self) -> np.ndarray:
        """1 in the north, -1 in the south, 0 on the equator: what makes cyclonic rotation positive."""
        return np.sign(self.lat_yx)


@dataclass(frozen=True, eq=False)
class Moment:
    """The state of one time.

    Attributes:
        time: UTC.
        values: the 22 variables under their NetCDF names in SI units, float32, ([level,] rows, columns).
        place: where they lie.
        memory: fields that were computed of it (`remember`).
    """

    time: np.datetime64
    values: Mapping[str, np.ndarray]
    place: Place
    memory: dict[str, np.ndarray] = field(default_factory=dict, repr=False)

    def surface(self, name: str) -> np.ndarray:
        """A surface variable, float64, (rows, columns)."""
        return self.values[name].astype(np.float64)

    def level(self, name: str, hpa: int) -> np.ndarray:
        """A variable at a level in hPa, float64, (rows, columns)."""
        return self.values[name][self.place.levels.index(hpa)].astype(np.float64)

    def is_above_ground(self, hpa: int) -> np.ndarray:
        """Where a level lies above the ground: its geopotential is at least that of the static orography."""
        return self.level("z", hpa) >= self.place.static["z"]

    def wind_speed(self, hpa: int) -> np.ndarray:
        """Wind speed, m/s."""
        return np.hypot(self.level("u", hpa), self.level("v", hpa))

    def wind_speed_10m(self) -> np.ndarray:
        """Wind speed 10 m above ground, m/s."""
        return np.hypot(self.surface("u10"), self.surface("v10"))

    def theta(self, hpa: int) -> np.ndarray:
        """Potential temperature T (1000 hPa / p)^0.2857, K."""
        return self.level("t", hpa) * (1000 / hpa) ** _KAPPA

    def vapour_pressure(self, hpa: int) -> np.ndarray:
        """Of water, q p / (0.622 + 0.378 q), hPa; at least 1e-6 hPa, so that it has a logarithm."""
        q = self.level("q", hpa)
        return np.maximum(q * hpa / (_EPSILON + (1 - _EPSILON) * q), 1e-6)

    def relative_humidity(self, hpa: int) -> np.ndarray:
        """Over liquid water, 1 at saturation; saturation by Bolton (1980, equation 10)."""
        t = self.level("t", hpa)
        return self.vapour_pressure(hpa) / (6.112 * np.exp(17.67 * (t - 273.15) / (t - 29.65)))

    def theta_e(self, hpa: int) -> np.ndarray:
        """Equivalent potential temperature, K, by Bolton (1980, equations 21 and 43)."""
        t, e = self.level("t", hpa), self.vapour_pressure(hpa)
        condenses = 2840 / (3.5 * np.log(t) - np.log(e) - 4.805) + 55
        mixing = 1000 * _EPSILON * e / (hpa - e)
        dry = t * (1000 / hpa) ** (0.2854 * (1 - 0.28e-3 * mixing))
        return dry * np.exp((3.376 / condenses - 0.00254) * mixing * (1 + 0.81e-3 * mixing))

    def vorticity(self, hpa: int) -> np.ndarray:
        """Relative vorticity, 1/s (`sphere.vorticity`)."""
        return vorticity(self.level("u", hpa), self.level("v", hpa), self.place.lat, self.place.lon)

    def potential_vorticity(self, hpa: int, above: int, below: int) -> np.ndarray:
        """-g (zeta + f) dtheta/dp, K m2 kg-1 s-1; dtheta/dp between the levels `above` and `below`, in hPa.

        The terms with horizontal vorticity are left out: without vertical velocity they cannot be had in full.
        """
        absolute = self.vorticity(hpa) + 2 * _OMEGA * np.sin(np.deg2rad(self.place.lat_yx))
        return -GRAVITY * absolute * (self.theta(below) - self.theta(above)) / (100.0 * (below - above))

    def integrate(self, values: Mapping[int, np.ndarray]) -> np.ndarray:
        """Integral over pressure, the values' unit times Pa: trapezoids between levels in hPa that both lie above ground."""
        levels, total = sorted(values), np.zeros(self.place.shape)
        for above, below in itertools.pairwise(levels):
            both = self.is_above_ground(above) & self.is_above_ground(below)
            total += both * (values[above] + values[below]) / 2 * 100.0 * (below - above)
        return total


@dataclass(frozen=True, eq=False)
class LabelState:
    """What one time's labels read: its state, and the state 12 hours before.

    Attributes:
        now: the state at t.
        before: the state at t - 12 h.
    """

    now: Moment
    before: Moment

    @property
    def place(self) -> Place:
        """Where both states lie."""
        return self.now.place

    @classmethod
    def of(cls, now: xr.Dataset, before: xr.Dataset, static: Mapping[str, np.ndarray]) -> "LabelState":
        """Of two states as `cams.states.load_state` gives them, and `backbone.static.load_static`'s fields.

        Raises:
            ValueError: the states are not 12 hours apart, or do not lie on the grid of the static fields or of each other.
        """
        lat, lon = (np.asarray(now[axis].values, np.float64) for axis in ("latitude", "longitude"))
        for axis in ("level", "latitude", "longitude"):
            if not np.array_equal(now[axis].values, before[axis].values):
                raise ValueError(f"the states differ in {axis}")
        wrong = [name for name in STATIC if static[name].shape != (len(lat), len(lon))]
        if wrong:
            raise ValueError(f"static fields that are not {len(lat)} x {len(lon)}: {', '.join(wrong)}")
        times = [np.datetime64(each["time"].values, "h") for each in (now, before)]
        if times[0] - times[1] != np.timedelta64(STEP_HOURS, "h"):
            raise ValueError(f"states at {times[1]} and {times[0]}, which are not {STEP_HOURS} hours apart")
        place = Place(lat, lon, tuple(int(level) for level in now["level"].values), static)
        moments = [
            Moment(time, {name: each[name].transpose(..., "latitude", "longitude").values for name in NAMES}, place)
            for time, each in zip(times, (now, before), strict=True)
        ]
        return cls(*moments)


def remember(compute: Callable[[Moment], np.ndarray]) -> Callable[[Moment], np.ndarray]:
    """Compute a field of a moment once, as float32, for all labels that read it; nobody can write into it."""

    @functools.wraps(compute)
    def remembered(moment: Moment) -> np.ndarray:
        name = compute.__name__
        if name not in moment.memory:
            values = np.asarray(compute(moment), np.float32)
            values.flags.writeable = False
            moment.memory[name] = values
        return moment.memory[name]

    return remembered
