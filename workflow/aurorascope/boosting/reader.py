"""What a block's SAE leaves out of the tokens of a store, read as a store is."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from aurorascope.activations import moments
from aurorascope.activations.encode import decode
from aurorascope.activations.reader import StoreReader
from aurorascope.features.forward import reconstruct
from aurorascope.files import sha256_json
from aurorascope.sae.aurora_sae import AuroraSAE

# Tokens encoded at a time: 4,096 x 16,384 float32 are 268 MB.
_ROWS = 4096


class ResidualReader:
    """Residuals x - x_hat(x) of one SAE on a store's tokens, float32, computed whenever they are asked for.

    Args:
        source: the store.
        sae: the SAE, on the device that computes.
        sae_sha256: digest of its weights.

    Attributes:
        manifest: what trainings read of one: block, `dtype`, and `sha256`, which follows from store and SAE.
        paths: of the store.
        n_snapshots: snapshots in the store.
        n_blocks: one.
        n_tokens: tokens of one snapshot.
        d_model: channels.
        offset: (n_snapshots, d) float32, zeros.
        scale: (n_snapshots, d) float32, ones.
        parallel: False, since threads would wait for each other.
        recomputed_on: as of the store.
    """

    parallel, n_blocks = False, 1

    def __init__(self, source: StoreReader, sae: AuroraSAE, sae_sha256: str) -> None:
        self.source, self._sae = source, sae
        self.paths, self.recomputed_on = source.paths, source.recomputed_on
        self.n_snapshots, self.n_tokens, self.d_model = source.n_snapshots, source.n_tokens, source.d_model
        self.manifest: dict[str, Any] = {
            "block": source.manifest["block"],
            "dtype": "float32",
            "sha256": sha256_json(["residuals", source.manifest["sha256"], sae_sha256]),
        }
        self.offset = np.zeros((self.n_snapshots, self.d_model), np.float32)
        self.scale = np.ones((self.n_snapshots, self.d_model), np.float32)

    def stored(self, index: int) -> np.ndarray:
        """Residuals of one snapshot, (n_tokens, d) float32.

        Raises:
            UserError: as of the store.
        """
        x_nd = torch.from_numpy(decode(self.source.stored(index), self.source.offset[index], self.source.scale[index]))
        device, left_nd = self._sae.b_dec.device, np.empty((self.n_tokens, self.d_model), np.float32)
        with torch.inference_mode():
            for part, out in zip(x_nd.split(_ROWS), torch.from_numpy(left_nd).split(_ROWS), strict=True):
                x = part.to(device)
                out.copy_(x - reconstruct(self._sae, x)[0])
        return left_nd

    def read(self, snapshots: slice | Sequence[int] | np.ndarray = slice(None)) -> np.ndarray:
        """Residuals of any snapshots, (snapshots, n_tokens, d) float32."""
        return np.stack([self.stored(int(index)) for index in np.arange(self.n_snapshots)[snapshots]])

    def moments(self) -> dict[str, np.ndarray]:
        """n, channel means and centred sums of squares over all snapshots, float64, from one pass in time order."""
        total = moments.of_tokens(self.stored(0))
        for index in range(1, self.n_snapshots):
            total = moments.merge(total, moments.of_tokens(self.stored(index)))
        return {"n": np.array([total.n], np.int64), "mean": total.mean, "m2": total.m2}

    def forget_buffers(self) -> None:
        """As of the store."""
        self.source.forget_buffers()
