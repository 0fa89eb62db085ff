"""Regions: which tokens of a block an edit may touch.

    Disk(52, -78, km=1500) & Levels("surface")
    Band(-23.5, 23.5) | Labelled.read("results/scratch/labels", "dust", "2022-06-03T12:00:00Z")

A token lies in a region where the centre of its real cells does; in a label's where at least half of its area has the label, as in
the atlas. Rows and columns that Aurora pads hold no cell and lie in no region.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aurorascope.atlas.parts import ON, parts_of
from aurorascope.errors import UserError, nearest
from aurorascope.interventions.places import Place
from aurorascope.spec import LATENT_LEVELS, PATCH
from aurorascope.sphere import RADIUS_M, disk

# Whether tokens (rows) are in a region for each of the edited features (columns), or, of one column, for all of them.
Mask = np.ndarray


class Region:
    """Base of all regions; `&` and `|` combine two."""

    def __and__(self, other: "Region") -> "Region":
        return _Pair(self, other, np.logical_and)

    def __or__(self, other: "Region") -> "Region":
        return _Pair(self, other, np.logical_or)

    def holds(self, place: Place) -> np.ndarray:
        """Tokens that may lie in it whatever the features are, (n_tokens,) bool."""
        raise NotImplementedError

    def leaves(self) -> "tuple[Region, ...]":
        """The regions that it is combined from."""
        return (self,)

    def narrow(self, mask_of: "Callable[[Region], Mask]") -> Mask:
        """Tokens that lie in it, once it is known which lie in each of its leaves."""
        return mask_of(self)


@dataclass(frozen=True, eq=False, repr=False)
class _Pair(Region):
    """Tokens that lie in both of two regions, or in either."""

    first: Region
    second: Region
    how: np.ufunc

    def __post_init__(self) -> None:
        for part in (self.first, self.second):
            if not isinstance(part, Region):
                raise UserError("a region", "regions on both sides of & and |", repr(part), "combine regions alone")

    def __repr__(self) -> str:
        return f"({self.first!r} {'&' if self.how is np.logical_and else '|'} {self.second!r})"

    def holds(self, place: Place) -> np.ndarray:
        return self.how(self.first.holds(place), self.second.holds(place))

    def leaves(self) -> tuple[Region, ...]:
        return self.first.leaves() + self.second.leaves()

    def narrow(self, mask_of: Callable[[Region], Mask]) -> Mask:
        return self.how(self.first.narrow(mask_of), self.second.narrow(mask_of))


@dataclass(frozen=True, eq=False)
class Everywhere(Region):
    """All tokens; what an edit without a region has."""

    def holds(self, place: Place) -> np.ndarray:
        """See `Region`."""
        return place.area_n > 0


@dataclass(frozen=True, eq=False)
class Disk(Region):
    """Tokens whose centre lies within a distance of a point, great circle.

    Attributes:
        lat: degrees north.
        lon: degrees east, negative west.
        km: the distance.
    """

    lat: float
    lon: float
    km: float

    def __post_init__(self) -> None:
        """Refuse a point off the globe, or no distance."""
        _check_numbers("Disk", self.lat, self.lon, self.km)
        _check_latitudes("Disk", self.lat)
        _check_longitudes("Disk", self.lon)
        most = np.pi * RADIUS_M / 1000
        if not 0 < self.km <= most:
            raise UserError("Disk", f"km above 0, up to {most:.0f}, the other side of the globe", str(self.km), "give the radius in km")

    def holds(self, place: Place) -> np.ndarray:
        """See `Region`."""
        return place.over_levels(disk(place.grid.lat, place.grid.lon, (self.lat, self.lon), self.km)) & (place.area_n > 0)


@dataclass(frozen=True, eq=False)
class Box(Region):
    """Tokens whose centre lies between two latitudes and, going east, between two longitudes, edges included.

    Attributes:
        south: degrees north.
        north: degrees north.
        west: degrees east, negative west.
        east: degrees east; less than `west` where the box crosses the line that longitudes are counted from.
    """

    south: float
    north: float
    west: float
    east: float

    def __post_init__(self) -> None:
        """Refuse latitudes off the globe or in the wrong order."""
        _check_numbers("Box", self.south, self.north, self.west, self.east)
        _check_band("Box", self.south, self.north)
        _check_longitudes("Box", self.west, self.east)
        # Edges in tenths of a degree that are 360 apart are so up to rounding.
        if self.east - self.west > 360.001:
            raise UserError("Box", f"an eastern edge up to 360 degrees from {self.west:g}", f"{self.east:g}", "give south, north, west, east")

    def holds(self, place: Place) -> np.ndarray:
        """See `Region`."""
        rows_y = (place.grid.lat >= self.south) & (place.grid.lat <= self.north)
        wide = self.east - self.west
        # An offset of 360 degrees is none, but a box that wide is all the way around.
        columns_x = (place.grid.lon - self.west) % 360 <= (wide % 360 if wide < 360 else 360)
        return place.over_levels(rows_y[:, None] & columns_x) & (place.area_n > 0)


@dataclass(frozen=True, eq=False)
class Band(Region):
    """Tokens whose centre lies between two latitudes, edges included.

    Attributes:
        south: degrees north.
        north: degrees north.
    """

    south: float
    north: float

    def __post_init__(self) -> None:
        """Refuse latitudes off the globe or in the wrong order."""
        _check_numbers("Band", self.south, self.north)
        _check_band("Band", self.south, self.north)

    def holds(self, place: Place) -> np.ndarray:
        """See `Region`."""
        rows_y = (place.grid.lat >= self.south) & (place.grid.lat <= self.north)
        return place.over_levels(np.broadcast_to(rows_y[:, None], place.plane.shape)) & (place.area_n > 0)


class Levels(Region):
    """Tokens of some latent levels: "surface", "atmos_1", "atmos_2", "atmos_3", or their numbers, 0 to 3.

    The last three are mixtures that Aurora learned; they have no pressure.
    """

    def __init__(self, *levels: str | int) -> None:
        known = {name: at for at, name in enumerate(LATENT_LEVELS)} | {at: at for at in range(len(LATENT_LEVELS))}
        for level in levels:
            if isinstance(level, bool) or not isinstance(level, str | int) or level not in known:
                expected = f"latent levels {', '.join(LATENT_LEVELS)} or 0 to 3"
                raise UserError("Levels", expected, repr(level), nearest(level, LATENT_LEVELS))
        if not levels:
            raise UserError("Levels", f"at least one of {', '.join(LATENT_LEVELS)}", "none", "name the levels")
        self.levels = tuple(sorted({known[level] for level in levels}))

    def __repr__(self) -> str:
        return f"Levels({', '.join(repr(LATENT_LEVELS[at]) for at in self.levels)})"

    def holds(self, place: Place) -> np.ndarray:
        """See `Region`."""
        mask_lyx = np.zeros(place.grid.shape, bool)
        mask_lyx[list(self.levels)] = True
        return mask_lyx.reshape(-1) & (place.area_n > 0)


@dataclass(frozen=True, eq=False, repr=False)
class Labelled(Region):
    """Tokens that have a label.

    Attributes:
        mask_yx: cells that have it, (lat, lon) bool or numbers, on the grid of Aurora's input.
        is_line: whether it is a line or a point, which a token has as soon as one of its cells does; else half of its area must.
        name: of the label, for messages.
        time: when it is so, for messages.
    """

    mask_yx: np.ndarray
    is_line: bool = False
    name: str = "mask"
    time: str = ""

    def __post_init__(self) -> None:
        """Refuse a mask that is no plane."""
        if np.ndim(self.mask_yx) != 2:
            raise UserError("Labelled", "a mask (lat, lon)", f"{np.ndim(self.mask_yx)} dimensions", "give one label at one time")

    def __repr__(self) -> str:
        when = f" at {self.time}" if self.time else ""
        return f"Labelled({self.name}{when}: {np.count_nonzero(self.mask_yx)} of {np.size(self.mask_yx)} cells)"

    @classmethod
    def read(cls, folder: Path | str, label: str, time: str) -> "Labelled":
        """A label of the atlas at one time.

        Args:
            folder: where days of labels lie, `results/scratch/labels` of a run.
            label: such as "dust", by formula or of one's own.
            time: `YYYY-MM-DDTHH:00:00Z`.

        Raises:
            UserError: the day has not been made or is damaged, or has no such label or time.
        """
        from aurorascope.labels.all import LABELS
        from aurorascope.labels.read import read_day

        if not isinstance(time, str) or not re.match(r"\d{4}-\d\d-\d\d", time):
            raise UserError("Labelled.read, time", "YYYY-MM-DDTHH:00:00Z", repr(time), "give a time of the run's dates")
        folder = Path(folder)
        # Where a run has made no labels, the command that makes them is told; it helps nobody elsewhere.
        is_of_run = folder.parts[-2:] == ("scratch", "labels") and folder.parents[1].is_dir()
        if not is_of_run and not any(folder.glob("????-??-??.json")):
            found = "a folder without any" if folder.is_dir() else "no such folder"
            fix = f"give results/scratch/labels of a clone; a relative path is looked for in {Path.cwd()}"
            raise UserError(folder, "the days of labels of a run", found, fix)
        mask_yx = read_day(folder, time[:10]).read(label, time)[0]
        return cls(mask_yx > 0, label in LABELS and "line_km" in LABELS[label].thresholds, label, time)

    def holds(self, place: Place) -> np.ndarray:
        """See `Region`."""
        mask_yx, plane = np.asarray(self.mask_yx) != 0, place.plane
        if not plane.n_lat <= len(mask_yx) < plane.n_lat + PATCH or mask_yx.shape[1] != plane.n_lon:
            raise UserError(
                "Labelled", f"a mask on the input's grid, {plane.n_lat} x {plane.n_lon} cells (or the rows that Aurora drops, too)",
                " x ".join(map(str, mask_yx.shape)), "give the label on the grid of the batch",
            )
        found = parts_of(mask_yx[None], mask_yx[None].astype(np.uint16), plane, plane.col_of_cells(), [self.is_line])[0]
        mask_p = np.zeros(plane.n, bool)
        mask_p[found.token[found.kind == ON]] = True
        return place.over_levels(mask_p.reshape(plane.shape)) & (place.area_n > 0)


@dataclass(frozen=True, eq=False)
class Active(Region):
    """Tokens where a feature is on.

    Attributes:
        features: features as edits take them, any of which must be on; None for each edited feature where it is on itself.
    """

    features: object = None

    def holds(self, place: Place) -> np.ndarray:
        """See `Region`: all tokens, until their features are known."""
        return place.area_n > 0


_ORDER = {"Disk": "latitude, then longitude", "Box": "south, north, west, east", "Band": "south and north"}


def _check_numbers(name: str, *values: object) -> None:
    # Also scalars of NumPy and xarray, as coordinates of a dataset are.
    if not all(np.ndim(value) == 0 and np.issubdtype(np.asarray(value).dtype, np.number) for value in values):
        raise UserError(name, "numbers", ", ".join(map(repr, values)), f"give {_ORDER[name]}, in degrees{', then km' * (name == 'Disk')}")


def _check_latitudes(name: str, *latitudes: float) -> None:
    if not all(-90 <= lat <= 90 for lat in latitudes):
        raise UserError(name, "latitudes from -90 to 90", ", ".join(map(str, latitudes)), f"give {_ORDER[name]}, in degrees")


def _check_band(name: str, south: float, north: float) -> None:
    _check_latitudes(name, south, north)
    if south > north:
        raise UserError(name, "the southern latitude first", f"{south}, {north}", "exchange them")


def _check_longitudes(name: str, *longitudes: float) -> None:
    if not np.isfinite(longitudes).all() or min(longitudes) < -360 or max(longitudes) > 720:
        raise UserError(name, "longitudes in degrees, from -360 to 720", ", ".join(map(str, longitudes)), "give degrees east")
