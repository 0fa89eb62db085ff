"""Labels of many snapshots, from the input grid to the tokens of a block."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aurorascope.atlas.parts import NOT_COUNTED, ON, Parts, parts_of
from aurorascope.atlas.plane import Plane, mean_field
from aurorascope.atlas.scratch import Spool, spans
from aurorascope.errors import UserError

# Cells and turns whose parts are found at once.
_CELLS = 1 << 20


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
        most_parts: of one label in one snapshot, at whatever shift; there with it.
        most_objects: of one label in one snapshot; there with it.
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
        self._moved: tuple[int, np.ndarray] | None = None
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
        cells = np.cumsum([np.count_nonzero(mask_yx) for mask_yx in labels.mask]) * len(self._turns)
        for some in np.split(np.arange(n), np.flatnonzero(np.diff(cells // _CELLS)) + 1):
            self._add_parts(at, slice(some[0], some[-1] + 1), labels)
        self._n_added += 1
        if self._n_added == len(self.times):
            self._parts = Parts(*(np.asarray(spool.array()) for spool in self._spools))
            self._object_area = np.asarray(self._areas.array())
            self.most_parts, self.most_objects = (
                int((ends[..., 1] - ends[..., 0]).max(initial=0)) for ends in (self._part_utl2, self._object_tl2)
            )
            self.field_tlp = self._fields.array().reshape(len(self.times), n, self.plane.n)

    def _add_parts(self, at: int, some: slice, labels: GridLabels) -> None:
        """Add the parts of some neighbouring labels of a snapshot."""
        parts, ends, area_o, n_objects_l = parts_of(
            labels.mask[some], labels.object[some], self.plane, self._col_x, self._is_line[some], self._turns
        )
        ends_lu2 = np.stack([ends[:-1], ends[1:]], axis=1).reshape(len(n_objects_l), len(self._turns), 2)
        self._part_utl2[:, at, some] = ends_lu2.transpose(1, 0, 2) + self._spools[0].size
        # A whole shift keeps the row, and so a token's area.
        area = self.plane.area_p[parts.token]
        for side, kind in enumerate((ON, NOT_COUNTED)):
            so_far = np.concatenate([[0], np.cumsum(np.where(parts.kind == kind, area, 0))])
            self._area_utl2[:, at, some, side] = np.diff(so_far[ends]).reshape(len(n_objects_l), -1).T
        last_l = self._areas.size + np.cumsum(n_objects_l)
        self._object_tl2[at, some] = np.stack([last_l - n_objects_l, last_l], axis=1)
        for spool, name in zip(self._spools, ("token", "object", "area", "kind"), strict=True):
            spool.append(getattr(parts, name))
        self._areas.append(area_o)

    def of(self, label: int, cells: int = 0) -> LabelParts:
        """One label, shifted eastwards by so many columns of cells; the shift is whole, or one of those asked for."""
        turn = self._turn(cells)
        token_of = self._token_of(cells // self.plane.width if cells and turn == 0 else 0)
        return LabelParts(self._parts, self._part_utl2[turn, :, label], self._object_area, self._object_tl2[:, label], token_of)

    def parts(self, label: int, snapshots: np.ndarray, cells: int = 0) -> tuple[Parts, np.ndarray]:
        """Parts of one label in some snapshots, one after the other, and how many each has; their tokens before a whole shift."""
        part_s2 = self.of(label, cells).part_s2[snapshots]
        counts = part_s2[:, 1] - part_s2[:, 0]
        return self._parts.at(spans(part_s2[:, 0], counts)), counts

    def parts_at(self, snapshot: int) -> tuple[Parts, np.ndarray]:
        """Parts of all labels in one snapshot, as they are, one label after the other, and how many each has."""
        first, last = self._part_utl2[0, snapshot].T
        return self._parts.at(spans(first, last - first)), last - first

    def n_objects(self, label: int, snapshots: np.ndarray) -> np.ndarray:
        """Objects of one label in each of some snapshots."""
        first, last = self._object_tl2[snapshots, label].T
        return last - first

    def areas(self, label: int, snapshots: np.ndarray, cells: int = 0) -> tuple[int, int]:
        """Area over some snapshots' planes where a label is on, and where it is not counted."""
        on, not_counted = self._area_utl2[self._turn(cells), snapshots, label].sum(axis=0).tolist()
        return on, not_counted

    def _token_of(self, columns: int) -> np.ndarray:
        """Where each token lies after a shift by whole columns of tokens, (tokens,) int64; the one that was asked for last is kept."""
        if self._moved is None or self._moved[0] != columns:
            token_yx = np.arange(self.plane.n).reshape(self.plane.shape)
            self._moved = columns, np.roll(token_yx, -columns, axis=1).reshape(-1)
        return self._moved[1]

    def _turn(self, cells: int) -> int:
        """Which of the turns that parts were found for a shift takes its parts from."""
        return 0 if _is_whole(cells, self.plane) else self._turns.index(cells)


def _is_whole(cells: int, plane: Plane) -> bool:
    """Whether a shift moves all tokens onto tokens."""
    return cells == 0 or (plane.width > 0 and cells % plane.width == 0)
