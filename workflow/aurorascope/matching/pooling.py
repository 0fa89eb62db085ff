"""Features of one snapshot on the coarsest of Aurora's token grids, so that those of all stages lie at the same places.

Each value there is the mean over the tokens under it, weighted with the area of their real cells; latent levels stay apart.
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csr_matrix

from aurorascope.blocks import BLOCKS, Block
from aurorascope.features.forward import Features, encode
from aurorascope.measures.held_out.baselines import row_chunks
from aurorascope.sae.active import Active
from aurorascope.sae.aurora_sae import AuroraSAE

_MOST_MERGES = max(block.merges for block in BLOCKS)


@dataclass(frozen=True)
class Pool:
    """From the tokens of a block to the coarsest grid.

    Attributes:
        place_n: (tokens,) int64, place of each on the coarsest grid, level outermost.
        share_n: (tokens,) float64, share of each in its place's area.
        area_p: (places,) float64, share of each place in the area of all.
    """

    place_n: np.ndarray
    share_n: np.ndarray
    area_p: np.ndarray

    @classmethod
    def of(cls, block: Block, shape: tuple[int, int, int], area_n: np.ndarray) -> "Pool":
        """Of a block's tokens.

        Args:
            block: the block.
            shape: (latent levels, rows, columns) of its tokens.
            area_n: (tokens,) area of each token's real cells, in any unit, above 0.
        """
        by = 1 << (_MOST_MERGES - block.merges)
        rows, columns = (-(-n // by) for n in shape[1:])
        level, row, column = np.indices(shape)
        place_n = ((level * rows + row // by) * columns + column // by).reshape(-1)
        area_n = np.asarray(area_n, np.float64)
        area_p = np.bincount(place_n, area_n)
        return cls(place_n, area_n / area_p[place_n], area_p / area_p.sum())

    def pooled(self, sae: AuroraSAE, x_nd: torch.Tensor) -> csr_matrix:
        """Features of one snapshot's activations (tokens, d), (places, latents) float64; inside `torch.inference_mode()`."""
        n_places, total = len(self.area_p), None
        for rows in row_chunks(len(x_nd), sae.d_hidden):
            h = _entries(encode(sae, x_nd[rows]))
            place, n = self.place_n[rows], h.shape[0]
            part = csr_matrix((self.share_n[rows], (place, np.arange(n))), shape=(n_places, n)) @ h
            total = part if total is None else total + part
        return total


def _entries(features: Features) -> csr_matrix:
    """Features of tokens, (tokens, latents) float64, those that are on."""
    if not isinstance(features, Active):
        return csr_matrix(features.cpu().numpy().astype(np.float64))
    shape = len(features.ends) - 1, features.h
    return csr_matrix((features.values.numpy().astype(np.float64), features.columns, features.ends), shape=shape)
