"""What hooks, early stops and dumping cost beside the forward of a small Aurora with all 48 blocks.

    python benchmarks/forward.py [--embed-dim 64] [--grid 91 180] [--rounds 5] [--per-round 6] [--folder DIR]

Random weights, residual norms filled so that no block is the identity. Tables: a forward without hooks, with 48 hooks, and
with dumping all 48 blocks, alternating; the time at which each block's early stop returns against the time at which a full
forward reaches that block's hook, in turn, in points of the full forward (CPU time of the one thread); one pass that dumps 48 blocks against 48
passes that dump one block each; the peak memory of filling all 48 stores with 8 and with 32 snapshots.
"""

import argparse
import datetime
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "workflow"), str(ROOT / "tests")]

import torch  # noqa: E402
from aurora import AuroraAirPollution, Batch  # noqa: E402
from aurorascope.activations.paths import StorePaths  # noqa: E402
from aurorascope.activations.pipeline import Pipeline  # noqa: E402
from aurorascope.activations.writer import StoreWriter  # noqa: E402
from aurorascope.backbone.batch import make_batch  # noqa: E402
from aurorascope.backbone.hooks import run_to_blocks  # noqa: E402
from aurorascope.backbone.model import build_model, head_arguments  # noqa: E402
from aurorascope.blocks import BLOCKS, Block  # noqa: E402
from aurorascope.cams.demo import demo_state, demo_static  # noqa: E402
from aurorascope.cams.grid import regular_grid  # noqa: E402
from aurorascope.cams.variables import LEVELS  # noqa: E402
from aurorascope.config.calendar import iso, parse  # noqa: E402
from aurorascope.tokens import token_grid  # noqa: E402
from tiny import claim, digest  # noqa: E402

TIMES = ("2022-06-01T00:00:00Z", "2022-06-01T12:00:00Z")


def random_model(embed_dim: int) -> AuroraAirPollution:
    """A model whose blocks do something: parameters that start at zero get weight."""
    torch.manual_seed(0)
    model = build_model(head_arguments(embed_dim))
    for parameter in model.parameters():
        if parameter.abs().max() == 0:
            torch.nn.init.normal_(parameter, std=0.05)
    return model.eval().requires_grad_(False)


def demo_batch(rows: int, cols: int) -> Batch:
    """Two states of the demo atmosphere on any grid."""
    lat, lon = regular_grid(rows, cols)
    states = [demo_state(parse(time), lat, lon, LEVELS) for time in TIMES]
    return make_batch(*states, time=TIMES[1], static=demo_static(lat, lon))


def store_writers(
    folder: Path, blocks: tuple[Block, ...], grid: tuple[int, int], embed_dim: int, n_snapshots: int
) -> dict[Block, StoreWriter]:
    """Empty stores of the blocks, with as many made-up snapshots."""
    writers = {}
    for block in blocks:
        content = claim([1], block.id, d_model=block.width(embed_dim))
        day = datetime.datetime(2022, 6, 1, 12, tzinfo=datetime.UTC)
        times = [iso(day + datetime.timedelta(days=index)) for index in range(n_snapshots)]
        content["snapshots"] = [{**content["snapshots"][0], "time": time, "key": digest(time)} for time in times]
        cells = token_grid(block, *regular_grid(*grid))
        writers[block] = StoreWriter(StorePaths(folder / block.id), content, cells)
    return writers


def _seconds(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    start = clock()
    work()
    return clock() - start


class _Case:
    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options, self.folder = options, folder
        self.grid, self.embed_dim = tuple(options.grid), options.embed_dim
        self.model, self.batch = random_model(self.embed_dim), demo_batch(*self.grid)

    def plain(self) -> None:
        with torch.inference_mode():
            self.model(self.batch)

    def dump(self, blocks: tuple[Block, ...], n: int = 1) -> int:
        """Dump blocks from as many forwards; returns the bytes stored."""
        with tempfile.TemporaryDirectory(dir=self.folder) as name:
            writers = store_writers(Path(name), blocks, self.grid, self.embed_dim, n)
            began, cpu = time.perf_counter(), time.thread_time()
            with Pipeline(writers) as pipeline:
                for index in range(n):
                    run_to_blocks(
                        self.model, self.batch, blocks, lambda block, x_nd, i=index: pipeline.submit(block, i, x_nd)
                    )
            self.took, self.cpu = time.perf_counter() - began, time.thread_time() - cpu
            return sum(writer.n_bytes for writer in writers.values())

    def _full(self, seen: Callable[[Block], None]) -> None:
        """A forward to its end, decoder included, that says when it reaches each block."""

        def listener(block: Block) -> Callable[..., None]:
            def fired(*_: object) -> None:
                seen(block)

            return fired

        handles = [block.module(self.model).register_forward_hook(listener(block)) for block in BLOCKS]
        try:
            self.plain()
        finally:
            for handle in handles:
                handle.remove()

    def cost(self) -> None:
        """Print the time of a forward as it is, with hooks, and with dumping."""
        # As many snapshots as it takes for the last ones' writing, which nothing overlaps, to weigh little.
        n = self.options.per_round
        ways = {
            "without hooks": lambda: [self.plain() for _ in range(n)],
            "48 hooks that do nothing": lambda: [self._full(lambda block: None) for _ in range(n)],
            "stopped after the last block": lambda: [
                run_to_blocks(self.model, self.batch, BLOCKS, lambda *_: None) for _ in range(n)
            ],
            "dumping 48 blocks": lambda: self.dump(BLOCKS, n),
        }
        times: dict[str, list[float]] = {way: [] for way in ways}
        cpu: dict[str, list[float]] = {way: [] for way in ways}
        stored = self.dump(BLOCKS) * n
        for _ in range(self.options.rounds):
            for way, work in ways.items():
                start = time.thread_time()
                seconds = _seconds(work)
                is_dump = way.startswith("dumping")
                times[way].append((self.took if is_dump else seconds) / n)
                cpu[way].append((self.cpu if is_dump else time.thread_time() - start) / n)
        print("| forward | median s | range s | times without hooks | CPU s of the forward's thread | times |")
        print("|---|---|---|---|---|---|")
        for way, found in times.items():
            ratio, cpu_ratio = (
                statistics.median(f / p for f, p in zip(t[way], t["without hooks"], strict=True)) for t in (times, cpu)
            )
            print(f"| {way} | {statistics.median(found):.2f} | {min(found):.2f} to {max(found):.2f} | {ratio:.3f} "
                  f"| {statistics.median(cpu[way]):.2f} | {cpu_ratio:.3f} |")
        slower = statistics.median(
            dump / stop for dump, stop in zip(times["dumping 48 blocks"], times["stopped after the last block"], strict=True)
        )
        print(f"\nDumping stores {stored / n / 1e6:.0f} MB a forward; it too stops after the last block, before Aurora's decoder: "
              f"{slower:.3f} times a stopped forward.\n")

    def early_stop(self) -> None:
        """Print how far an early stop is from the moment a full forward reaches its block.

        CPU time of this thread, which computes all of a forward, and the least of all rounds on either side: what else
        the machine does only ever adds to both. A full forward goes before each stop, so that a machine that is slower
        for a minute is slower for both.
        """
        reached: dict[Block, list[float]] = {block: [] for block in BLOCKS}
        stopped: dict[Block, list[float]] = {block: [] for block in BLOCKS}
        full = []
        for _ in range(self.options.rounds):
            for block in BLOCKS:
                now: dict[Block, float] = {}
                start = time.thread_time()
                self._full(lambda at, now=now, start=start: now.__setitem__(at, time.thread_time() - start))
                full.append(time.thread_time() - start)
                reached[block].append(now[block])
                stop = lambda block=block: run_to_blocks(self.model, self.batch, [block], lambda *_: None)  # noqa: E731
                stopped[block].append(_seconds(stop, time.thread_time))
        whole = min(full)
        points = {block: 100 * (min(stopped[block]) - min(reached[block])) / whole for block in BLOCKS}
        print("| block | hook reached at, % of a full forward | early stop returns later by, points |\n|---|---|---|")
        for block in BLOCKS:
            if block.block == 0 or block is BLOCKS[-1]:
                print(f"| {block.id} | {100 * min(reached[block]) / whole:.1f} | {points[block]:+.1f} |")
        print(f"| all 48 | | {min(points.values()):+.1f} to {max(points.values()):+.1f} |\n")

    def independence(self) -> None:
        """Print one pass for 48 blocks against 48 passes for one block each."""
        full = statistics.median(_seconds(self.plain) for _ in range(3))
        self.dump(BLOCKS)
        together, alone, stored = self.took, 0.0, []
        for block in BLOCKS:
            stored.append(self.dump((block,)))
            alone += self.took
        print("| dumps of one snapshot | forwards begun | s | full forwards' time | stored at once, MB |")
        print("|---|---|---|---|---|")
        print(f"| 48 blocks from one pass | 1 | {together:.1f} | {together / full:.1f} | {sum(stored) / 1e6:.0f} |")
        print(f"| each block from its own | 48 | {alone:.1f} | {alone / full:.1f} | {max(stored) / 1e6:.0f} at most |\n")

    def memory(self) -> None:
        """Fill all stores with a number of snapshots and print the peak memory of this process."""
        before = _peak()
        self.dump(BLOCKS, self.options.memory)
        print(f"| {self.options.memory} | {before / 1e6:.0f} | {_peak() / 1e6:.0f} |", flush=True)


def _peak() -> int:
    # Not ru_maxrss, which starts from the peak of the process that called this one.
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--embed-dim", type=int, default=64)
    parser.add_argument("--grid", nargs=2, type=int, default=(91, 180), metavar=("ROWS", "COLUMNS"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--per-round", type=int, default=6, help="snapshots of a round of `cost`")
    parser.add_argument("--snapshots", nargs=2, type=int, default=(8, 32), help="of the two fills")
    parser.add_argument("--only", nargs="+", choices=("cost", "early_stop", "independence", "memory"))
    parser.add_argument("--folder", type=Path, help="where temporary folders are made")
    parser.add_argument("--memory", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    case = _Case(options, options.folder)
    if options.memory:
        case.plain()
        case.memory()
        return
    case.plain()
    for part in ("cost", "early_stop", "independence"):
        if not options.only or part in options.only:
            getattr(case, part)()
    if not options.only or "memory" in options.only:
        print("| snapshots filled | peak RSS before, MB | peak RSS, MB |\n|---|---|---|", flush=True)
        for n in options.snapshots:
            words = [sys.executable, __file__, "--memory", str(n), "--embed-dim", str(options.embed_dim), "--grid"]
            words += [str(size) for size in options.grid]
            words += ["--folder", str(options.folder)] if options.folder else []
            subprocess.run(words, check=True)


if __name__ == "__main__":
    main()
