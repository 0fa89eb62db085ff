"""The full-size Aurora on a GPU: seconds a forward by precision, and what dumping all 48 blocks adds.

    python benchmarks/full_size.py [--device cuda] [--folder DIR]
    python benchmarks/full_size.py --device cpu --embed-dim 16 --grid 19 36     (a trial of the script anywhere)

Random weights, residual norms filled so that no block is the identity; made-up states. For float32, TF32 and bfloat16
autocast: a forward as it is, a forward until the last block, and the same with all 48 blocks copied to the host, encoded
and written. GB/s are bytes stored over the time of a dumping forward.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "workflow"), str(ROOT / "tests"), str(ROOT / "benchmarks")]

import torch  # noqa: E402
from aurorascope.activations.pipeline import Pipeline, default_writers  # noqa: E402
from aurorascope.backbone.hooks import run_to_blocks  # noqa: E402
from aurorascope.backbone.model import build_model, head_arguments  # noqa: E402
from aurorascope.blocks import BLOCKS  # noqa: E402
from aurorascope.provenance import device_name  # noqa: E402
from forward import demo_batch, random_model, store_writers  # noqa: E402

PRECISIONS = ("float32", "TF32", "bfloat16 autocast")


class _Case:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.device = options, torch.device(options.device)
        self.batch = demo_batch(*options.grid).to(self.device)
        self.weights = random_model(options.embed_dim).state_dict()
        self.stored = 0

    def model(self, precision: str) -> torch.nn.Module:
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "TF32"
        model = build_model(head_arguments(self.options.embed_dim), autocast=precision.startswith("bfloat16"))
        model.load_state_dict(self.weights)
        return model.eval().requires_grad_(False).to(self.device)

    def _seconds(self, work: Callable[[], None], n: int) -> float:
        """Seconds of one of `n` runs, the device's work included."""
        self._wait()
        start = time.perf_counter()
        for _ in range(n):
            work()
        self._wait()
        return (time.perf_counter() - start) / n

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def _dump(self, model: torch.nn.Module, n: int) -> float:
        """Seconds of a forward with dumping, until everything is on disk."""
        with tempfile.TemporaryDirectory(dir=self.options.folder) as name:
            writers = store_writers(Path(name), BLOCKS, tuple(self.options.grid), self.options.embed_dim, n)
            start = time.perf_counter()
            with Pipeline(writers, self.options.writers) as pipeline:
                for index in range(n):
                    run_to_blocks(
                        model, self.batch, BLOCKS, lambda block, x_nd, i=index: pipeline.submit(block, i, x_nd)
                    )
            took = (time.perf_counter() - start) / n
            self.stored = sum(writer.n_bytes for writer in writers.values()) / n
            return took

    @torch.inference_mode()
    def row(self, precision: str) -> str:
        model, n = self.model(precision), self.options.snapshots
        ways = {
            "whole": lambda: self._seconds(lambda: model(self.batch), n),
            "to the last block": lambda: self._seconds(
                lambda: run_to_blocks(model, self.batch, BLOCKS, lambda *_: None), n
            ),
            "dumping": lambda: self._dump(model, n),
        }
        ways["whole"]()
        times: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(self.options.rounds):
            for way, measure in ways.items():
                times[way].append(measure())
        whole, last, dumping = (statistics.median(times[way]) for way in ways)
        overhead = statistics.median(
            d / p - 1 for d, p in zip(times["dumping"], times["to the last block"], strict=True)
        )
        return (
            f"| {precision} | {whole:.3g} | {last:.3g} | {dumping:.3g} | {100 * overhead:.1f} % "
            f"| {self.stored / dumping / 1e9:.3g} |"
        )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--embed-dim", type=int, default=512)
    parser.add_argument("--grid", nargs=2, type=int, default=(451, 900), metavar=("ROWS", "COLUMNS"))
    parser.add_argument("--snapshots", type=int, default=3, help="forwards of one measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--writers", type=int, default=default_writers(), help="writer threads")
    parser.add_argument("--folder", type=Path, help="where temporary folders are made")
    options = parser.parse_args()
    case = _Case(options)
    n_parameters = sum(tensor.numel() for tensor in case.weights.values())
    print(f"{device_name(case.device)}, torch {torch.__version__}, {options.writers} writer threads, "
          f"grid {options.grid[0]} x {options.grid[1]}, {n_parameters:,} numbers in the model\n")
    print("| precision | s a forward | s to the last block | s dumping 48 blocks | dumping adds | GB/s stored |")
    print("|---|---|---|---|---|---|")
    for precision in PRECISIONS:
        print(case.row(precision), flush=True)
    if case.device.type == "cuda":
        print(f"\nLargest GPU memory: {torch.cuda.max_memory_allocated(case.device) / 1e9:.1f} GB")


if __name__ == "__main__":
    main()
