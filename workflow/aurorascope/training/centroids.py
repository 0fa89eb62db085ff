"""Directions of the k-means centroids of a block's training tokens, from which archetypal dictionaries begin."""

import warnings

import numpy as np
from scipy.cluster.vq import kmeans2

from aurorascope.activations.reader import StoreReader
from aurorascope.errors import UserError
from aurorascope.streams import Stream, generator

_SNAPSHOTS = 16
_TOKENS = 16
_ROUNDS = 10
_LEAST = 1e-12


def find_centroids(reader: StoreReader, mean_d: np.ndarray, n: int, depth_index: int) -> np.ndarray:
    """Directions from the training mean to the centroids of up to 16 tokens each, from 16 snapshots evenly spread, (n, d) float32.

    Lloyd's rounds (scipy's `kmeans2`) from tokens drawn at random, the same ones for every seed of an SAE.

    Raises:
        UserError: fewer tokens than centroids.
    """
    places = np.unique(np.linspace(0, reader.n_snapshots - 1, _SNAPSHOTS).round().astype(int))
    n_tokens = len(places) * reader.n_tokens
    if n_tokens < n:
        raise UserError(
            f"tokens of {len(places)} training snapshots of {reader.manifest['block']}", f"at least {n}, a centroid for each latent",
            str(n_tokens), "lower sae.expansion, or train on more snapshots",
        )
    # A snapshot at a time, of which few tokens are kept: all of them would be many times the memory of the training.
    chosen = _evenly(n_tokens, n)
    of_each = np.split(chosen, np.searchsorted(chosen, reader.n_tokens * np.arange(1, len(places))))
    tokens = [reader.read([place])[0][here % reader.n_tokens] for place, here in zip(places.tolist(), of_each, strict=True)]
    return centroids_of(np.concatenate(tokens).astype(np.float64) - mean_d, n, depth_index)


def _evenly(n_tokens: int, n: int) -> np.ndarray:
    """Places of so many of the tokens as `n` centroids are sought among."""
    return np.linspace(0, n_tokens - 1, min(n_tokens, _TOKENS * n)).round().astype(int)


def centroids_of(tokens_td: np.ndarray, n: int, depth_index: int) -> np.ndarray:
    """As `find_centroids`, of tokens less their mean, (t, d) float64, t at least n."""
    chosen = _evenly(len(tokens_td), n)
    with warnings.catch_warnings():
        # A centroid without tokens stays where it is.
        warnings.filterwarnings("ignore", "One of the clusters is empty", UserWarning)
        found_nd, _ = kmeans2(tokens_td[chosen], n, iter=_ROUNDS, minit="points", rng=generator(Stream.CENTROIDS, depth_index))
    lengths_n1 = np.linalg.norm(found_nd, axis=1, keepdims=True)
    return (found_nd / np.maximum(lengths_n1, _LEAST)).astype(np.float32)
