"""Regions as a study describes them: shapes, latent levels and labels, which turn into tokens or cells of one date."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aurorascope.atlas.plane import Plane
from aurorascope.blocks import BLOCKS
from aurorascope.errors import UserError
from aurorascope.interventions.places import Place
from aurorascope.interventions.regions import Band, Box, Disk, Everywhere, Labelled, Levels, Region
from aurorascope.labels.all import LABELS
from aurorascope.labels.read import read_day
from aurorascope.spec import PATCH
from aurorascope.sphere import cell_areas, row_edges
from aurorascope.studies.reading import (
    check_each_once,
    check_keys,
    check_list,
    check_number,
    nearest,
    reads_as_number,
    saying,
)
from aurorascope.tokens import TokenGrid

_SHAPES = {"disk": (Disk, "lat, lon, km"), "box": (Box, "south, north, west, east"), "band": (Band, "south, north")}


@dataclass(frozen=True)
class Where:
    """A region: what lies in all that is given; everywhere where nothing is.

    Attributes:
        disk: degrees north, degrees east, km.
        box: south, north, west, east in degrees.
        band: south, north in degrees.
        levels: latent levels.
        label: a label of the atlas, looked up at each date.
    """

    disk: tuple[float, ...] | None = None
    box: tuple[float, ...] | None = None
    band: tuple[float, ...] | None = None
    levels: tuple[str | int, ...] | None = None
    label: str | None = None

    @classmethod
    def read(cls, where: str, given: Any) -> "Where":
        """From a mapping with some of these keys, or None for everywhere.

        Raises:
            UserError: an unknown key, or a shape that there is not.
        """
        if given is not None and not given:
            raise UserError(where, f"some of {', '.join(cls.__dataclass_fields__)}", "none", "name a region, or leave the key out for everywhere")
        given = check_keys(where, {} if given is None else given, cls.__dataclass_fields__)
        lists = {key: tuple(check_list(f"{where}, {key}", value)) for key, value in given.items() if key != "label"}
        check_each_once(f"{where}, levels", list(lists.get("levels", ())), "level")
        found = cls(**lists, label=given.get("label"))
        found._shapes(where)
        if not (found.label is None or isinstance(found.label, str)):
            raise UserError(f"{where}, label", "a label's name", repr(found.label), "correct it")
        return found

    def _shapes(self, where: str) -> list[Region]:
        found: list[Region] = []
        for key, (shape, words) in _SHAPES.items():
            numbers = getattr(self, key)
            if numbers is None:
                continue
            n = len(words.split(", "))
            if len(numbers) != n or not all(map(reads_as_number, numbers)):
                raise UserError(f"{where}, {key}", f"{n} numbers: {words}", repr(list(numbers)), "correct it")
            with saying(f"{where}, {key}"):
                found.append(shape(*(check_number(f"{where}, {key}", each) for each in numbers)))
        if self.levels is not None:
            with saying(f"{where}, levels"):
                found.append(Levels(*self.levels))
        return found

    def region(self, where: str, time: str, labels: Path | None) -> Region:
        """The region at one date.

        Args:
            where: what messages call it.
            time: `YYYY-MM-DDTHH:00:00Z`.
            labels: folder of days of labels; needed for a label.

        Raises:
            UserError: a label that there is not, or one without a folder.
        """
        parts = self._shapes(where)
        if self.label is not None:
            if labels is None:
                raise UserError(f"{where}, label", "a folder of labels", "none", "give labels=, such as results/scratch/labels")
            parts.append(_labelled(where, labels, self.label, time))
        return functools.reduce(lambda first, second: first & second, parts) if parts else Everywhere()


def read_cells(where: str, given: Mapping[str, Any]) -> Where:
    """The region of cells under the key `region` of an outcome.

    Raises:
        UserError: as of `Where.read`, or it has latent levels, which cells have not.
    """
    found = Where.read(f"{where}, region", given.get("region"))
    if found.levels is not None:
        raise UserError(f"{where}, region", "a region of cells", "latent levels", "leave levels out; level names the variable's own")
    return found


def _labelled(where: str, labels: Path, label: str, time: str) -> Labelled:
    if label not in LABELS:
        known = read_day(labels, time[:10]).labels
        if label not in known:
            raise UserError(f"{where}, label", f"one of {', '.join(known)}", repr(label), nearest(label, known))
    return Labelled.read(labels, label, time)


def cells_of(lat: np.ndarray, lon: np.ndarray) -> Place:
    """The cells of a grid that Aurora predicts, as tokens of one cell and one level, so that regions hold cells.

    Args:
        lat: latitudes of the input, degrees north, decreasing; the rows that Aurora drops are left out.
        lon: longitudes, degrees east.
    """
    lat, lon = np.asarray(lat, np.float64), np.asarray(lon, np.float64)
    n = len(lat) // PATCH * PATCH
    edges = row_edges(lat)
    grid = TokenGrid(1, lat[:n], lon, np.ones(n, int), np.ones(len(lon), int), np.stack([edges[1 : n + 1], edges[:n]], axis=1))
    plane = Plane.of(grid, cell_areas(lat, len(lon)))
    # Regions of cells ask for no block; one has to be named.
    return Place(BLOCKS[0], lat[:n], lon, grid, plane, plane.area_p)
