"""CPU time of trainings under `tuned` on a finished demo's blocks, of this tree and of commit d973aa4, in turn.

    python benchmarks/block_trainings.py [RESULTS] [--l0 64 8] [--epochs 5] [--seeds 3] [--blocks …]

One block a stage, `tuned` with 8 latents a channel, one thread, nothing but the optimiser's steps: the same seed and the same rows
in the same order for both of a pair. Each training has a process of its own. Medians of seconds, the ratio of each pair's, and means
over seeds of what is explained of the last step's rows and of the share of dead latents. Tables are Markdown.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
BLOCKS = [f"{component}_s{stage}_b3" for component in ("encoder", "decoder") for stage in range(3)]


def train(tree: str, block_id: str, tensors: str, l0: str, epochs: str, seed: str) -> None:
    """Train one SAE by the modules of a tree; print its CPU seconds, what it explains, and its share of dead latents, JSON."""
    sys.path.insert(0, str(Path(tree) / "workflow"))
    import torch
    from aurorascope.blocks import BY_ID
    from aurorascope.config import from_mapping
    from aurorascope.config.resolve import resolve
    from aurorascope.training.trainer import Data, Trainer

    torch.set_num_threads(1)
    # Only the section `sae` says anything here, but dates must be given.
    dates = {"train": {"dates": ["2022-06-01"]}, "held_out": {"dates": ["2022-12-01"]}}
    sae = {"recipe": "tuned", "target_l0": float(l0), "epochs": int(epochs), "seed": int(seed)}
    config = from_mapping(resolve({"cams": dates, "sae": sae})[0]).sae
    found = np.load(tensors)
    x_nd, mean_d, n_tokens = torch.from_numpy(found["x_nd"]), found["mean_d"], int(found["n_tokens"])
    variance = float(found["variance"])
    data = Data(x_nd.shape[1], n_tokens, len(x_nd) // n_tokens, mean_d, variance)
    rng, order = np.random.default_rng(int(seed)), []
    for _ in range(int(epochs)):
        order.append(rng.permutation(len(x_nd)))
    with torch.inference_mode():
        trainer = Trainer(BY_ID[block_id], config, data, torch.device("cpu"))
        start = time.process_time()
        for rows in order:
            for part in np.array_split(rows, trainer.steps_per_epoch):
                which = torch.from_numpy(part)
                trainer.step(x_nd[which], which % n_tokens)
        seconds = time.process_time() - start
        last = trainer.result().log.iloc[-1]
    # The mean squared error is in units of the scale that activations were divided by.
    print(json.dumps({"seconds": seconds, "fit": 1 - float(last["mse"]), "dead": float(last["frac_dead"])}))


def _save(results: Path, block_id: str, path: Path) -> None:
    """The training rows of a block's store, their mean and variance."""
    sys.path.insert(0, str(ROOT / "workflow"))
    import torch
    from aurorascope.activations.feed import StoreReader, open_feed

    reader = StoreReader(results / "scratch" / "activations" / block_id / "train" / "manifest.json")
    feed = open_feed(reader, torch.device("cpu"))
    x_nd = torch.cat(list(feed.snapshots(np.arange(feed.n_snapshots)))).numpy()
    mean_d = x_nd.mean(0, dtype=np.float64)
    np.savez(path, x_nd=x_nd, mean_d=mean_d, variance=x_nd.var(0, dtype=np.float64).mean(), n_tokens=reader.n_tokens)


def _run(tree: Path, block_id: str, tensors: Path, l0: float, epochs: int, seed: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--train", str(tree), block_id, str(tensors), str(l0), str(epochs), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    return json.loads(done.stdout)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("results", type=Path, nargs="?", default=ROOT / "results")
    parser.add_argument("--l0", type=float, nargs="+", default=[64, 8])
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--blocks", nargs="*", default=BLOCKS)
    options = parser.parse_args()
    from family import BEFORE, tree_before

    with tempfile.TemporaryDirectory() as name:
        trees = {"now": ROOT, **tree_before(Path(name))}
        print(
            f"| block | L0 | {BEFORE}, s | now, s | ratio | ratios | fit, {BEFORE} | fit, now | dead, {BEFORE} | dead, now |\n"
            "|---|---|---|---|---|---|---|---|---|---|"
        )
        for block_id in options.blocks:
            tensors = Path(name) / "rows.npz"
            _save(options.results, block_id, tensors)
            for l0 in options.l0:
                found: dict[str, list[dict[str, float]]] = {label: [] for label in trees}
                for seed in range(options.seeds):
                    for label, tree in trees.items():
                        found[label].append(_run(tree, block_id, tensors, l0, options.epochs, seed))
                print(f"| {block_id} | {l0:g} | {_cells(found['before'], found['now'])} |", flush=True)


def _cells(before: list[dict[str, float]], now: list[dict[str, float]]) -> str:
    pairs = list(zip(now, before, strict=True))
    ratios = [a["seconds"] / b["seconds"] for a, b in pairs]
    seconds = [f"{statistics.median(run['seconds'] for run in runs):.2f}" for runs in (before, now)]
    fits = [f"{statistics.mean(run['fit'] for run in runs):.4f}" for runs in (before, now)]
    dead = [f"{statistics.mean(run['dead'] for run in runs):.3f}" for runs in (before, now)]
    spread = [f"{statistics.median(ratios):.2f}", f"{min(ratios):.2f} to {max(ratios):.2f}"]
    if len(pairs) > 1:
        more = [a["dead"] - b["dead"] for a, b in pairs]
        dead[1] += f" ({statistics.mean(more):+.3f} ± {statistics.stdev(more) / len(more) ** 0.5:.3f})"
    return " | ".join([*seconds, *spread, *fits, *dead])


if __name__ == "__main__":
    if sys.argv[1:2] == ["--train"]:
        train(*sys.argv[2:])
    else:
        main()
