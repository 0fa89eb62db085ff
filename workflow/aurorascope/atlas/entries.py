"""Features that are on, token by token, encoded once and kept in files that live as long as the job.

An entry is a feature and its value, float16 in units of a power of two. A label is on for few tokens, so entries lie by tokens:
what a label needs of them is a row of each. Signed features are two, 2 j for the positive values of j and 2 j + 1 for the
negative ones.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aurorascope.atlas.bins import Bins
from aurorascope.atlas.scratch import Spool
from aurorascope.features.forward import Features
from aurorascope.sae.active import Active

# Entries whose bins are looked up at once.
_AT_ONCE = 1 << 22
_LARGEST, _SMALLEST = np.float16(65504), np.float16(2.0**-24)


@dataclass(frozen=True)
class Rows:
    """The entries of some tokens of a snapshot.

    Attributes:
        ends: (tokens + 1,) int64, where each token's entries begin, and the last ones end.
        feature: of each entry.
        value: of each entry, float16.
    """

    ends: np.ndarray
    feature: np.ndarray
    value: np.ndarray


@dataclass(frozen=True)
class Coded:
    """All entries of all snapshots, as they lie on the disk.

    Attributes:
        feature: of each entry.
        code: bin of each, uint8 or uint16.
        row_end: where the entries of each row of tokens begin and the last ones end, from the snapshot's first one; int64.
        first_s2: (snapshots, 2) int64, first entry and first row's end of each.
    """

    feature: np.ndarray
    code: np.ndarray
    row_end: np.ndarray
    first_s2: np.ndarray


class Entries:
    """Entries of many snapshots of one block.

    Args:
        n_features: features, signs counted apart.
        n_levels: latent levels of a snapshot.
        n_plane: tokens of one level.
        n_snapshots: snapshots there will be.
        folder: for scratch files.
        scale: power of two that values are divided by.

    Attributes:
        peak_sf: (snapshots, features) float16, each feature's largest value in each snapshot.
        n_clipped: values that were too large for float16.
    """

    def __init__(
        self, n_features: int, n_levels: int, n_plane: int, n_snapshots: int, folder: Path, scale: float = 1.0
    ) -> None:
        self.n_features, self.n_levels, self.n_plane, self.scale = n_features, n_levels, n_plane, scale
        kind = np.uint16 if n_features <= 1 << 16 else np.int32
        self._feature, self._value, self._ends = Spool(folder, kind), Spool(folder, np.float16), Spool(folder, np.int64)
        # First entry of each snapshot, first of its rows' ends, and how many entries.
        self._where = np.full((n_snapshots, 3), -1, np.int64)
        self.peak_sf = np.zeros((n_snapshots, n_features), np.float16)
        self.n_clipped = 0
        self._folder = folder
        self._codes: tuple[Bins, Spool] | None = None

    @property
    def n_tokens(self) -> int:
        """Tokens of one snapshot."""
        return self.n_levels * self.n_plane

    def add(self, snapshot: int, count_n: np.ndarray, feature: np.ndarray, value: np.ndarray) -> None:
        """Add a whole snapshot, in any order of snapshots.

        Args:
            snapshot: its place.
            count_n: entries of each token, level outermost.
            feature: of each entry, token by token.
            value: of each entry, above 0; float16 is in units of `scale` already.
        """
        half = self._half(value)
        self._where[snapshot] = self._feature.size, self._ends.size, len(feature)
        np.maximum.at(self.peak_sf[snapshot].view(np.uint16), feature, half.view(np.uint16))
        ends = np.concatenate([[0], np.cumsum(count_n, dtype=np.int64)])
        for spool, values in ((self._feature, feature), (self._value, half), (self._ends, ends)):
            spool.append(values)

    def _half(self, value: np.ndarray) -> np.ndarray:
        if value.dtype == np.float16:
            return value
        scaled = value.astype(np.float32) / np.float32(self.scale)
        self.n_clipped += int(np.count_nonzero(scaled > _LARGEST))
        return np.clip(scaled, _SMALLEST, _LARGEST).astype(np.float16)

    def add_features(self, snapshot: int, parts: Iterable[Features], signed: bool) -> None:
        """Add a snapshot's features as they were encoded, rows after rows."""
        found = []
        for part in parts:
            count, feature, value = active_entries(part, signed)
            found.append((count.astype(np.int32), feature.astype(self._feature.dtype), self._half(value)))
        self.add(snapshot, *(np.concatenate(column) for column in zip(*found, strict=True)))

    def snapshots(self, places: np.ndarray) -> Iterator[Rows]:
        """The entries of each of some snapshots."""
        for place in places.tolist():
            yield self.rows(place, 0, self.n_tokens)

    def rows(self, snapshot: int, first: int, last: int) -> Rows:
        """The entries of neighbouring tokens of one snapshot, from `first` up to `last`."""
        at, row, _ = self._where[snapshot]
        ends = self._ends.array()[row + first : row + last + 1]
        here = slice(at + ends[0], at + ends[-1])
        return Rows(ends - ends[0], self._feature.array()[here], self._value.array()[here])

    def peaks(self, snapshots: np.ndarray) -> np.ndarray:
        """Largest value of each feature over some snapshots, (features,) float16; 0 where it is never on."""
        return self.peak_sf[snapshots].max(axis=0, initial=np.float16(0))

    def n_of(self, snapshots: np.ndarray) -> np.ndarray:
        """Entries of each of some snapshots, int64."""
        return self._where[snapshots, 2]

    def coded(self, bins: Bins) -> Coded:
        """All entries with their bins, which are looked up once."""
        feature, value = np.asarray(self._feature.array()), self._value.array()
        if self._codes is None or self._codes[0] is not bins or self._codes[1].size != len(value):
            spool = Spool(self._folder, np.uint8 if bins.n <= 1 << 8 else np.uint16)
            for first in range(0, len(value), _AT_ONCE):
                spool.append(bins.codes(value[first : first + _AT_ONCE], feature[first : first + _AT_ONCE]))
            self._codes = bins, spool
        return Coded(feature, np.asarray(self._codes[1].array()), np.asarray(self._ends.array()), self._where[:, :2])


def active_entries(features: Features, signed: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Entries of encoded tokens: how many each token has, feature and value of each, signs told apart where they count."""
    if isinstance(features, Active):
        count, feature, value = np.diff(features.ends), features.columns.astype(np.int64), features.values.numpy()
    else:
        h_nf = features.cpu().numpy()
        # Of one dimension and of truth values it is several times as fast as of a matrix of numbers.
        place = np.flatnonzero(h_nf != 0)
        row, feature = np.divmod(place, h_nf.shape[1])
        count, value = np.bincount(row, minlength=len(h_nf)), h_nf.reshape(-1)[place]
    if signed:
        return count, 2 * feature + (value < 0), np.abs(value)
    on = value > 0
    if not on.all():
        count = np.bincount(np.repeat(np.arange(len(count)), count)[on], minlength=len(count))
        feature, value = feature[on], value[on]
    return count, feature, value
