"""Speed of the feeds against np.fromfile of the same chunk files, at the three widths and token counts of Aurora.

    python benchmarks/feed.py [--repeats 5] [--snapshots 12] [--cold] [--folder DIR]

Writes a store of each width with our own writer into a temporary folder (about 2.6 GB at a time, removed at the end),
then reads it in all ways in turn, in one process, torch with one thread. GB/s are stored bytes (float16). `--cold` asks
the system to forget the files before each reading. Tables are Markdown.
"""

import argparse
import hashlib
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

import numpy as np  # noqa: E402
import torch  # noqa: E402
from aurorascope.activations.encode import decode  # noqa: E402
from aurorascope.activations.feed import ResidentFeed, StreamFeed, epoch_order  # noqa: E402
from aurorascope.activations.manifest import FORMAT, publish  # noqa: E402
from aurorascope.activations.paths import StorePaths  # noqa: E402
from aurorascope.activations.reader import StoreReader  # noqa: E402
from aurorascope.activations.stream import ahead, n_threads  # noqa: E402
from aurorascope.activations.writer import StoreWriter  # noqa: E402
from aurorascope.blocks import BY_ID  # noqa: E402
from aurorascope.cams.grid import regular_grid  # noqa: E402
from aurorascope.files import blake3_file  # noqa: E402
from aurorascope.tokens import token_grid  # noqa: E402

CPU = torch.device("cpu")
BLOCKS = {512: "encoder_s0_b0", 1024: "encoder_s1_b0", 2048: "encoder_s2_b0"}
SHUFFLE_ROWS, NAIVE_ROWS = 65_536, 30_000


def _make_store(folder: Path, width: int, n: int) -> Path:
    """A published store of random activations on the real grid; returns its manifest."""
    block, zeros = BY_ID[BLOCKS[width]], "0" * 64
    times = [f"{date(2022, 6, 1) + timedelta(day)}T12:00:00Z" for day in range(n)]
    claim = {
        "format": FORMAT, "block": block.id, "d_model": width, "dtype": "float16", "checkpoint_sha256": zeros,
        "static_sha256": zeros, "config_sha256": zeros, "split": "train",
        "snapshots": [{"time": t, "previous": t, "inputs": [], "key": hashlib.sha256(t.encode()).hexdigest()} for t in times],
    }
    paths, cells = StorePaths(folder), token_grid(block, *regular_grid(451, 900))
    rng = np.random.default_rng(width)
    with paths.locked():
        writer = StoreWriter(paths, claim, cells)
        tokens_nd = rng.standard_normal((cells.n_tokens, width), np.float32) * 3 + 10
        for index in range(n):
            writer.add(index, tokens_nd)
        writer.finish()
    publish(paths)
    return paths.manifest


def _forget(paths: list[Path]) -> None:
    for path in paths:
        with open(path, "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _unseen(reader: StoreReader, paths: list[Path]) -> StoreReader:
    """The reader, which will hash its chunks again, since their time of change is another."""
    for path in paths:
        os.utime(path)
    return reader


def _readinto(paths: list[Path], buffer: np.ndarray) -> None:
    for path in paths:
        with open(path, "rb", buffering=0) as file:
            file.readinto(memoryview(buffer))


def _one_after_the_other(reader: StoreReader) -> Iterator[torch.Tensor]:
    """Hash a file, read it, decode it in memory fresh from the system: what a loop without any care does."""
    offset, scale = torch.from_numpy(reader.offset), torch.from_numpy(reader.scale)
    for index in range(reader.n_snapshots):
        path = reader.paths.chunk(index)
        if blake3_file(path) != reader.manifest["snapshots"][index]["blake3"]:
            raise SystemExit(f"{path} is damaged")
        stored = np.fromfile(path, np.float16, reader.n_tokens * reader.d_model).reshape(-1, reader.d_model)
        yield torch.from_numpy(stored).to(torch.float32).mul_(scale[index]).add_(offset[index])


def _shuffled_row_by_row(reader: StoreReader) -> Iterator[torch.Tensor]:
    """Rows through a shuffle buffer, one Python step a row, decoded one by one, stacked to batches of 4,096."""
    rng = np.random.default_rng(0)
    buffer, batch = [], []
    stored_nd = reader.stored(0)
    for row in range(NAIVE_ROWS):
        values = torch.from_numpy(decode(stored_nd[row % reader.n_tokens], reader.offset[0], reader.scale[0]))
        if len(buffer) < SHUFFLE_ROWS // 8:
            buffer.append(values)
            continue
        place = int(rng.integers(len(buffer)))
        batch.append(buffer[place])
        buffer[place] = values
        if len(batch) == 4096:
            yield torch.stack(batch)
            batch = []


def _drain(batches: Iterator[object]) -> None:
    for _ in batches:
        pass


def _ways(manifest: Path) -> Iterator[tuple[str, bool, float, Callable[[], object]]]:
    """Name, whether it reads the disk, stored bytes it goes through, and what to call."""
    seen = StoreReader(manifest)
    chunks = [seen.paths.chunk(i) for i in range(seen.n_snapshots)]
    n_bytes = float(sum(path.stat().st_size for path in chunks))
    order, buffer = np.arange(seen.n_snapshots), np.zeros(chunks[0].stat().st_size, np.uint8)
    stream, resident = StreamFeed(seen, CPU), ResidentFeed(seen, CPU)
    n_rows = seen.n_snapshots * seen.n_tokens
    yield "np.fromfile", True, n_bytes, lambda: [np.fromfile(path, np.uint8) for path in chunks]
    yield "readinto, one buffer used again", True, n_bytes, lambda: _readinto(chunks, buffer)
    yield "first pass: BLAKE3", True, n_bytes, lambda: _drain(ahead(_unseen(seen, chunks), order.tolist()))
    yield (
        "first pass: BLAKE3, decoded", True, n_bytes,
        lambda: (_unseen(seen, chunks), _drain(stream.snapshots(order))),
    )
    yield (
        "the same, reader and feed just opened", True, n_bytes,
        lambda: _drain(StreamFeed(StoreReader(manifest), CPU).snapshots(order)),
    )
    yield "BLAKE3, read, decode in turn", True, n_bytes, lambda: _drain(_one_after_the_other(seen))
    yield "later pass: decoded", True, n_bytes, lambda: _drain(stream.snapshots(order))
    yield "resident: decoded", False, n_bytes, lambda: _drain(resident.snapshots(order))
    yield (
        "resident, rows of all snapshots shuffled: decoded", False, n_bytes,
        lambda: _drain(resident.rows(epoch_order(0, 0, n_rows), seen.n_tokens)),
    )
    naive_bytes = 2.0 * NAIVE_ROWS * seen.d_model
    yield "shuffle buffer, row by row: decoded", False, naive_bytes, lambda: _drain(_shuffled_row_by_row(seen))


def _table(manifest: Path, width: int, repeats: int, is_cold: bool) -> None:
    ways = [way for way in _ways(manifest) if way[1] or not is_cold]
    chunks = sorted((manifest.parent / "store.zarr" / "activation" / "c").rglob("0/0/0/0"))
    rates: dict[str, list[float]] = {name: [] for name, *_ in ways}
    for repeat in range(repeats + 1):
        for name, _, n_bytes, call in ways:
            if is_cold:
                _forget(chunks)
            start = time.perf_counter()
            call()
            if repeat:  # the first round warms up
                rates[name].append(n_bytes / (time.perf_counter() - start) / 1e9)
    base = statistics.median(rates["np.fromfile"])
    for name, found in rates.items():
        median = statistics.median(found)
        print(f"| {width} | {name} | {median:.2f} | {min(found):.2f} to {max(found):.2f} | {median / base:.2f} |")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--snapshots", type=int, default=12, help="at width 512; others hold about as many bytes")
    parser.add_argument("--cold", action="store_true", help="ask the system to forget files before each reading")
    parser.add_argument("--folder", type=Path, help="where the temporary folder is made")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{n_threads()} threads read ahead.\n")
    print("| width | way | GB/s, median | range | times np.fromfile |\n|---|---|---|---|---|")
    for width in BLOCKS:
        folder = Path(tempfile.mkdtemp(prefix="feed-", dir=options.folder))
        try:
            manifest = _make_store(folder, width, options.snapshots * width // 512)
            _table(manifest, width, options.repeats, options.cold)
        finally:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
