"""Feeding snapshots from Aurora instead of from a store, on a finished demo's stores: one block a stage, then all together.

    python benchmarks/live.py [project]

GB are stored bytes. A store is read and verified (BLAKE3) anew for each pass; live runs Aurora up to the block, encodes and
compares the digest. "All together" is one forward for every block of the table. `project` is a folder in which
`snakemake fill_activations` has run.
"""

import json
import os
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

import torch  # noqa: E402
from aurorascope.activations.live import Forwards, LiveReader  # noqa: E402
from aurorascope.activations.reader import StoreReader  # noqa: E402
from aurorascope.blocks import BY_ID  # noqa: E402
from aurorascope.config import from_mapping  # noqa: E402

BLOCKS = [f"{component}_s{stage}_b3" for component in ("encoder", "decoder") for stage in range(3)]
CPU = torch.device("cpu")


def _pass(readers: list[StoreReader]) -> float:
    """Seconds to read all snapshots of all readers, in turn."""
    start = time.perf_counter()
    for index in range(readers[0].n_snapshots):
        for reader in readers:
            reader.stored(index)
    return time.perf_counter() - start


def main() -> None:
    """Print the table."""
    os.chdir(sys.argv[1] if len(sys.argv) > 1 else ROOT)
    configs = Path(".snakemake/aurorascope").glob("config-*.json")
    config = from_mapping(json.loads(max(configs, key=lambda path: path.stat().st_mtime).read_text()))
    torch.set_num_threads(config.compute.threads)
    scratch = Path("results/scratch")
    paths = {name: scratch / "activations" / name / "train" / "manifest.json" for name in BLOCKS}
    print("| block | MB a snapshot | store, GB/s | live, GB/s | live, s a snapshot |\n|---|---|---|---|---|")
    for name, path in paths.items():
        store, live = StoreReader(path), LiveReader(path, config, CPU)
        live.stored(0)  # loads the model
        n_bytes = store.stored(0).nbytes
        total, n = n_bytes * store.n_snapshots / 1e9, store.n_snapshots
        seconds = _pass([StoreReader(path)]), _pass([live])
        print(f"| {name} | {n_bytes / 1e6:.2f} | {total / seconds[0]:.3f} | {total / seconds[1]:.4f} | {seconds[1] / n:.3f} |")
    forwards = Forwards(config, scratch, [BY_ID[name] for name in paths], CPU)
    readers = [LiveReader(path, config, CPU, forwards) for path in paths.values()]
    seconds = _pass(readers)
    total = sum(reader.stored(0).nbytes * reader.n_snapshots for reader in readers) / 1e9
    print(f"| all six together | | | {total / seconds:.4f} | {seconds / readers[0].n_snapshots:.3f} |")


if __name__ == "__main__":
    main()
