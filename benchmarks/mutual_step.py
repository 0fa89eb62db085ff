"""CPU time of a step with mutual feature regularisation, beside that of one SAE alone and of its penalty alone.

    python benchmarks/mutual_step.py [--widths 64 512] [--rows 512 8192] [--repeats 5]

The tuned recipe with top-k and 8 latents a channel, 64 of them on (at 64 channels 32), on random rows. Each repeat takes as many
steps of each as lie between two look-ups of the nearest directions, in turn; the medians of ratios are of the same repeat.
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
from architectures import settings
from aurorascope.blocks import BY_ID
from aurorascope.training.mutual import Mutual, steps_between
from aurorascope.training.trainer import Data, Trainer

CPU = torch.device("cpu")


def trainer_of(d: int, rows: int, weight: float) -> Trainer:
    """A training of these rows, in which more steps are to come than are taken here."""
    changes = {"architecture": "topk", "target_l0": min(64.0, d / 2), "mutual_weight": weight, "batch_rows": rows}
    return Trainer(BY_ID["encoder_s0_b0"], settings("tuned", 1000, **changes), Data(d, rows, 1, np.zeros(d), 1.0), CPU)


def row(d: int, rows: int, repeats: int) -> str:
    """The table's row for one width and number of rows."""
    x_nd = torch.from_numpy(np.random.default_rng(d).standard_normal((rows, d), np.float32))
    alone, both = (trainer_of(d, rows, weight) for weight in (0.0, 0.1))
    decoders = tuple(trainer_of(d, rows, 0.0).objective.parameters["W_dec"] for _ in range(2))
    n = steps_between(8 * d, rows)
    penalty, grads = Mutual(0.1, n, 8 * d, False, CPU), tuple(map(torch.zeros_like, decoders))
    kinds = (lambda _: alone.step(x_nd), lambda _: both.step(x_nd), lambda step: penalty.add_gradients(step, decoders, grads))
    with torch.inference_mode():
        found = [[_seconds(kind, n) for kind in kinds] for _ in range(repeats)]
    both_times, penalty_times = (statistics.median(each[kind] / each[0] for each in found) for kind in (1, 2))
    ms = 1000 * statistics.median(each[0] for each in found) / n
    return f"| {d} | {rows} | {ms:.2f} | {both_times:.2f} | {penalty_times:.3f} |"


def _seconds(step: Callable[[int], None], n: int) -> float:
    started = time.process_time()
    for number in range(1, n + 1):
        step(number)
    return time.process_time() - started


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--widths", type=int, nargs="+", default=[64, 512])
    parser.add_argument("--rows", type=int, nargs="+", default=[512, 8192])
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("| width | rows | one alone, ms | mutual, times that | penalty, times that |\n|---|---|---|---|---|")
    for d in options.widths:
        for rows in options.rows:
            print(row(d, rows, options.repeats), flush=True)


if __name__ == "__main__":
    main()
