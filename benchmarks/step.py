"""Time of one training step of the ReLU + L1 SAE: ours, SAELens, dictionary-learning and overcomplete, on the CPU.

    python benchmarks/step.py [--json FILE] [--widths 64 512 1024] [--rows 8192] [--repeats 5] [--threads 1]
    python benchmarks/step.py --architectures topk abstopk batchtopk matryoshka [--json FILE] …
    python benchmarks/step.py --memory      # only the peak memory of our step on 180,000 rows of 512 channels
    python benchmarks/step.py --make-env    # only make .venv-peers

A step is the forward pass, the loss, the backward pass and Adam with the library's own constraint. The unit is one
product (rows, d) @ (d, 8 d) in float32, timed in the same process just before and after; a dense step has five of them.
Ours and the others take turns, one repeat each, all on the same rows, weights and number of threads. The others run in
.venv-peers, which is made when it is missing. Tables are Markdown.

With --architectures, the steps of the top-k family instead, 64 latents a token (`family`): those of this tree, of commit
d973aa4, before they were sparse, and the others' own TopK and BatchTopK.
"""

import argparse
import os
import platform
import re
import statistics
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, closing
from multiprocessing import get_context
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

import family  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from aurorascope.files import write_json  # noqa: E402
from aurorascope.sae.architectures import ARCHITECTURES  # noqa: E402
from aurorascope.sae.initial import initial_weights  # noqa: E402
from aurorascope.sae.objective import Settings  # noqa: E402
from aurorascope.training.optimiser import Adam  # noqa: E402
from peer_process import Peer, PeerError, make_environment  # noqa: E402
from peers import L1, LR, PACKAGES, Timer  # noqa: E402
from peers_topk import K  # noqa: E402

CPU = torch.device("cpu")
EXPANSION = 8
MICRO_BATCH = 1024  # as in training on a CPU
MEMORY_ROWS, MEMORY_WIDTH = 180_000, 512  # one snapshot of the widest grid
Reasons = dict[str, dict[str, str]]


def _our_step(d: int, h: int, device: torch.device, architecture: str = "relu") -> Callable[[torch.Tensor], None]:
    """One training step of ours, as a function of the batch."""
    parameters = {name: tensor.to(device) for name, tensor in initial_weights(d, h, 0, 0).items()}
    declared = ARCHITECTURES[architecture]
    settings = Settings(L1, None if architecture == "relu" else min(K, h / 16), rows=MICRO_BATCH, densest=declared.densest)
    kind = declared.objective_class()
    parameters |= {name: tensor.to(device) for name, tensor in kind.extra_parameters(d, h).items()}
    objective, optimiser = kind(parameters, settings), Adam(parameters, LR)
    if declared.anchored:
        objective.anchor(parameters["W_dec"].clone())

    def step(x_nd: torch.Tensor) -> None:
        with torch.inference_mode():
            objective.compute(x_nd)
            optimiser.step(objective.grads)
            objective.constrain()

    return step


def tensors_of(d: int, rows: int) -> dict[str, np.ndarray]:
    """The rows of a step, and the weights that all start from: ours."""
    weights = initial_weights(d, EXPANSION * d, 0, 0)
    x_nd = np.random.default_rng(d).standard_normal((rows, d), np.float32)
    return {"x": x_nd, **{name: weights[name].numpy() for name in ("W_enc", "W_dec")}}


def _our_timer(tensors: dict[str, np.ndarray]) -> Timer:
    x_nd, w_dh = torch.from_numpy(tensors["x"]), torch.from_numpy(tensors["W_enc"])
    step = _our_step(*w_dh.shape, CPU)

    def steps(n: int) -> None:
        for _ in range(n):
            step(x_nd)

    return Timer(steps, x_nd, w_dh)


def _start(stack: ExitStack, threads: int) -> tuple[list[Peer], str | None]:
    """The other libraries' processes, or why there are none."""
    try:
        python = make_environment()
    except PeerError as error:
        return [], str(error)
    return [stack.enter_context(closing(Peer(name, python, "peers.py", name, threads))) for name in PACKAGES], None


def prepared(peers: list[Peer], tensors: dict[str, np.ndarray], failed: dict[str, str]) -> dict[Peer, str]:
    """The peers that are ready for these tensors, with their versions."""
    versions = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, values in tensors.items():
            np.save(Path(folder) / f"{name}.npy", values)
        for peer in peers:
            try:
                versions[peer] = peer.prepare(Path(folder))
            except PeerError as error:
                failed[peer.name] = str(error)
    return versions


def _measure(
    d: int, peers: list[Peer], options: argparse.Namespace, failed: dict[str, str]
) -> tuple[dict[str, list[float]], dict[str, str]]:
    """Units of all repeats, by name, and the versions of the others; a peer that fails goes to `failed`."""
    tensors = tensors_of(d, options.rows)
    versions = prepared(peers, tensors, failed)
    ours = _our_timer(tensors)
    units: dict[str, list[float]] = {"ours": [], **{peer.name: [] for peer in versions}}
    for _ in range(options.repeats):
        units["ours"].append(ours.units())
        for peer in versions:
            if peer.name in failed:
                continue
            try:
                units[peer.name].append(peer.units())
            except PeerError as error:
                failed[peer.name] = str(error)
    return {n: u for n, u in units.items() if n not in failed}, {p.name: v for p, v in versions.items()}


def _print_rows(d: int, units: dict[str, list[float]], versions: dict[str, str], failed: dict[str, str]) -> None:
    for name in ("ours", *PACKAGES):
        label = f"{PACKAGES.get(name, name)} {versions.get(name, '')}".strip()
        if name in failed:
            print(f"| {d} | {label} | – | {failed[name].replace('|', '/')} |", flush=True)
            continue
        found = units[name]
        print(f"| {d} | {label} | {statistics.median(found):.2f} | {min(found):.2f} to {max(found):.2f} |", flush=True)


def _steps(options: argparse.Namespace) -> dict[str, Any]:
    """Measure and print all widths; returns what the JSON file holds."""
    reasons: Reasons = {}
    result: dict[str, Any] = {}
    with ExitStack() as stack:
        peers, no_peers = _start(stack, options.threads)
        print(
            f"{options.rows:,} rows, {EXPANSION} latents a channel, torch {torch.__version__}, threads: {options.threads}, "
            f"{platform.machine()}; the floor of a dense step is 5.\n"
        )
        print("| width | step | matrix products, median | range |\n|---|---|---|---|")
        for d in options.widths:
            failed = dict.fromkeys(PACKAGES, no_peers) if no_peers else {}
            units, versions = _measure(d, peers, options, failed)
            _print_rows(d, units, versions, failed)
            medians = {name: round(statistics.median(found), 3) for name, found in units.items()}
            result[str(d)] = {name: medians.get(name) for name in ("ours", *PACKAGES)}
            if failed:
                reasons[str(d)] = failed
    return {**result, **({"reasons": reasons} if reasons else {})}


def _resident_mb(field: str) -> float:
    text = Path("/proc/self/status").read_text()
    return int(re.search(rf"^{field}:\s+(\d+) kB", text, re.MULTILINE)[1]) * 1024 / 1e6


def _peak_mb(threads: int, architecture: str) -> float:
    """Peak memory of our step above the rows it is given, in this process, which must be fresh."""
    torch.set_num_threads(threads)
    x_nd = torch.from_numpy(np.random.default_rng(0).standard_normal((MEMORY_ROWS, MEMORY_WIDTH), np.float32))
    _our_step(16, 16 * EXPANSION, CPU, architecture)(x_nd[:64, :16])  # loads the kernels, which are no part of a step
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from here
    before = _resident_mb("VmRSS")
    _our_step(MEMORY_WIDTH, MEMORY_WIDTH * EXPANSION, CPU, architecture)(x_nd)
    return _resident_mb("VmHWM") - before


def _print_memory(threads: int, architectures: list[str]) -> None:
    if not Path("/proc/self/clear_refs").exists():
        print("\nThe peak memory of our step is measured on Linux only.")
        return
    data = 4 * MEMORY_ROWS * MEMORY_WIDTH / 1e6
    for architecture in architectures:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            peak = pool.submit(_peak_mb, threads, architecture).result()
        print(
            f"\nOur step ({architecture}) on {MEMORY_ROWS:,} rows of {MEMORY_WIDTH} channels: peak of {peak:,.0f} MB above the "
            f"data ({data:,.0f} MB), weights and Adam's moments included."
        )


def main() -> None:
    """Print the table and the memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the medians there")
    parser.add_argument("--widths", type=int, nargs="+", default=[64, 512, 1024])
    parser.add_argument("--rows", type=int, default=8192)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--own", action="store_true", help="with --architectures: those of this tree alone")
    parser.add_argument("--architectures", nargs="+", choices=family.ARCHITECTURES, help="the top-k family's steps instead")
    parser.add_argument("--memory", action="store_true", help="only the peak memory of our step")
    parser.add_argument("--make-env", action="store_true", help="only make .venv-peers")
    options = parser.parse_args()
    if options.make_env:
        try:
            print(os.path.relpath(make_environment().parents[1]))
        except PeerError as error:
            raise SystemExit(str(error)) from None
        return
    torch.set_num_threads(options.threads)
    if not options.memory:
        result = family.steps(options, tensors_of, prepared) if options.architectures else _steps(options)
        if options.json:
            write_json(options.json, result)
    _print_memory(options.threads, options.architectures or ["relu"])


if __name__ == "__main__":
    main()
