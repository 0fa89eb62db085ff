"""Which tokens have a label, and which parts of its objects each holds, of many labels and turns at a time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aurorascope.atlas.plane import Plane

# Class of a token for a label. OFF is not stored but for parts of objects that lie in such tokens.
OFF, ON, NOT_COUNTED = 0, 1, 2
# Keys that there could be for each that there is, up to which they are counted in a table.
_TABLE = 32


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
    mask_lyx: np.ndarray, object_lyx: np.ndarray, plane: Plane, col_x: np.ndarray, is_line_l: Sequence[bool], turns: Sequence[int] = (0,)
) -> tuple[Parts, np.ndarray, np.ndarray, np.ndarray]:
    """Parts of some labels in one snapshot, label after label and of each turn after turn.

    A token is on where at least half of its area has the label, off below a tenth, else not counted; of a line or point
    label it is on wherever it has any of it.

    Args:
        mask_lyx: (labels, lat, lon), 1 where the label holds.
        object_lyx: (labels, lat, lon), number of each cell's object.
        plane: tokens of the block.
        col_x: (lon,), column of tokens that each column of cells is in.
        is_line_l: whether each is a line or point label.
        turns: columns of cells that the labels are shifted eastwards by.

    Returns:
        The parts; (labels * turns + 1,) int64, where those of each label and turn begin, with the end; (objects,) int64, area of
        each object, label after label; (labels,) int64, objects of each label.
    """
    (n_rows, n_columns), n_labels, n_x = plane.shape, len(mask_lyx), len(col_x)
    label_i, row_i, x_i = np.nonzero(np.asarray(mask_lyx)[:, : plane.n_lat] != 0)
    object_i, n_objects_l = _places(object_lyx[label_i, row_i, x_i], label_i, n_labels)
    label_o, first_l = np.repeat(np.arange(n_labels), n_objects_l), np.cumsum(n_objects_l) - n_objects_l
    token_row = np.searchsorted(plane.row_starts, row_i, "right") - 1
    # A turn moves whole columns: cells of one object under one row of tokens go together.
    keys, area = _totals((object_i * n_rows + token_row) * n_x + x_i, plane.area_y[row_i], len(label_o) * n_rows * n_x)
    keys, x_k = np.divmod(keys, n_x)
    object_k, row_k = np.divmod(keys, n_rows)
    label_k = label_o[object_k]
    # Label, turn, token and object, each label with as many places as it has objects.
    size_l = len(turns) * plane.n * n_objects_l
    base_l = np.cumsum(size_l) - size_l
    turned_ux = col_x[(np.arange(n_x) + np.asarray(turns)[:, None]) % n_x] + np.arange(len(turns))[:, None] * plane.n
    key_k = base_l[label_k] + row_k * n_columns * n_objects_l[label_k] + object_k - first_l[label_k]
    key_uk = key_k + turned_ux[:, x_k] * n_objects_l[label_k]
    pairs, area = _totals(key_uk.reshape(-1), np.tile(area, len(turns)), int(size_l.sum()))
    label = np.repeat(np.arange(n_labels), np.diff(np.searchsorted(pairs, base_l), append=len(pairs)))
    turn_token, object_ = np.divmod(pairs - base_l[label], n_objects_l[label])
    place = label * len(turns) * plane.n + turn_token
    token = place % plane.n
    at = np.flatnonzero(np.diff(place, prepend=-1))
    held = np.add.reduceat(area, at) if len(at) else area
    whole = plane.area_p[token[at]]
    by_share = np.where(2 * held >= whole, ON, np.where(10 * held >= whole, NOT_COUNTED, OFF))
    kind = np.zeros(len(pairs), np.uint8)
    kind[at] = np.where(np.asarray(is_line_l)[label[at]], ON, by_share)
    parts = Parts(token.astype(np.int32), object_.astype(np.int32), area, kind)
    ends = np.searchsorted(place, np.arange(n_labels * len(turns) + 1) * plane.n)
    areas = np.bincount(object_i, plane.area_y[row_i], len(label_o)).astype(np.int64)
    return parts, ends, areas, n_objects_l


def _places(number_i: np.ndarray, label_i: np.ndarray, n_labels: int) -> tuple[np.ndarray, np.ndarray]:
    """Place of each label's each number, by label and number, among all that there are; and how many each label has, int64."""
    n = int(number_i.max(initial=0)) + 1
    key_i = label_i * n + number_i
    is_there = np.zeros((n_labels, n), bool)
    is_there.reshape(-1)[key_i] = True
    place = np.cumsum(is_there) - 1
    return place[key_i], is_there.sum(axis=1)


def _totals(key_i: np.ndarray, area_i: np.ndarray, n_keys: int) -> tuple[np.ndarray, np.ndarray]:
    """The keys that there are, ascending, and the area of each, int64."""
    # Sums of whole numbers below 2^53, exact. A table of all keys is quicker than sorting while it is small.
    if n_keys <= _TABLE * (len(key_i) + 1):
        total = np.bincount(key_i, area_i, n_keys)
        keys = np.flatnonzero(total)
        return keys, total[keys].astype(np.int64)
    keys, place = np.unique(key_i, return_inverse=True)
    return keys, np.bincount(place.reshape(-1), area_i, len(keys)).astype(np.int64)
