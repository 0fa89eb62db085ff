"""Methods that other libraries have, too, trained by them on the rows that ours trains on: rows of benchmarks/architectures.py with --peers.

dictionary-learning's Matryoshka, overcomplete's archetypal SAE and matching pursuit, sparsify's TopK for several k. Every one has 512 rows a
step and as many steps as ours; of two learning rates, 4e-4 and the tuned recipe's 2e-3, the one with the better FVE is shown. The
environment of the others is made if it is not there (`peer_process`).
"""

import json
import tempfile
from pathlib import Path

import numpy as np
from aurorascope.activations.feed import StoreReader
from aurorascope.blocks import Block
from aurorascope.training.centroids import find_centroids
from peer_process import PeerError, run_script

METHODS = ("matryoshka", "archetypal", "matching_pursuit", "multi_topk")
_RATES, _ROWS = (4e-4, 2e-3), 512


class Peers:
    """What the others train on and are measured on.

    Args:
        reader: the training store.
        block: whose activations they are.
        held_out_nd: tokens to measure on.
        h: latents.
        epochs: passes over the training tokens.
    """

    def __init__(self, reader: StoreReader, block: Block, held_out_nd: np.ndarray, h: int, epochs: int) -> None:
        self._folder = tempfile.TemporaryDirectory()
        train_nd = reader.read().reshape(-1, reader.d_model)
        mean_d = train_nd.astype(np.float64).mean(0).astype(np.float32)
        scale = float(np.sqrt(np.square(train_nd - mean_d).mean()))
        arrays = {
            "train": (train_nd - mean_d) / scale, "held_out": (held_out_nd - mean_d) / scale,
            "centroids": find_centroids(reader, mean_d, h, block.depth_index),
        }
        for name, values in arrays.items():
            np.save(Path(self._folder.name, f"{name}.npy"), values.astype(np.float32))
        self._how = {"h": h, "epochs": epochs, "rows": _ROWS}

    def best(self, method: str, k: int) -> dict:
        """Version, FVE, L0, share of silent features and CPU seconds of the better of two rates.

        Raises:
            PeerError: the library cannot be used.
        """
        Path(self._folder.name, "how.json").write_text(json.dumps({**self._how, "k": k}))
        found = [run_script(Path(__file__).with_name("peer_training.py"), method, self._folder.name, str(rate)) for rate in _RATES]
        rate, best = max(zip(_RATES, found, strict=True), key=lambda pair: pair[1]["fve"])
        return {**best, "version": f"{best['version']}, rate {rate:g}"}


def peer_cells(peers: Peers, method: str, k: int) -> tuple[str, dict[str, str]]:
    """The name of a peer's row and what its cells are, by heading; the reason as the name's end if there are none."""
    try:
        found = peers.best(method, k)
    except PeerError as error:
        return f"{method}: {str(error).replace('|', '/')}", {}
    cells = {"FVE": f"{found['fve']:.4f}", "L0": f"{found['l0']:.1f}", "silent": f"{found['silent']:.3f}", "CPU s": f"{found['seconds']:.1f}"}
    return f"{method} of {found['version']}", cells
