"""Methods that other libraries have, too, trained by them and by us on the same rows of a demo's activations.

    python benchmarks/peer_quality.py [results] [--l0 8] [--epochs 16] [--blocks ID ...] [--only NAME ...]

FVE and L0 on held-out tokens, features that never fire there, CPU seconds of the training. Ours is the tuned recipe with the method's
architecture; sparsify's TopK for several k stands beside our hierarchical. Of the others the better of two learning rates is shown, 4e-4 and the
recipe's 2e-3. Every one has 512 rows a step and as many steps. The environment of the others is made if it is not there (`peer_process`).
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow"))
sys.path.insert(0, str(Path(__file__).parent))

import numpy as np  # noqa: E402
import torch  # noqa: E402
from architectures import BLOCKS, Held, settings  # noqa: E402
from aurorascope.training.centroids import find_centroids  # noqa: E402
from peer_process import PeerError, make_environment, run_script  # noqa: E402

OURS = {"matryoshka": "matryoshka", "archetypal": "archetypal", "matching_pursuit": "matching_pursuit", "multi_topk": "hierarchical"}
RATES, ROWS = (4e-4, 2e-3), 512


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("results", type=Path, nargs="?", default=ROOT / "results")
    parser.add_argument("--l0", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--expansion", type=int, default=2)
    parser.add_argument("--blocks", nargs="*", default=BLOCKS)
    parser.add_argument("--only", nargs="*", choices=OURS, default=list(OURS))
    options = parser.parse_args()
    torch.set_num_threads(1)
    make_environment()
    print("| block | method | of | FVE | L0 | silent | CPU s |\n|---|---|---|---|---|---|---|")
    for block_id in options.blocks:
        held = Held(options.results / "scratch" / "activations", block_id)
        with tempfile.TemporaryDirectory() as folder:
            write_rows(held, Path(folder), options)
            for method in options.only:
                config = settings("tuned", options.epochs, architecture=OURS[method], target_l0=options.l0, expansion=options.expansion, batch_rows=ROWS)
                cells = held.row(OURS[method], config, 1, None).split(" | ")
                print(f"| {block_id} | {OURS[method]} | ours | {cells[2]} | {cells[5]} | {cells[7]} | {cells[-1]}", flush=True)
                print(f"| {block_id} | {method} | {other(method, folder)} |", flush=True)


def write_rows(held: Held, folder: Path, options: argparse.Namespace) -> None:
    """What the others train on and are measured on."""
    reader, mean_d = held.feed.reader, held.mean.numpy()
    train_nd = reader.read().reshape(-1, reader.d_model)
    scale, h = float(np.sqrt(np.square(train_nd - mean_d).mean())), reader.d_model * options.expansion
    rows = {
        "train": (train_nd - mean_d) / scale, "held_out": (held.x.numpy() - mean_d) / scale,
        "centroids": find_centroids(reader, mean_d, h, held.block.depth_index),
    }
    for name, values in rows.items():
        np.save(folder / f"{name}.npy", values.astype(np.float32))
    how = {"k": options.l0, "h": h, "epochs": options.epochs, "rows": ROWS}
    (folder / "how.json").write_text(json.dumps(how))


def other(method: str, folder: str) -> str:
    """The cells of the better of two rates, or why there are none."""
    try:
        found = [run_script(Path(__file__).with_name("peer_training.py"), method, folder, str(rate)) for rate in RATES]
    except PeerError as error:
        return f"– {str(error).replace('|', '/')} | | | |"
    best = max(found, key=lambda one: one["fve"])
    rate = RATES[found.index(best)]
    return f"{best['version']}, rate {rate:g} | {best['fve']:.4f} | {best['l0']:.1f} | {best['silent']:.3f} | {best['seconds']:.1f}"


if __name__ == "__main__":
    main()
