"""Table of a finished suite: how much each block changes its input, and how well its SAE reconstructs it.

    python benchmarks/block_table.py [results]

Relative change: ||x_b - x_(b-1)|| / ||x_(b-1)|| over all held-out tokens, for a block whose predecessor has the same token
grid and width. Ends with an error if two blocks share a snapshot's bytes.
"""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

import numpy as np  # noqa: E402
from aurorascope.activations.encode import decode  # noqa: E402
from aurorascope.activations.feed import StoreReader  # noqa: E402


def _values(results: Path, block_id: str) -> tuple[np.ndarray, set[str]]:
    reader = StoreReader(results / "scratch" / "activations" / block_id / "held_out" / "manifest.json")
    decoded = [decode(reader.stored(i), reader.offset[i], reader.scale[i]) for i in range(reader.n_snapshots)]
    return np.stack(decoded).astype(np.float64), {s["blake3"] for s in reader.manifest["snapshots"]}


def main() -> None:
    """Print the table."""
    results = Path(sys.argv[1] if len(sys.argv) > 1 else "results")
    index = json.loads((results / "sae_index.json").read_text())
    before, seen = None, set()
    print("| block | d_model | change | FVE | anomaly FVE | L0 | dead |")
    print("|---|---|---|---|---|---|---|")
    for sae in index["saes"]:
        values, digests = _values(results, sae["id"])
        if seen & digests:
            sys.exit(f"{sae['id']} has the activations of another block.")
        seen |= digests
        change = "–"
        if before is not None and before.shape == values.shape:
            change = f"{np.linalg.norm(values - before) / np.linalg.norm(before):.3f}"
        m = sae["metrics"]
        print(f"| {sae['id']} | {sae['d_model']} | {change} | {m['fve']:.4f} | {m['fve_anom']:.3f} "
              f"| {m['l0']:.0f} | {m['frac_dead']:.3f} |")
        before = values


if __name__ == "__main__":
    main()
