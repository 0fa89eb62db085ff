"""What portable numbers cost: one training step of the ReLU + L1 SAE on the CPU, with and without `compute.portable`.

    python benchmarks/portable.py [--widths 512 1024] [--rows 8192] [--repeats 5] [--threads 1]

The two take turns, each time in a process of its own, since kernels are chosen when a library is loaded. The unit is one
product (rows, d) @ (d, 8 d) in float32 with the default kernels, timed beside the default step. Tables are Markdown.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

from aurorascope.portable.switches import SWITCHES, with_switches  # noqa: E402

_WORKER = "--worker"


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _time_here(options: argparse.Namespace) -> dict[str, tuple[float, float]]:
    """Seconds of a step and of a product, by width; the first of each is not counted."""
    import torch
    from aurorascope.backbone.device import make_repeatable
    from aurorascope.config.model import Compute
    from step import EXPANSION, _our_step

    make_repeatable(Compute(options.threads, options.portable))
    found = {}
    for d in options.widths:
        x_nd, w_dh = torch.randn(options.rows, d), torch.randn(d, EXPANSION * d)
        step = _our_step(d, EXPANSION * d, x_nd.device)
        for _ in range(2):
            times = _seconds(lambda step=step, x_nd=x_nd: step(x_nd)), _seconds(lambda x_nd=x_nd, w_dh=w_dh: x_nd @ w_dh)
        found[str(d)] = times
    return found


def _time_apart(portable: bool) -> dict[str, tuple[float, float]]:
    environ = {name: value for name, value in os.environ.items() if name not in SWITCHES}
    command = [sys.executable, *sys.argv, _WORKER, *(["--portable"] if portable else [])]
    done = subprocess.run(command, env=with_switches(environ) if portable else environ, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--widths", type=int, nargs="+", default=[512, 1024])
    parser.add_argument("--rows", type=int, default=8192)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(_WORKER, action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--portable", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        json.dump(_time_here(options), sys.stdout)
        return
    rounds = [(_time_apart(False), _time_apart(True)) for _ in range(options.repeats)]
    print(f"{options.rows:,} rows, 8 latents a channel, threads: {options.threads}; medians of {options.repeats}, and ranges.\n")
    print("| width | default step, products | portable step, products | portable / default |\n|---|---|---|---|")
    for d in map(str, options.widths):
        plain = [default[d][0] / default[d][1] for default, _ in rounds]
        portable = [other[d][0] / default[d][1] for default, other in rounds]
        ratio = [other[d][0] / default[d][0] for default, other in rounds]
        cells = [f"{statistics.median(v):.2f} ({min(v):.2f} to {max(v):.2f})" for v in (plain, portable, ratio)]
        print(f"| {d} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
