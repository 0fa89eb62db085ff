"""One SAE of another library trained whole, in the environment of the other libraries: prints JSON.

    .venv-peers/bin/python benchmarks/peer_training.py METHOD FOLDER RATE

benchmarks/architectures.py starts it, with --peers. FOLDER has train.npy (n, d), held_out.npy (m, d), centroids.npy (h, d), all in units of the block's spread about its
mean, and how.json: k, h, epochs, rows of a step. Every method takes the same rows in the same order; its loss, auxiliary terms, clipping and
constraints are its library's own, its optimiser Adam at RATE.
"""

import contextlib
import importlib.metadata
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

Encode = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


def batches(x_nd: torch.Tensor, how: dict[str, Any]) -> Iterator[torch.Tensor]:
    """Rows of all steps."""
    rng = np.random.default_rng(0)
    for _ in range(how["epochs"]):
        yield from x_nd[torch.from_numpy(rng.permutation(len(x_nd)))].split(how["rows"])


def matryoshka(x_nd: torch.Tensor, how: dict[str, Any], rate: float, _c: torch.Tensor) -> Encode:
    """dictionary-learning's Matryoshka BatchTopK, five groups of 1/16, 1/16, 1/8, 1/4 and 1/2."""
    from dictionary_learning.trainers.matryoshka_batch_top_k import MatryoshkaBatchTopKTrainer

    steps = how["epochs"] * -(-len(x_nd) // how["rows"])
    trainer = MatryoshkaBatchTopKTrainer(
        steps=steps, activation_dim=x_nd.shape[1], dict_size=how["h"], k=how["k"], layer=0, lm_name="none",
        group_fractions=[1 / 16, 1 / 16, 1 / 8, 1 / 4, 1 / 2], lr=rate, warmup_steps=steps // 20, threshold_start_step=steps // 20, seed=0, device="cpu",
    )
    for step, rows_nd in enumerate(batches(x_nd, how)):
        trainer.update(step, rows_nd)
    sae = trainer.ae

    def encode(rows_nd: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        h_nh = sae.encode(rows_nd, use_threshold=True)
        return sae.decode(h_nh), h_nh

    return encode


def _overcomplete(sae: torch.nn.Module, x_nd: torch.Tensor, how: dict[str, Any], rate: float) -> Encode:
    from overcomplete.sae import train_sae

    def criterion(x: torch.Tensor, x_hat: torch.Tensor, *_rest: torch.Tensor) -> torch.Tensor:
        return (x - x_hat).square().mean()

    train_sae(sae, list(batches(x_nd, how)), criterion, torch.optim.Adam(sae.parameters(), lr=rate), nb_epochs=1, monitoring=0)
    sae.eval()

    def encode(rows_nd: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        _, h_nh, x_hat_nd = sae(rows_nd)
        return x_hat_nd, h_nh

    return encode


def archetypal(x_nd: torch.Tensor, how: dict[str, Any], rate: float, centroids_hd: torch.Tensor) -> Encode:
    """Overcomplete's relaxed archetypal TopK, with our centroids for its points."""
    from overcomplete.sae import RATopKSAE

    return _overcomplete(RATopKSAE(x_nd.shape[1], how["h"], points=centroids_hd, top_k=how["k"]), x_nd, how, rate)


def matching_pursuit(x_nd: torch.Tensor, how: dict[str, Any], rate: float, _c: torch.Tensor) -> Encode:
    """Overcomplete's matching pursuit."""
    from overcomplete.sae import MpSAE

    return _overcomplete(MpSAE(x_nd.shape[1], how["h"], k=how["k"]), x_nd, how, rate)


def multi_topk(x_nd: torch.Tensor, how: dict[str, Any], rate: float, _c: torch.Tensor) -> Encode:
    """Sparsify's TopK with the loss of four times as many features beside, weighted by 1/8 as its trainer does."""
    from sparsify.config import SparseCoderConfig
    from sparsify.sparse_coder import SparseCoder

    torch.manual_seed(0)
    sae = SparseCoder(x_nd.shape[1], SparseCoderConfig(num_latents=how["h"], k=how["k"], multi_topk=True))
    optimiser = torch.optim.Adam(sae.parameters(), lr=rate)
    for rows_nd in batches(x_nd, how):
        sae.set_decoder_norm_to_unit_norm()
        found = sae(rows_nd)
        optimiser.zero_grad()
        (found.fvu + found.multi_topk_fvu / 8).backward()
        sae.remove_gradient_parallel_to_decoder_directions()
        optimiser.step()

    def encode(rows_nd: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        acts_nk, places_nk, z_nh = sae.encode(rows_nd)
        return sae.decode(acts_nk, places_nk), torch.zeros_like(z_nh).scatter(-1, places_nk, acts_nk)

    return encode


METHODS = {
    "matryoshka": (matryoshka, "dictionary-learning"), "archetypal": (archetypal, "overcomplete"),
    "matching_pursuit": (matching_pursuit, "overcomplete"), "multi_topk": (multi_topk, "eai-sparsify"),
}


def main() -> None:
    """Train, measure on the held-out rows, print."""
    method, folder, rate = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])
    torch.set_num_threads(1)
    torch.manual_seed(0)
    train_nd, held_nd, centroids_hd = (torch.from_numpy(np.load(folder / f"{name}.npy")) for name in ("train", "held_out", "centroids"))
    how, (build, package) = json.loads((folder / "how.json").read_text()), METHODS[method]
    start = time.process_time()
    # Libraries print; the answer is the last line.
    with contextlib.redirect_stdout(sys.stderr):
        encode = build(train_nd, how, rate, centroids_hd)
    seconds = time.process_time() - start
    with torch.no_grad():
        parts = [encode(rows_nd) for rows_nd in held_nd.split(how["rows"])]
    x_hat_nd, h_nh = (torch.cat(each) for each in zip(*parts, strict=True))
    left, whole = (held_nd - x_hat_nd).double().square().sum(), (held_nd.double() - held_nd.double().mean(0)).square().sum()
    print(json.dumps({
        "version": f"{package} {importlib.metadata.version(package)}", "fve": 1 - float(left / whole), "l0": float((h_nh != 0).sum(1).double().mean()),
        "silent": float((h_nh == 0).all(0).double().mean()), "seconds": seconds,
    }))


if __name__ == "__main__":
    main()
