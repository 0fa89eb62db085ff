"""Labels, from the input grid to the tokens of a block: which tokens have a label, and which parts of an object each holds.

The four latent levels lie over the same cells and share one plane of tokens. All areas are whole numbers, in the unit of the
cell areas that are given (2^-32 of the sphere), so that shares are compared and summed without rounding.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aurorascope.atlas.scratch import Spool, spans
from aurorascope.errors import UserError
from aurorascope.tokens import TokenGrid

# Class of a token for a label. OFF is not stored but for parts of objects that lie in such tokens.
OFF, ON, NOT_COUNTED = 0, 1, 2
# Keys that there could be for each that there is, up to which they are counted in a table.
_TABLE = 32


@dataclass(frozen=True)
class GridLabels:
    """Labels of one snapshot on the input grid.

    Attributes:
        mask: (label, lat, lon) uint8, 1 where the label holds.
        object: (label, lat, lon) uint16, number of the cell's object; cells of the mask with 0 are one object together.
        field: (label, lat, lon) float32 that goes with the label, NaN where it has none.
    """

    mask: np.ndarray
    object: np.ndarray
    field: np.ndarray


@dataclass(frozen=True)
class Plane:
    """The cells under each token of a block's plane.

    Attributes:
        n_levels: latent levels over the plane.
        shape: (rows, columns).
        row_starts: first cell row of each token row.
        col_starts: first cell column of each token column.
        n_lat: cell rows that are under a token at all.
        n_lon: cell columns.
        area_y: (n_lat,) int64, area of a cell of each row.
        area_p: (rows * columns,) int64, area of each token's real cells; 0 for one that is padding alone.
    """

    n_levels: int
    shape: tuple[int, int]
    row_starts: np.ndarray
    col_starts: np.ndarray
    n_lat: int
    n_lon: int
    area_y: np.ndarray
    area_p: np.ndarray

    @classmethod
    def of(cls, grid: TokenGrid, area_y: np.ndarray) -> "Plane":
        """From a block's token grid and the areas of the input grid's cells, integers, (lat,)."""
        n_lat, n_lon = int(grid.row_cells.sum()), int(grid.col_cells.sum())
        rows, cols = (np.cumsum(cells) - cells for cells in (grid.row_cells, grid.col_cells))
        area_y = np.asarray(area_y)
        if not np.issubdtype(area_y.dtype, np.integer) or len(area_y) < n_lat:
            raise UserError("areas of cells", f"integers for {n_lat} rows", f"{area_y.dtype} for {len(area_y)}", "give cell areas")
        area_y = area_y[:n_lat].astype(np.int64)
        area_yx = np.repeat(area_y[:, None], n_lon, axis=1)
        plane = cls(grid.n_levels, grid.shape[1:], rows, cols, n_lat, n_lon, area_y, np.zeros(0, np.int64))
        return dataclasses.replace(plane, area_p=plane.total(area_yx).reshape(-1))

    @property
    def n(self) -> int:
        """Tokens of the plane."""
        return self.shape[0] * self.shape[1]

    def total(self, values_yx: np.ndarray) -> np.ndarray:
        """Sum of cells' values over each token, (..., lat, lon) -> (..., rows, columns)."""
        by_row = np.add.reduceat(values_yx[..., : self.n_lat, :], self.row_starts, axis=-2)
        return np.add.reduceat(by_row, self.col_starts, axis=-1)

    def col_of_cells(self) -> np.ndarray:
        """Column of tokens of each column of cells, (lon,) int64."""
        return np.searchsorted(self.col_starts, np.arange(self.n_lon), "right") - 1

    @property
    def width(self) -> int:
        """Columns of cells under a token, where all have as many; else 0."""
        widths = np.diff([*self.col_starts, self.n_lon])
        return int(widths[0]) if (widths == widths[0]).all() else 0


@dataclass(frozen=True)
class Parts:
    """What some objects hold of tokens: one entry a token and object, in the order of tokens, snapshot after snapshot.

    Attributes:
        token: place in the plane, int32.
        object: number of the object, from 0 within a snapshot, int32.
        area: of the object in the token, int64.
        kind: uint8, class of the token at its first part; `OFF` at its others.
    """

    token: np.ndarray
    object: np.ndarray
    area: np.ndarray
    kind: np.ndarray

    def at(self, places: np.ndarray) -> "Parts":
        """Some of them."""
        return Parts(self.token[places], self.object[places], self.area[places], self.kind[places])


def parts_of(
    mask_yx: np.ndarray, object_yx: np.ndarray, plane: Plane, col_x: np.ndarray, is_line: bool, turns: Sequence[int] = (0,)
) -> tuple[Parts, np.ndarray]:
    """One label's parts in one snapshot, turn after turn, and where each turn's begin, with the end.

    A token is on where at least half of its area has the label, off below a tenth, else not counted; of a line or point
    label it is on wherever it has any of it.

    Args:
        mask_yx: (lat, lon), 1 where the label holds.
        object_yx: (lat, lon), number of each cell's object.
        plane: tokens of the block.
        col_x: (lon,), column of tokens that each column of cells is in.
        is_line: whether it is a line or point label.
        turns: columns of cells that the label is shifted eastwards by.
    """
    row_i, x_i = np.nonzero(mask_yx[: plane.n_lat])
    token_row = (np.searchsorted(plane.row_starts, row_i, "right") - 1) * plane.shape[1]
    object_i, n_objects = _places(object_yx[row_i, x_i])
    token_ui = token_row + col_x[(x_i + np.asarray(turns)[:, None]) % len(col_x)]
    key_ui = (np.arange(len(turns))[:, None] * plane.n + token_ui) * n_objects + object_i
    pairs, area = _totals(key_ui.reshape(-1), np.tile(plane.area_y[row_i], len(turns)), len(turns) * plane.n * n_objects)
    token, object_ = np.divmod(pairs, n_objects)
    at = np.flatnonzero(np.diff(token, prepend=-1))
    held = np.add.reduceat(area, at) if len(at) else area
    whole = plane.area_p[token[at] % plane.n]
    kind = np.zeros(len(pairs), np.uint8)
    kind[at] = ON if is_line else np.where(2 * held >= whole, ON, np.where(10 * held >= whole, NOT_COUNTED, OFF))
    turn, token = np.divmod(token, plane.n)
    parts = Parts(token.astype(np.int32), object_.astype(np.int32), area, kind)
    return parts, np.searchsorted(turn, np.arange(len(turns) + 1))


def _places(numbers_i: np.ndarray) -> tuple[np.ndarray, int]:
    """Place of each number among those that there are, in their order, and how many there are, at least 1."""
    is_there = np.zeros(int(numbers_i.max(initial=0)) + 1, bool)
    is_there[numbers_i] = True
    place = np.cumsum(is_there) - 1
    return place[numbers_i], max(1, int(place[-1]) + 1 if len(numbers_i) else 1)


def _totals(key_i: np.ndarray, area_i: np.ndarray, n_keys: int) -> tuple[np.ndarray, np.ndarray]:
    """The keys that there are, ascending, and the area of each, int64."""
    # Sums of whole numbers below 2^53, exact. A table of all keys is quicker than sorting while it is small.
    if n_keys <= _TABLE * (len(key_i) + 1):
        total = np.bincount(key_i, area_i, n_keys)
        keys = np.flatnonzero(total)
        return keys, total[keys].astype(np.int64)
    keys, place = np.unique(key_i, return_inverse=True)
    return keys, np.bincount(place.reshape(-1), area_i, len(keys)).astype(np.int64)


def mean_field(field_yx: np.ndarray, plane: Plane) -> np.ndarray:
    """Area-weighted mean of a field over each token's cells that have a value, (..., rows * columns) float32; NaN for none."""
    values = np.asarray(field_yx[..., : plane.n_lat, :], np.float64)
    area, is_missing = plane.area_y[:, None].astype(np.float64), np.isnan(values)
    total, held = plane.total(np.where(is_missing, 0.0, values) * area), plane.total(np.where(is_missing, 0.0, area))
    mean = np.divide(total, held, out=np.full(total.shape, np.nan), where=held > 0)
    return mean.reshape(*mean.shape[:-2], -1).astype(np.float32)


@dataclass(frozen=True)
class LabelParts:
    """One label, as it is or shifted, in all snapshots.

    Attributes:
        parts: of all labels and snapshots.
        part_s2: (times, 2) int64, from and up to which part each snapshot's lie.
        object_area: int64, of the objects of all labels and snapshots.
        object_s2: (times, 2) int64, from and up to which object.
        token_of: (tokens of the plane,) int64, where a part of a token lies.
    """

    parts: Parts
    part_s2: np.ndarray
    object_area: np.ndarray
    object_s2: np.ndarray
    token_of: np.ndarray


class TokenLabels:
    """Labels of many snapshots on the tokens of one block, in files that live as long as the job.

    A shift by whole tokens, where all are as wide, moves parts from token to token; any other takes other parts, which are found
    for the shifts that are asked for, since a cell under one token comes to lie under another.

    Attributes:
        ids: of the labels, in order.
        plane: the tokens.
        times: of the snapshots, in order.
        field_tlp: (times, labels, tokens of the plane) float32; there once all snapshots have been added.
    """

    def __init__(
        self, ids: Sequence[str], plane: Plane, times: Sequence[str], folder: Path, lines: Iterable[str] = (), shifts: Sequence[int] = ()
    ) -> None:
        """Prepare files for what `add` is given.

        Args:
            ids: of the labels, in the order of the arrays.
            plane: tokens of the block.
            times: of the snapshots, ascending.
            folder: for scratch files.
            lines: ids of labels that are lines or points.
            shifts: columns of cells that labels will be shifted eastwards by.
        """
        self.ids, self.plane, self.times = tuple(ids), plane, tuple(times)
        self._turns = (0, *(shift for shift in shifts if not _is_whole(shift, plane)))
        self._is_line, self._col_x, self._n_added = [name in set(lines) for name in ids], plane.col_of_cells(), 0
        self._spools = [Spool(folder, kind) for kind in (np.int32, np.int32, np.int64, np.uint8)]
        self._fields, self._areas = Spool(folder, np.float32), Spool(folder, np.int64)
        self._part_utl2 = np.zeros((len(self._turns), len(self.times), len(self.ids), 2), np.int64)
        self._object_tl2 = np.zeros((len(self.times), len(self.ids), 2), np.int64)
        # Area on, and area not counted.
        self._area_utl2 = np.zeros((len(self._turns), len(self.times), len(self.ids), 2), np.int64)

    def add(self, labels: GridLabels) -> None:
        """Add the labels of the next snapshot.

        Raises:
            UserError: they are more or fewer than there are ids.
        """
        at, n = self._n_added, len(self.ids)
        if len(labels.mask) != n:
            raise UserError(f"labels of {self.times[at]}", f"{n} labels", str(len(labels.mask)), "make the labels again")
        self._fields.append(mean_field(labels.field, self.plane).reshape(-1))
        parts, areas, first, n_objects = [], [], self._spools[0].size, self._areas.size
        for place, is_line in enumerate(self._is_line):
            found, ends = parts_of(labels.mask[place], labels.object[place], self.plane, self._col_x, is_line, self._turns)
            parts.append(found)
            self._part_utl2[:, at, place] = np.stack([ends[:-1], ends[1:]], axis=1) + first
            # A whole shift keeps the row, and so a token's area.
            area = self.plane.area_p[found.token]
            for side, kind in enumerate((ON, NOT_COUNTED)):
                so_far = np.concatenate([[0], np.cumsum(np.where(found.kind == kind, area, 0))])
                self._area_utl2[:, at, place, side] = np.diff(so_far[ends])
            first += int(ends[-1])
            areas.append(np.bincount(found.object[: ends[1]], found.area[: ends[1]]).astype(np.int64))
            self._object_tl2[at, place] = n_objects, n_objects + len(areas[-1])
            n_objects += len(areas[-1])
        for spool, name in zip(self._spools, ("token", "object", "area", "kind"), strict=True):
            spool.append(np.concatenate([getattr(each, name) for each in parts]))
        self._areas.append(np.concatenate(areas))
        self._n_added += 1
        if self._n_added == len(self.times):
            self._parts = Parts(*(np.asarray(spool.array()) for spool in self._spools))
            self._object_area = np.asarray(self._areas.array())
            self.field_tlp = self._fields.array().reshape(len(self.times), n, self.plane.n)

    def of(self, label: int, cells: int = 0) -> LabelParts:
        """One label, shifted eastwards by so many columns of cells; the shift is whole, or one of those asked for."""
        rows, columns = self.plane.shape
        token_of, turn = np.arange(self.plane.n), self._turn(cells)
        if cells and turn == 0:
            token_of = np.roll(token_of.reshape(rows, columns), -(cells // self.plane.width), axis=1).reshape(-1)
        return LabelParts(self._parts, self._part_utl2[turn, :, label], self._object_area, self._object_tl2[:, label], token_of)

    def parts(self, label: int, snapshots: np.ndarray, cells: int = 0) -> tuple[Parts, np.ndarray]:
        """Parts of one label in some snapshots, one after the other, and how many each has; their tokens before a whole shift."""
        part_s2 = self.of(label, cells).part_s2[snapshots]
        counts = part_s2[:, 1] - part_s2[:, 0]
        return self._parts.at(spans(part_s2[:, 0], counts)), counts

    def n_objects(self, label: int, snapshots: np.ndarray) -> np.ndarray:
        """Objects of one label in each of some snapshots."""
        return np.diff(self._object_tl2[snapshots, label], axis=1)[:, 0]

    def areas(self, label: int, snapshots: np.ndarray, cells: int = 0) -> tuple[int, int]:
        """Area over some snapshots' planes where a label is on, and where it is not counted."""
        on, not_counted = self._area_utl2[self._turn(cells), snapshots, label].sum(axis=0).tolist()
        return on, not_counted

    def _turn(self, cells: int) -> int:
        """Which of the turns that parts were found for a shift takes its parts from."""
        return 0 if _is_whole(cells, self.plane) else self._turns.index(cells)


def _is_whole(cells: int, plane: Plane) -> bool:
    """Whether a shift moves all tokens onto tokens."""
    return cells == 0 or (plane.width > 0 and cells % plane.width == 0)
