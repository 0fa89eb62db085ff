"""What it takes to match two dictionaries one to one, on one thread: the table "Matches of features" in docs/benchmarks.md.

    python benchmarks/matches.py [--most 16384]

CPU seconds of cosines and their assignment, for random directions and for a noisy copy in another order, and the peak memory of the process;
then of the sums of one snapshot's pooled features of a stage and the next, with 64 features on a token. The largest takes 5 GB and minutes.
"""

import argparse
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))

import numpy as np
from aurorascope.matching.codes import add_product
from aurorascope.measures.stability.compare import compare, unit_rows
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

# Places of the coarsest grid of a 451 x 900 one, and features on there: of four tokens with some in common, and of one.
PLACES, ON = 4 * 38 * 75, (200, 64)


def seconds(call: Callable[[], object]) -> float:
    """CPU seconds of a call."""
    start = time.process_time()
    call()
    return time.process_time() - start


def pooled(rng: np.random.Generator, n_on: int, n: int) -> csr_matrix:
    """Made-up features of one snapshot, so many on at each place."""
    columns = np.sort(rng.integers(0, n, (PLACES, n_on)), axis=1)
    found = csr_matrix((rng.random(columns.size), columns.reshape(-1), np.arange(PLACES + 1) * n_on), (PLACES, n))
    found.sum_duplicates()
    return found


def matched(rng: np.random.Generator, n: int) -> None:
    """Print the line of so many features a side, eight a channel."""
    d = n // 8
    a = unit_rows(rng.standard_normal((n, d)))
    random = unit_rows(rng.standard_normal((n, d)))
    noisy = unit_rows(a[rng.permutation(n)] + 0.5 * rng.standard_normal((n, d)) / np.sqrt(d))
    times = [seconds(lambda: compare(a, random, False)), seconds(lambda: compare(a, noisy, False))]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"| {n:,} | {d:,} | {times[0]:.1f} | {times[1]:.1f} | {peak:.2f} |", flush=True)


def main() -> None:
    """Print the table, and the line below it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--most", type=int, default=16_384, help="features a side in the last line")
    most = parser.parse_args().most
    rng = np.random.default_rng(0)
    with threadpool_limits(1):
        print("| features a side | channels | random directions, s | a noisy copy, s | peak memory, GB |\n|---|---|---|---|---|")
        for n in (most // 16, most // 8, most // 4, most // 2, most):
            matched(rng, n)
        a, b = pooled(rng, ON[0], most // 2), pooled(rng, ON[1], most)
        total = np.zeros((most // 2, most))
        taken = seconds(lambda: add_product(total, a, b, np.full(PLACES, 1 / PLACES)))
    print(f"\nSums of one snapshot's pooled features, {most // 2:,} by {most:,}: {taken:.1f} s.")


if __name__ == "__main__":
    main()
