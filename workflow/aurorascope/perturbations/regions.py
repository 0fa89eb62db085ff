"""Regions of the sphere with a cosine taper: how much of a change each place takes, and how far from the region it lies.

A weight is 1 inside, and falls to 0 at the region's edge over the last `taper_km` within it, as (1 + cos(pi s)) / 2 with s from 0
to 1. So nothing outside the region changes, and a change has no sharp rim that the model would take for weather.
"""

import dataclasses
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from aurorascope.errors import UserError
from aurorascope.sphere import RADIUS_M, great_circle_km

_KM_OF_RADIAN = RADIUS_M / 1000


class Region(Protocol):
    """Part of the sphere; latitudes (rows,) in degrees north, longitudes (columns,) in degrees east."""

    def weight(self, lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
        """Share of a change at each place, 0 to 1, float64, (rows, columns)."""

    def distance_km(self, lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
        """Great-circle distance to the region, 0 within it, float64, (rows, columns)."""

    def moved_east(self, degrees: float) -> "Region":
        """The same region further east."""


def taper(inside_km: np.ndarray, taper_km: float) -> np.ndarray:
    """Weight of places that lie `inside_km` within an edge, below 0 outside: (1 - cos(pi inside / taper)) / 2 up to 1."""
    inside_km = np.asarray(inside_km, np.float64)
    if taper_km == 0:
        return (inside_km >= 0).astype(np.float64)
    return (1 - np.cos(np.pi * (inside_km / taper_km).clip(0, 1))) / 2


def _check(region: object, name: str, is_right: bool, expected: str) -> None:
    if not is_right:
        raise UserError(f"region {region}", f"{name} {expected}", str(getattr(region, name)), f"correct {name}")


@dataclass(frozen=True)
class Everywhere:
    """Everywhere, with weight 1."""

    def weight(self, lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
        """See `Region`."""
        return np.ones((len(lat), len(lon)))

    def distance_km(self, lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
        """See `Region`."""
        return np.zeros((len(lat), len(lon)))

    def moved_east(self, degrees: float) -> "Everywhere":
        """See `Region`."""
        return self


@dataclass(frozen=True)
class AnyOf:
    """Places that lie in any of some regions, each with its largest weight in one.

    Attributes:
        regions: at least one.
    """

    regions: tuple[Region, ...]

    def weight(self, lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
        """See `Region`."""
        return np.max([each.weight(lat, lon) for each in self.regions], axis=0)

    def distance_km(self, lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
        """See `Region`."""
        return np.min([each.distance_km(lat, lon) for each in self.regions], axis=0)

    def moved_east(self, degrees: float) -> "AnyOf":
        """See `Region`."""
        return AnyOf(tuple(each.moved_east(degrees) for each in self.regions))


@dataclass(frozen=True)
class Disk:
    """Places within `km` of a point.

    Attributes:
        lat: degrees north.
        lon: degrees east.
        km: radius along the sphere.
        taper_km: the width of the rim within that radius over which the weight falls to 0, from 0 to `km`.

    Raises:
        UserError: the point is not on the sphere, or a length is out of range.
    """

    lat: float
    lon: float
    km: float
    taper_km: float = 0.0

    def __post_init__(self) -> None:
        _check(self, "lat", -90 <= self.lat <= 90, "from -90 to 90")
        _check(self, "lon", -360 <= self.lon <= 360, "from -360 to 360")
        _check(self, "km", 0 < self.km <= np.pi * _KM_OF_RADIAN, f"above 0, up to {np.pi * _KM_OF_RADIAN:.0f}")
        _check(self, "taper_km", 0 <= self.taper_km <= self.km, f"from 0 to km {self.km:g}")

    def _from_centre_km(self, lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
        return great_circle_km(self.lat, self.lon, np.asarray(lat, np.float64)[:, None], np.asarray(lon, np.float64)[None, :])

    def weight(self, lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
        """See `Region`."""
        return taper(self.km - self._from_centre_km(lat, lon), self.taper_km)

    def distance_km(self, lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
        """See `Region`."""
        return (self._from_centre_km(lat, lon) - self.km).clip(0)

    def moved_east(self, degrees: float) -> "Disk":
        """See `Region`."""
        return dataclasses.replace(self, lon=(self.lon + degrees) % 360)


@dataclass(frozen=True)
class Box:
    """Places between two parallels and two meridians.

    Attributes:
        south: degrees north.
        north: degrees north; at a pole there is no edge.
        west: degrees east.
        east: degrees east; east of `west`, across the date line or Greenwich where it is the smaller number. 360 degrees from
            `west` on is a band without edges in longitude.
        taper_km: the width of the rim within the edges over which the weight falls to 0.

    Raises:
        UserError: the parallels are no parallels or in the wrong order, both meridians are the same, or the taper is out of range.
    """

    south: float
    north: float
    west: float
    east: float
    taper_km: float = 0.0

    def __post_init__(self) -> None:
        _check(self, "south", -90 <= self.south < self.north, f"from -90 to below north {self.north:g}")
        _check(self, "north", self.north <= 90, "up to 90, where a box is south, north, west, east")
        _check(self, "west", -360 <= self.west <= 360, "from -360 to 360")
        _check(self, "east", -360 <= self.east <= 720 and self.east != self.west, f"another meridian than west {self.west:g}")
        # Where a band was moved, its width has been rounded.
        _check(self, "east", self.east - self.west < 360.001, f"up to 360 degrees from west {self.west:g}")
        _check(self, "taper_km", 0 <= self.taper_km <= np.pi * _KM_OF_RADIAN, f"from 0 to {np.pi * _KM_OF_RADIAN:.0f}")

    @property
    def _width(self) -> float:
        return 360.0 if self.east - self.west >= 360 else (self.east - self.west) % 360

    def _to_meridian(self, lat: np.ndarray, lon: np.ndarray, meridian: float) -> np.ndarray:
        """Angle, radians, to the part of a meridian between both parallels, (rows, columns)."""
        phi, apart = np.deg2rad(lat)[:, None], np.deg2rad(lon - meridian)[None, :]
        ends = [great_circle_km(end, meridian, lat[:, None], lon[None, :]) / _KM_OF_RADIAN for end in (self.south, self.north)]
        nearest = np.minimum(*ends)
        # The foot of the perpendicular on the meridian's great circle counts where it lies between both ends.
        foot = np.arctan2(np.broadcast_to(np.sin(phi), nearest.shape), np.cos(phi) * np.cos(apart))
        is_between = (foot >= np.deg2rad(self.south)) & (foot <= np.deg2rad(self.north))
        across = np.arcsin(np.abs(np.cos(phi) * np.sin(apart)).clip(0, 1))
        return np.where(is_between, across, nearest)

    def _parts(self, lat: np.ndarray, lon: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Whether a row and a column are inside, and the angle to the nearer meridian's part, infinite without meridians."""
        rows = (lat >= self.south) & (lat <= self.north)
        columns = (lon - self.west) % 360 <= self._width
        if self._width == 360:
            return rows, columns, np.full((len(lat), len(lon)), np.inf)
        return rows, columns, np.minimum(*(self._to_meridian(lat, lon, meridian) for meridian in (self.west, self.east)))

    def weight(self, lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
        """See `Region`."""
        lat, lon = np.asarray(lat, np.float64), np.asarray(lon, np.float64)
        rows, columns, sideways = self._parts(lat, lon)
        edges = [lat - self.south if self.south > -90 else np.full(len(lat), np.inf)]
        edges += [self.north - lat if self.north < 90 else np.full(len(lat), np.inf)]
        inside_km = np.minimum(np.deg2rad(np.minimum(*edges))[:, None], sideways) * _KM_OF_RADIAN
        return np.where(rows[:, None] & columns[None, :], taper(inside_km, self.taper_km), 0.0)

    def distance_km(self, lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
        """See `Region`."""
        lat, lon = np.asarray(lat, np.float64), np.asarray(lon, np.float64)
        _, columns, sideways = self._parts(lat, lon)
        along = np.deg2rad(np.maximum(self.south - lat, lat - self.north).clip(0))[:, None]
        return np.where(columns[None, :], along, sideways) * _KM_OF_RADIAN

    def moved_east(self, degrees: float) -> "Box":
        """See `Region`."""
        west = (self.west + degrees) % 360
        return dataclasses.replace(self, west=west, east=west + self._width)


@dataclass(frozen=True)
class Band:
    """Places between two parallels.

    Attributes:
        south: degrees north.
        north: degrees north.
        taper_km: the width of the rim within the parallels over which the weight falls to 0.

    Raises:
        UserError: as for `Box`.
    """

    south: float
    north: float
    taper_km: float = 0.0

    def __post_init__(self) -> None:
        _ = self._box

    @property
    def _box(self) -> Box:
        return Box(self.south, self.north, 0, 360, self.taper_km)

    def weight(self, lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
        """See `Region`."""
        return self._box.weight(lat, lon)

    def distance_km(self, lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
        """See `Region`."""
        return self._box.distance_km(lat, lon)

    def moved_east(self, degrees: float) -> "Band":
        """See `Region`."""
        return self
