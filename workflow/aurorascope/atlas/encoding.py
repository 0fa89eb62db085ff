"""One encoding of a split: the autoencoder's features, and the directions that compete with them, become entries."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from aurorascope.activations.feed import Feed
from aurorascope.atlas.entries import Entries
from aurorascope.atlas.linear import Directions
from aurorascope.atlas.plane import Plane
from aurorascope.features.forward import encode
from aurorascope.sae.architectures import RELEASED
from aurorascope.sae.aurora_sae import AuroraSAE

# Tokens encoded at once.
_ROWS = 4096
# The root mean square of a token's distance from the mean is this many units of an entry, so that float16 holds what is 256
# times as large, and what is 2^-32 of it.
_UNITS = 256.0


@dataclass(frozen=True)
class Source:
    """Activations of a split, snapshot by snapshot.

    Attributes:
        times: ISO time of each snapshot, ascending.
        snapshots: activations of some places in the order given, each (tokens, d) float32, level outermost.
    """

    times: Sequence[str]
    snapshots: Callable[[np.ndarray], Iterator[torch.Tensor]]

    @classmethod
    def of(cls, feed: Feed) -> "Source":
        """Of a feed."""
        return cls([snapshot["time"] for snapshot in feed.reader.manifest["snapshots"]], feed.snapshots)


def is_signed(sae: AuroraSAE) -> bool:
    """Whether its features are two each, by sign."""
    return RELEASED[sae.architecture].signed


def scale_of(rms: float) -> float:
    """Unit of entries, a power of two, for activations whose tokens lie so far from their mean."""
    return 2.0 ** round(np.log2(rms / _UNITS)) if rms > 0 else 1.0


def encode_entries(
    sae: AuroraSAE, source: Source, places: np.ndarray, plane: Plane, folder: Path, scale: float,
    directions: Directions | None = None,
) -> tuple[Entries, Entries | None]:
    """Entries of some snapshots, under their places in the source: of the features, and of the directions if there are any.

    Args:
        sae: the autoencoder.
        source: the activations.
        places: which snapshots, in any order.
        plane: tokens of the block.
        folder: for scratch files.
        scale: unit of the entries' values.
        directions: what competes.
    """
    signed, n = is_signed(sae), len(source.times)
    size = (plane.n_levels, plane.n, n, folder, scale)
    entries = Entries(sae.d_hidden * (2 if signed else 1), *size)
    linear = None if directions is None else Entries(directions.n_features, *size)
    with torch.inference_mode():
        for place, x_nd in zip(places.tolist(), source.snapshots(places), strict=True):
            parts = x_nd.split(_ROWS)
            entries.add_features(place, (encode(sae, part) for part in parts), signed)
            if linear is not None:
                linear.add_features(place, (directions.features(part) for part in parts), signed=False)
    return entries, linear


def area_means(entries: Entries, snapshots: np.ndarray, area_p: np.ndarray) -> np.ndarray:
    """Area mean of each feature in each of some snapshots, (snapshots, features) float64, in units of the entries."""
    weight_n = np.tile(area_p / area_p.sum() / entries.n_levels, entries.n_levels)
    found = np.empty((len(snapshots), entries.n_features))
    for place, rows in enumerate(entries.snapshots(snapshots)):
        weight = np.repeat(weight_n, np.diff(rows.ends)) * rows.value
        found[place] = np.bincount(rows.feature, weight, entries.n_features)
    return found
