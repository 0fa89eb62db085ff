"""What attributions cost beside a forward, beside encodings, and in memory beside Aurora's own backward.

    python benchmarks/attribution.py [--embed-dim 64] [--grid 91 180] [--expansion 8] [--form topk] [--quiet 16] [--rounds 5] [--part ...]

Random weights as in `forward.py`, random SAEs with 32 features on (topk), one linear outcome, position means of so many quiet dates. CPU
time of one thread, rounds in turn, medians. Three parts:

`gradient`: a forward, encoding the outputs of all 48 blocks once, and the whole attribution to 48 blocks, without activation checkpointing
and with it; the limits are 3 and 4 forwards and 2.2 encodings. `midpoint`: for a block of each stage, time a midpoint over that of a whole
forward; the limit is 2.5. `memory`: in processes of their own, how far the peak of RSS lies above what is there before, of a backward down
to the first block as Aurora checkpoints it and of the attribution with checkpoints; the limit is 1.5 times.
"""

import argparse
import functools
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "workflow"), str(ROOT / "benchmarks")]

import torch  # noqa: E402
from aurora import AuroraAirPollution, Batch  # noqa: E402
from aurorascope.attribution.gradient import by_gradient  # noqa: E402
from aurorascope.attribution.midpoint import by_midpoints  # noqa: E402
from aurorascope.attribution.quiet import make_usual  # noqa: E402
from aurorascope.attribution.usual import Usual, UsualFile  # noqa: E402
from aurorascope.attribution.value import Value  # noqa: E402
from aurorascope.backbone.hooks import run_to_blocks  # noqa: E402
from aurorascope.backbone.replay import Replay  # noqa: E402
from aurorascope.blocks import BLOCKS, BY_ID, Block  # noqa: E402
from aurorascope.features.forward import encode  # noqa: E402
from aurorascope.sae.aurora_sae import AuroraSAE  # noqa: E402
from aurorascope.studies.outcomes import Linear  # noqa: E402
from interventions import SITES, demo_batch, random_model, sae_of  # noqa: E402

OUTCOME = {"name": "warmth", "variable": "t", "level": 850, "region": {"disk": [20.0, 100.0, 2000.0]}}
PARTS = ("gradient", "midpoint", "memory")
_ROWS = 4096


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds of one thread."""
    start = time.thread_time()
    work()
    return time.thread_time() - start


def forward(model: AuroraAirPollution, batch: Batch) -> None:
    """One without gradients."""
    with torch.inference_mode():
        model(batch)


def encode_all(saes: dict[Block, AuroraSAE], outputs: dict[Block, torch.Tensor]) -> None:
    """Codes of all blocks."""
    with torch.inference_mode():
        for block, sae in saes.items():
            for x_nd in outputs[block].split(_ROWS):
                encode(sae, x_nd)


def attribute(model: AuroraAirPollution, batch: Batch, saes: dict[Block, AuroraSAE], usual: dict[Block, Usual]) -> None:
    """By the gradient, to all blocks."""
    found = {}
    by_gradient(model, batch, Value(Linear.read("the outcome", OUTCOME), batch, None), saes, usual, found.__setitem__)
    if len(found) != len(saes):
        raise RuntimeError(f"{len(found)} of {len(saes)} blocks had a gradient")


def own_backward(model: AuroraAirPollution, batch: Batch) -> None:
    """Aurora's own: the gradient at the first block's output, with all checkpoints that Aurora sets."""
    leaves: list[torch.Tensor] = []

    def begin(_module: torch.nn.Module, _args: tuple[object, ...], output: torch.Tensor) -> torch.Tensor:
        leaf = output.detach().clone().requires_grad_()
        leaves.append(leaf)
        return leaf

    handle = BLOCKS[0].module(model).register_forward_hook(begin)
    value = Value(Linear.read("the outcome", OUTCOME), batch, None)
    forecast = model(batch)
    value.set_clean(forecast)
    torch.autograd.grad(value.differentiable(forecast), leaves[0])
    handle.remove()


def prepare(options: argparse.Namespace, folder: Path) -> tuple[AuroraAirPollution, Batch, dict[Block, AuroraSAE], dict[Block, Usual]]:
    """The model, an input, 48 SAEs, and what blocks usually are: made once, then read."""
    model, batch = random_model(options.embed_dim), demo_batch(*options.grid)
    saes = {block: sae_of(options.form, block.width(options.embed_dim), options.expansion) for block in BLOCKS}
    files = {block: UsualFile(folder / block.id / "means", folder / block.id / "sums", options.quiet) for block in BLOCKS}
    dates = [f"{at:02d}" for at in range(options.quiet)]
    return model, batch, saes, make_usual(model, saes, {date: _moved(batch, at + 1) for at, date in enumerate(dates)}, dates, files)


def _moved(batch: Batch, columns: int) -> Batch:
    """The weather further east, over the same land: another date."""
    for part in ("surf_vars", "atmos_vars"):
        moved = {name: field.roll(5 * columns, dims=-1) for name, field in getattr(batch, part).items()}
        batch = type(batch)(**{**vars(batch), part: moved})
    return batch


def measure_gradient(options: argparse.Namespace, folder: Path) -> None:
    """Print times, and how they lie to their limits."""
    model, batch, saes, usual = prepare(options, folder)
    outputs: dict[Block, torch.Tensor] = {}
    run_to_blocks(model, batch, BLOCKS, lambda block, x_nd: outputs.__setitem__(block, x_nd.clone()))
    print("| | median, s | least, s |\n|---|---|---|")
    for again, limit in ((False, 3), (True, 4)):
        if again:
            model.configure_activation_checkpointing()
        works = {
            "a forward": lambda: forward(model, batch), "48 blocks encoded once": lambda: encode_all(saes, outputs),
            "48 blocks attributed": lambda: attribute(model, batch, saes, usual),
        }
        for work in works.values():
            work()
        times = {name: [] for name in works}
        for _ in range(options.rounds):
            for name, work in works.items():
                times[name].append(seconds(work))
        one, codes, whole = (statistics.median(each) for each in times.values())
        for name, each in times.items():
            print(f"| {name}, {'with' if again else 'without'} checkpoints | {statistics.median(each):.2f} | {min(each):.2f} |", flush=True)
        most = limit * one + 2.2 * codes
        print(f"| limit, {limit} forwards and 2.2 encodings | {most:.2f} | takes {whole / most:.2f} of it |", flush=True)


def measure_midpoint(options: argparse.Namespace, folder: Path) -> None:
    """Print forwards a midpoint, for a block of each stage."""
    model, batch, saes, usual = prepare(options, folder)
    print("| block | checkpoints | a midpoint, s | a forward, s | forwards a midpoint |\n|---|---|---|---|---|")
    for again in (False, True):
        if again:
            model.configure_activation_checkpointing()
        replay, value = Replay(model, batch), Value(Linear.read("the outcome", OUTCOME), batch, None)
        found = []
        for name in ("encoder_s0_b0", *SITES):
            block = BY_ID[name]
            replay.advance(block)
            value.set_clean(replay.forecast())

            work = functools.partial(by_midpoints, model, replay, block, value, saes[block], usual[block], 4)
            one = statistics.median(seconds(lambda: forward(model, batch)) for _ in range(options.rounds))
            each = statistics.median(seconds(work) for _ in range(2)) / 4
            found.append(each / one)
            print(f"| {name} | {'with' if again else 'without'} | {each:.2f} | {one:.2f} | {each / one:.2f} |", flush=True)
        print(f"mean {statistics.mean(found):.2f}")


def measure_memory(options: argparse.Namespace, folder: Path) -> None:
    """Print peaks above what is there before, each in a process of its own."""
    found = {}
    for what in ("own", "ours"):
        words = [f"--{name.replace('_', '-')}={getattr(options, name)}" for name in ("embed_dim", "expansion", "form", "quiet")]
        words += ["--grid", *map(str, options.grid), "--child", what, "--folder", str(folder)]
        done = subprocess.run([sys.executable, __file__, *words], check=True, capture_output=True, text=True)
        before, peak = map(int, done.stdout.split()[-2:])
        found[what] = peak - before
        name = "Aurora's own backward" if what == "own" else "48 blocks attributed"
        print(f"{name}: {before / 1024:.0f} MB before, peak {peak / 1024:.0f} MB, {found[what] / 1024:.0f} MB more", flush=True)
    print(f"{found['ours'] / found['own']:.2f} of Aurora's own")


def child(options: argparse.Namespace, folder: Path) -> None:
    """In a process of its own: kB before and at the peak."""
    model, batch, saes, usual = prepare(options, folder)
    model.configure_activation_checkpointing()
    forward(model, batch)
    before = _status("VmRSS")
    # The peak begins anew.
    Path("/proc/self/clear_refs").write_text("5")
    if options.child == "own":
        own_backward(model, batch)
    else:
        attribute(model, batch, saes, usual)
    print(before, _status("VmHWM"))


def _status(key: str) -> int:
    return int(re.search(rf"{key}:\s+(\d+) kB", Path("/proc/self/status").read_text())[1])


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--embed-dim", type=int, default=64)
    parser.add_argument("--grid", type=int, nargs=2, default=(91, 180))
    parser.add_argument("--expansion", type=int, default=8)
    parser.add_argument("--form", default="topk")
    parser.add_argument("--quiet", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--part", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--folder", type=Path, help="where position means lie, and stay")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        if options.child:
            child(options, folder)
            return
        print(f"embed_dim {options.embed_dim}, {options.grid[0]} x {options.grid[1]}, torch {torch.__version__}, one thread\n")
        for part in options.part:
            {"gradient": measure_gradient, "midpoint": measure_midpoint, "memory": measure_memory}[part](options, folder)
            print()


if __name__ == "__main__":
    main()
