"""Labels, from the input grid to the tokens of a block: which tokens have a label, and which parts of an object each holds.

The four latent levels lie over the same cells and share one plane of tokens. All areas are whole numbers, in the unit of the
cell areas that are given (2^-32 of the sphere), so that shares are compared and summed without rounding.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aurorascope.atlas.scratch import Spool, spans
from aurorascope.errors import UserError
from aurorascope.tokens import TokenGrid

# Class of a token for a label. OFF is not stored but for parts of objects that lie in such tokens.
OFF, ON, NOT_COUNTED = 0, 1, 2


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
        area_y: (n_lat,) int64, area of a cell of each row.
        area_p: (rows * columns,) int64, area of each token's real cells; 0 for one that is padding alone.
    """

    n_levels: int
    shape: tuple[int, int]
    row_starts: np.ndarray
    col_starts: np.ndarray
    n_lat: int
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
        plane = cls(grid.n_levels, grid.shape[1:], rows, cols, n_lat, area_y, np.zeros(0, np.int64))
        return cls(grid.n_levels, grid.shape[1:], rows, cols, n_lat, area_y, plane.total(area_yx).reshape(-1))

    @property
    def n(self) -> int:
        """Tokens of the plane."""
        return self.shape[0] * self.shape[1]

    def total(self, values_yx: np.ndarray) -> np.ndarray:
        """Sum of cells' values over each token, (..., lat, lon) -> (..., rows, columns)."""
        by_row = np.add.reduceat(values_yx[..., : self.n_lat, :], self.row_starts, axis=-2)
        return np.add.reduceat(by_row, self.col_starts, axis=-1)

    def of_cells(self, n_lon: int) -> np.ndarray:
        """Token of each cell, (n_lat, lon) int64."""
        row_y = np.searchsorted(self.row_starts, np.arange(self.n_lat), "right") - 1
        col_x = np.searchsorted(self.col_starts, np.arange(n_lon), "right") - 1
        return row_y[:, None] * self.shape[1] + col_x[None, :]


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


def parts_of(mask_yx: np.ndarray, object_yx: np.ndarray, plane: Plane, token_yx: np.ndarray, is_line: bool) -> Parts:
    """One label's parts in one snapshot.

    A token is on where at least half of its area has the label, off below a tenth, else not counted; of a line or point
    label it is on wherever it has any of it.
    """
    where = np.nonzero(mask_yx[: plane.n_lat])
    token, cell_area = token_yx[where], plane.area_y[where[0]]
    numbers, object_ = np.unique(object_yx[where], return_inverse=True)
    key = token * max(1, len(numbers)) + object_
    pairs, place = np.unique(key, return_inverse=True)
    # Whole numbers below 2^53.
    area = np.bincount(place, cell_area, len(pairs)).astype(np.int64)
    token, object_ = np.divmod(pairs, max(1, len(numbers)))
    first, at = np.unique(token, return_index=True)
    kind = np.zeros(len(pairs), np.uint8)
    held = np.add.reduceat(area, at) if len(at) else area
    whole = plane.area_p[first]
    kind[at] = ON if is_line else np.where(2 * held >= whole, ON, np.where(10 * held >= whole, NOT_COUNTED, OFF))
    return Parts(token.astype(np.int32), object_.astype(np.int32), area, kind)


def mean_field(field_yx: np.ndarray, plane: Plane) -> np.ndarray:
    """Area-weighted mean of a field over each token's cells that have a value, (..., rows * columns) float32; NaN for none."""
    values = np.asarray(field_yx[..., : plane.n_lat, :], np.float64)
    weight = np.where(np.isnan(values), 0.0, plane.area_y[:, None].astype(np.float64))
    total, held = plane.total(np.nan_to_num(values) * weight), plane.total(weight)
    mean = np.divide(total, held, out=np.full(total.shape, np.nan), where=held > 0)
    return mean.reshape(*mean.shape[:-2], -1).astype(np.float32)


class TokenLabels:
    """Labels of many snapshots on the tokens of one block, in files that live as long as the job.

    Attributes:
        ids: of the labels, in order.
        plane: the tokens.
        times: of the snapshots, in order.
        object_ends: per label, (times + 1,) int64: where each snapshot's objects begin among `object_area`.
        object_area: per label, int64.
        field_tlp: (times, labels, tokens of the plane) float32.
    """

    def __init__(
        self, ids: Sequence[str], plane: Plane, times: Sequence[str], read: Callable[[str], GridLabels], folder: Path,
        lines: Iterable[str] = (),
    ) -> None:
        """Read every snapshot once.

        Args:
            ids: of the labels, in the order of the arrays.
            plane: tokens of the block.
            times: of the snapshots, ascending.
            read: labels of a time.
            folder: for scratch files.
            lines: ids of labels that are lines or points.
        """
        self.ids, self.plane, self.times = tuple(ids), plane, tuple(times)
        lines, n = set(lines), len(self.ids)
        spools = [[Spool(folder, kind) for kind in (np.int32, np.int32, np.int64, np.uint8)] for _ in self.ids]
        fields, token_yx = Spool(folder, np.float32), None
        ends, areas, n_objects = ([[] for _ in self.ids] for _ in range(3))
        for time in self.times:
            labels = read(time)
            if len(labels.mask) != n:
                raise UserError(f"labels of {time}", f"{n} labels", str(len(labels.mask)), "make the labels again")
            token_yx = plane.of_cells(labels.mask.shape[-1]) if token_yx is None else token_yx
            fields.append(mean_field(labels.field, plane).reshape(-1))
            for place, name in enumerate(self.ids):
                parts = parts_of(labels.mask[place], labels.object[place], plane, token_yx, name in lines)
                for spool, values in zip(spools[place], (parts.token, parts.object, parts.area, parts.kind), strict=True):
                    spool.append(values)
                found = np.bincount(parts.object, parts.area).astype(np.int64)
                ends[place].append(len(parts.token))
                areas[place].append(found)
                n_objects[place].append(len(found))
        self._parts = [Parts(*(spool.array() for spool in each)) for each in spools]
        self._ends = [np.concatenate([[0], np.cumsum(counts)]).astype(np.int64) for counts in ends]
        self.object_ends = [np.concatenate([[0], np.cumsum(counts)]).astype(np.int64) for counts in n_objects]
        self.object_area = [np.concatenate([*found, np.empty(0, np.int64)]) for found in areas]
        self.field_tlp = fields.array().reshape(len(self.times), n, plane.n)

    def parts(self, label: int, snapshots: np.ndarray) -> tuple[Parts, np.ndarray]:
        """Parts of one label in some snapshots, one after the other, and how many each has."""
        ends = self._ends[label]
        counts = ends[snapshots + 1] - ends[snapshots]
        return self._parts[label].at(spans(ends[snapshots], counts)), counts

    def n_objects(self, label: int, snapshots: np.ndarray) -> np.ndarray:
        """Objects of one label in each of some snapshots."""
        ends = self.object_ends[label]
        return ends[snapshots + 1] - ends[snapshots]

    def areas(self, label: int, snapshots: np.ndarray) -> tuple[int, int]:
        """Area over some snapshots' planes where a label is on, and where it is not counted."""
        parts, _ = self.parts(label, snapshots)
        area = self.plane.area_p[parts.token]
        return int(area[parts.kind == ON].sum()), int(area[parts.kind == NOT_COUNTED].sum())
