"""Steps of the top-k family for benchmarks/step.py: ours, ours of commit d973aa4, and the others' TopK and BatchTopK.

AbsTopK, hierarchical and archetypal stand beside TopK and Matryoshka beside BatchTopK, since no other library has a step of theirs. Each step has a
process of its own; those of a group take turns, one repeat each, on the same rows, weights and number of threads.
"""

import argparse
import io
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np
import torch
from peer_process import Peer, PeerError, make_environment
from peers import PACKAGES

ROOT = Path(__file__).parents[1]
BEFORE = "d973aa4"
# Architectures by the step of the other libraries that theirs is compared with.
GROUPS = {"topk": ("topk", "abstopk", "hierarchical", "archetypal"), "batchtopk": ("batchtopk", "matryoshka")}
ARCHITECTURES = tuple(name for names in GROUPS.values() for name in names)
Tensors = Callable[[int, int], dict[str, np.ndarray]]


def steps(options: argparse.Namespace, tensors_of: Tensors, prepared: Callable) -> dict[str, dict[str, float]]:
    """Measure and print all widths.

    Args:
        options: `architectures`, `widths`, `rows`, `repeats`, `threads` and `own`, whether ours alone are timed.
        tensors_of: the tensors of a width and a number of rows.
        prepared: gets peers ready for tensors; returns their versions, and puts those that fail into a dictionary.

    Returns:
        {width: {name: median in units of one product}}; names are ours_ARCHITECTURE, before_ARCHITECTURE and those of the
        packages, whose BatchTopK has "_batchtopk" behind its name.
    """
    print(
        f"{options.rows:,} rows, 8 latents a channel, 64 kept, torch {torch.__version__}, threads: {options.threads}; "
        f"before: commit {BEFORE}.\n\n| width | step | matrix products, median | range |\n|---|---|---|---|"
    )
    result: dict[str, dict[str, float]] = {str(d): {} for d in options.widths}
    with tempfile.TemporaryDirectory() as folder:
        trees = {"ours": ROOT, **({} if options.own else tree_before(Path(folder)))}
        for d in options.widths:
            for kind, names in GROUPS.items():
                wanted = [name for name in names if name in options.architectures]
                if wanted:
                    with ExitStack() as stack:
                        peers = [stack.enter_context(closing(peer)) for peer in _start(kind, wanted, trees, options)]
                        result[str(d)] |= _measure(d, peers, options, tensors_of, prepared)
    return result


def tree_before(folder: Path) -> dict[str, Path]:
    """The tree of the commit before, by what names begin with; nothing, and a line, where git does not have it."""
    made = subprocess.run(["git", "archive", BEFORE, "workflow"], cwd=ROOT, capture_output=True)
    if made.returncode:
        print(f"{BEFORE} is not timed: {made.stderr.decode().strip()}", file=sys.stderr)
        return {}
    with tarfile.open(fileobj=io.BytesIO(made.stdout)) as archive:
        archive.extractall(folder / BEFORE, filter="data")
    return {"before": folder / BEFORE}


def _start(kind: str, wanted: list[str], trees: dict[str, Path], options: argparse.Namespace) -> list[Peer]:
    threads = options.threads
    own = [
        Peer(f"{label}_{name}", Path(sys.executable), "own_steps.py", tree, name, threads)
        for name in wanted for label, tree in trees.items()
    ]
    if options.own:
        return own
    try:
        python = make_environment()
    except PeerError as error:
        print(error, file=sys.stderr)
        return own
    behind = "" if kind == "topk" else f"_{kind}"
    return own + [Peer(f"{label}{behind}", python, "peers.py", name, threads, kind) for name, label in PACKAGES.items()]


def _measure(
    d: int, peers: list[Peer], options: argparse.Namespace, tensors_of: Tensors, prepared: Callable
) -> dict[str, float]:
    failed: dict[str, str] = {}
    versions = prepared(peers, tensors_of(d, options.rows), failed)
    units: dict[Peer, list[float]] = {peer: [] for peer in versions}
    for _ in range(options.repeats):
        for peer, found in units.items():
            if peer.name not in failed:
                try:
                    found.append(peer.units())
                except PeerError as error:
                    failed[peer.name] = str(error)
    for name, reason in failed.items():
        print(f"| {d} | {name} | – | {reason.replace('|', '/')} |", flush=True)
    medians = {}
    for peer, found in units.items():
        if peer.name not in failed:
            medians[peer.name] = round(statistics.median(found), 3)
            label = f"{peer.name} {versions[peer]}".strip()
            print(f"| {d} | {label} | {medians[peer.name]:.2f} | {min(found):.2f} to {max(found):.2f} |", flush=True)
    return medians
