"""Time of an evaluation's sums and of a feature file's choice, dense and by the features that are on, on the CPU.

    python benchmarks/evaluation.py [--widths 64 512 1024] [--rows 8192] [--k 64] [--repeats 5] [--threads 1]

The autoencoder is a TopK of 8 latents a channel with random weights, the rows are random. Both ways take turns; printed are
medians of seconds and of the ratio within a turn. Tables are Markdown.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))

import numpy as np
import torch
from aurorascope.features import forward
from aurorascope.features.strongest import strongest
from aurorascope.measures.held_out.baselines import row_chunks
from aurorascope.measures.held_out.sums import Means, Sums
from aurorascope.sae.active import Active
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.sae.initial import initial_weights

STRONGEST = 16


def _sae(d: int, k: int) -> AuroraSAE:
    return AuroraSAE.from_tensors({**initial_weights(d, 8 * d, 0, 0), "k": torch.tensor(k)})


def _sums(sae: AuroraSAE, x_nd: torch.Tensor, compute: Callable) -> Sums:
    n, zeros_d = len(x_nd), np.zeros(sae.d_model)
    sums = Sums(np.zeros(n, int), np.ones(n), Means(zeros_d, zeros_d, np.zeros((n, sae.d_model)), zeros_d), sae.d_hidden)
    for rows in row_chunks(n, sae.d_hidden):
        x_hat_nd, features = compute(x_nd[rows])
        h = features if isinstance(features, Active) else features.numpy()
        sums.add(x_nd[rows].numpy(), x_hat_nd.numpy(), h, rows.start)
    return sums


def _ways(sae: AuroraSAE, x_nd: torch.Tensor) -> dict[str, tuple[Callable, Callable]]:
    """What is timed: dense and by entries."""
    return {
        "forward": (lambda: sae(x_nd), lambda: forward.reconstruct(sae, x_nd)),
        "forward and sums": (
            lambda: _sums(sae, x_nd, sae), lambda: _sums(sae, x_nd, lambda part_nd: forward.reconstruct(sae, part_nd)),
        ),
        f"{STRONGEST} strongest": (
            lambda: strongest(sae.encode(x_nd), STRONGEST), lambda: strongest(forward.encode(sae, x_nd), STRONGEST),
        ),
    }


def _seconds(call: Callable) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--widths", type=int, nargs="+", default=[64, 512, 1024])
    parser.add_argument("--rows", type=int, default=8192)
    parser.add_argument("--k", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"{options.rows:,} rows, k = {options.k}, torch {torch.__version__}, threads: {options.threads}\n")
    print("| width | what | dense, s | by entries, s | ratio |\n|---|---|---|---|---|")
    with torch.inference_mode():
        for d in options.widths:
            sae, x_nd = _sae(d, options.k), torch.from_numpy(np.random.default_rng(d).standard_normal((options.rows, d), np.float32))
            for what, ways in _ways(sae, x_nd).items():
                for way in ways:
                    way()
                pairs = [[_seconds(way) for way in ways] for _ in range(options.repeats)]
                dense, sparse = (statistics.median(column) for column in zip(*pairs, strict=True))
                ratio = statistics.median(b / a for a, b in pairs)
                print(f"| {d} | {what} | {dense:.3f} | {sparse:.3f} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()
