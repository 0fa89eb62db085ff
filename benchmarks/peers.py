"""One SAE library, timed in an environment of its own: asked over stdin for one repeat at a time, JSON lines.

    .venv-peers/bin/python benchmarks/peers.py sae_lens|dictionary_learning|overcomplete THREADS [topk|batchtopk]

benchmarks/step.py starts it. Each library takes its own training step, as it comes: its forward pass, loss, clipping,
Adam and constraint, without logging. All start from the same weights; that they reconstruct alike is checked first.
"""

import importlib.metadata
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

Steps = Callable[[int], None]
Reconstruct = Features = Callable[[torch.Tensor], torch.Tensor]
PACKAGES = {"sae_lens": "sae-lens", "dictionary_learning": "dictionary-learning", "overcomplete": "overcomplete"}
LR, L1 = 4e-4, 3e-4
_SECONDS = 0.3
_MANY = 10**9
_CHECKED_ROWS, _TOLERANCE = 256, 1e-3


def _seconds(call: Steps, n: int) -> float:
    start = time.perf_counter()
    call(n)
    return (time.perf_counter() - start) / n


def _count(call: Steps, seconds: float) -> int:
    """How many calls last that long; the first call, which warms up, does not count."""
    call(1)
    return max(1, round(seconds / _seconds(call, 1)))


class Timer:
    """Time of a step in units of one matrix product, (rows, d) @ (d, h) in float32, of this very process.

    Args:
        steps: takes that many training steps.
        x_nd: the rows of a step.
        w_dh: the other factor of the product.
    """

    def __init__(self, steps: Steps, x_nd: torch.Tensor, w_dh: torch.Tensor) -> None:
        out_nh = torch.empty(len(x_nd), w_dh.shape[1])

        def products(n: int) -> None:
            for _ in range(n):
                torch.mm(x_nd, w_dh, out=out_nh)

        self._steps, self._products = steps, products
        self._n_products, self._n_steps = _count(products, _SECONDS / 2), _count(steps, _SECONDS)

    def units(self) -> float:
        """One repeat: products, steps, products."""
        before = _seconds(self._products, self._n_products)
        step = _seconds(self._steps, self._n_steps)
        return 2 * step / (before + _seconds(self._products, self._n_products))


def sae_lens_steps(sae: torch.nn.Module, x_nd: torch.Tensor, w_dh: torch.Tensor, d_hd: torch.Tensor) -> Steps:
    """Steps of SAELens' own trainer, from these weights."""
    from sae_lens import LoggingConfig, SAETrainer
    from sae_lens.config import SAETrainerConfig

    n = len(x_nd)
    with torch.no_grad():
        sae.W_enc.copy_(w_dh)
        sae.W_dec.copy_(d_hd)
    config = SAETrainerConfig(
        total_training_samples=_MANY * n, train_batch_size_samples=n, lr=LR, lr_end=LR,
        logger=LoggingConfig(log_to_wandb=False),
    )
    trainer = SAETrainer(config, sae, iter(()))

    def steps(count: int) -> None:
        for _ in range(count):
            trainer.step(x_nd)
            trainer.n_training_steps += 1

    return steps


def _sae_lens(x_nd: torch.Tensor, w_dh: torch.Tensor, d_hd: torch.Tensor) -> tuple[Steps, Reconstruct]:
    from sae_lens import StandardTrainingSAE, StandardTrainingSAEConfig

    d, h = w_dh.shape
    # Its squared error is a sum over channels, ours a mean.
    sae = StandardTrainingSAE(StandardTrainingSAEConfig(d_in=d, d_sae=h, l1_coefficient=L1 * d))
    return sae_lens_steps(sae, x_nd, w_dh, d_hd), sae


def _dictionary_learning(x_nd: torch.Tensor, w_dh: torch.Tensor, d_hd: torch.Tensor) -> tuple[Steps, Reconstruct]:
    from dictionary_learning.trainers.standard import StandardTrainer

    d, h = w_dh.shape
    trainer = StandardTrainer(
        steps=_MANY, activation_dim=d, dict_size=h, layer=0, lm_name="none", lr=LR, l1_penalty=L1 * d,
        warmup_steps=0, sparsity_warmup_steps=None, device="cpu",
    )
    with torch.no_grad():
        trainer.ae.encoder.weight.copy_(w_dh.T)
        trainer.ae.encoder.bias.zero_()
        trainer.ae.decoder.weight.copy_(d_hd.T)

    def steps(count: int) -> None:
        for index in range(count):
            trainer.update(index, x_nd)

    return steps, trainer.ae


def _overcomplete(x_nd: torch.Tensor, w_dh: torch.Tensor, d_hd: torch.Tensor) -> tuple[Steps, Reconstruct]:
    from overcomplete.sae import SAE, mse_l1, train_sae

    d, h = w_dh.shape
    sae = SAE(d, h, dictionary_params={"normalization": "l2", "initializer": d_hd.numpy()})
    with torch.no_grad():
        sae.encoder.final_block[0].weight.copy_(w_dh.T)
        sae.encoder.final_block[0].bias.zero_()
    optimiser = torch.optim.Adam(sae.parameters(), lr=LR)
    penalty = L1 / len(x_nd)  # its L1 is a sum over tokens too

    def criterion(*terms: torch.Tensor) -> torch.Tensor:
        return mse_l1(*terms, penalty=penalty)

    def steps(count: int) -> None:
        train_sae(sae, [x_nd] * count, criterion, optimiser, nb_epochs=1, monitoring=0)

    return steps, lambda rows_nd: sae(rows_nd)[2]


_BUILD = {"sae_lens": _sae_lens, "dictionary_learning": _dictionary_learning, "overcomplete": _overcomplete}


def _check(
    reconstruct: Reconstruct, features: Features, x_nd: torch.Tensor, w_dh: torch.Tensor, d_hd: torch.Tensor
) -> None:
    rows_nd = x_nd[:_CHECKED_ROWS]
    with torch.no_grad():
        expected_nd = features(rows_nd @ w_dh) @ d_hd
        error = float((reconstruct(rows_nd) - expected_nd).norm() / expected_nd.norm())
    if not error < _TOLERANCE:
        raise ValueError(f"with the same weights it reconstructs otherwise, by {error:.2g} of the norm")


def read_tensors(folder: Path) -> list[torch.Tensor]:
    """Rows of a step, W_enc and W_dec, as the benchmark left them."""
    return [torch.from_numpy(np.load(folder / f"{part}.npy")) for part in ("x", "W_enc", "W_dec")]


def _timer(name: str, architecture: str, folder: Path) -> Timer:
    x_nd, w_dh, d_hd = read_tensors(folder)
    build, features = _BUILD[name], torch.relu
    if architecture != "relu":
        import peers_topk

        build, features = peers_topk.BUILD[architecture, name], peers_topk.FEATURES[architecture]
    steps, reconstruct = build(x_nd, w_dh, d_hd)
    _check(reconstruct, features, x_nd, w_dh, d_hd)
    return Timer(steps, x_nd, w_dh)


def _reason(error: Exception) -> str:
    """What was raised, and the line of code that raised it: an assertion says nothing else."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} (in {frame.name}: {frame.line})"


def serve(timer_of: Callable[[Path], Timer], version: str) -> None:
    """Answer requests on stdin, one a line: prepare a timer for the tensors of a folder, or time one repeat."""
    # Libraries print; the answers get the real stdout to themselves.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    timer = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["do"] == "prepare":
                timer = None  # frees the last width's memory before the next is taken
                timer = timer_of(Path(request["folder"]))
                answer = {"version": version}
            else:
                answer = {"units": timer.units()}
        except Exception as error:
            answer = {"error": _reason(error)}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    library, architecture = sys.argv[1], sys.argv[3] if len(sys.argv) > 3 else "relu"
    torch.set_num_threads(int(sys.argv[2]))
    serve(lambda folder: _timer(library, architecture, folder), importlib.metadata.version(PACKAGES[library]))
