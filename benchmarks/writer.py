"""Speed of the activation writer, in GB/s of stored bytes, against a plain write + fsync of the same bytes.

    python benchmarks/writer.py [--snapshots 6] [--rounds 5] [--scale 1] [--folder DIR]

For widths and token counts of the real model, in turn and several rounds: the bytes written plainly; the writer's
encoding, digest, checksum, write and fsync, without moments, one snapshot after the other and through two threads; the
whole `StoreWriter.add`, moments and parts included, in the same two ways; and what naive writers do: cast to float16,
copy row by row into a reservoir, write that through zarr. A table of the steps of one `add` follows.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "workflow"), str(ROOT / "tests")]

import google_crc32c  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
import zarr  # noqa: E402
from aurorascope.activations import moments  # noqa: E402
from aurorascope.activations.chunk import ChunkWriter  # noqa: E402
from aurorascope.activations.encode import channels_of, decoded_blocks, encode_about  # noqa: E402
from aurorascope.activations.paths import StorePaths  # noqa: E402
from aurorascope.activations.writer import StoreWriter  # noqa: E402
from aurorascope.blocks import BY_ID  # noqa: E402
from aurorascope.files import blake3_bytes  # noqa: E402
from aurorascope.tokens import TokenGrid, token_grid  # noqa: E402
from tiny import claim  # noqa: E402

# Width, and a block with the number of tokens: those of the real model, and its first width with a quarter of the tokens.
CASES = ((512, "encoder_s0_b0"), (512, "encoder_s1_b0"), (1024, "encoder_s1_b0"), (2048, "encoder_s2_b0"))


def _tokens(n: int, d: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    base = rng.standard_normal((1024, d), np.float32) * 3 + np.arange(d, dtype=np.float32) % 17
    return np.tile(base, (-(-n // 1024), 1))[:n] * rng.uniform(0.5, 2, (n, 1)).astype(np.float32)


def _plain(folder: Path, data: np.ndarray, index: int) -> None:
    with open(folder / f"plain-{index}", "wb", buffering=0) as file:
        view = memoryview(data).cast("B")
        while view:
            view = view[file.write(view) :]
        os.fsync(file.fileno())


def _encode_and_write(folder: Path, tokens_nd: np.ndarray, stored_nd: np.ndarray, index: int) -> None:
    channels = channels_of(tokens_nd, "float16")
    chunk = ChunkWriter(stored_nd, folder / f"chunk-{index}")
    encode_about(tokens_nd, channels, stored_nd, lambda rows, _: chunk.put(rows.stop))
    chunk.finish()


def _naive(folder: Path, tokens_nd: np.ndarray, index: int) -> None:
    """A reservoir filled row by row and written through zarr with its defaults, then synced."""
    reservoir = np.empty(tokens_nd.shape, np.float16)
    for row, token in enumerate(tokens_nd):
        reservoir[row] = token.astype(np.float16)
    path = folder / f"naive-{index}"
    zarr.save_array(str(path), reservoir)
    for file in path.rglob("*"):
        if file.is_file():
            with open(file, "rb") as handle:
                os.fsync(handle.fileno())


def _clear(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


class _Case:
    """One width: its tokens, and the ways to write a number of snapshots of them."""

    def __init__(self, folder: Path, width: int, block: str, scale: int, n_snapshots: int) -> None:
        lat, lon = np.linspace(90, -90, 451 // scale), np.linspace(0, 360, 900 // scale, endpoint=False)
        self.block = block
        self.grid: TokenGrid = token_grid(BY_ID[self.block], lat, lon)
        self.width, self.n, self.folder = width, n_snapshots, folder
        self.tokens_nd = _tokens(self.grid.n_tokens, width)
        self.rooms = [np.empty(self.tokens_nd.shape, np.float16) for _ in range(2)]
        self.stored = self.tokens_nd.astype(np.float16)

    @property
    def gigabytes(self) -> float:
        return self.n * self.stored.nbytes / 1e9

    def _two(self, work: Callable[[int], None]) -> None:
        with ThreadPoolExecutor(2) as pool:
            for done in [pool.submit(lambda t=t: [work(i) for i in range(t, self.n, 2)]) for t in range(2)]:
                done.result()

    def _add(self, is_parallel: bool) -> None:
        content = claim(range(1, self.n + 1), self.block, d_model=self.width)
        writer = StoreWriter(StorePaths(self.folder / "store"), content, self.grid)
        start, cpu = time.perf_counter(), time.process_time()
        if is_parallel:
            self._two(lambda i: writer.add(i, self.tokens_nd))
        else:
            for index in range(self.n):
                writer.add(index, self.tokens_nd)
        self.seconds, self.cpu = time.perf_counter() - start, time.process_time() - cpu

    def ways(self) -> dict[str, Callable[[], None]]:
        encode = lambda i: _encode_and_write(self.folder, self.tokens_nd, self.rooms[i % 2], i)  # noqa: E731
        return {
            "plain write + fsync": lambda: [_plain(self.folder, self.stored, i) for i in range(self.n)],
            "encode, digests, write, fsync": lambda: [encode(i) for i in range(self.n)],
            "the same, two threads": lambda: self._two(encode),
            "StoreWriter.add": lambda: self._add(False),
            "the same, two threads (add)": lambda: self._add(True),
            "row by row, zarr": lambda: _naive(self.folder, self.tokens_nd, 0),
        }

    def time(self, name: str, way: Callable[[], None]) -> tuple[float, float]:
        """GB/s of stored bytes, and CPU seconds a GB."""
        _clear(self.folder)
        os.sync()
        start, cpu = time.perf_counter(), time.process_time()
        way()
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        if "add" in name.lower():
            seconds, cpu = self.seconds, self.cpu
        gigabytes = self.gigabytes / self.n if name.startswith("row") else self.gigabytes
        return gigabytes / seconds, cpu / gigabytes


def _steps(case: _Case) -> dict[str, float]:
    """Seconds of the steps of one `add`, each alone."""
    room, channels = case.rooms[0], channels_of(case.tokens_nd, "float16")
    found = moments.TokenMoments(len(case.tokens_nd), channels.offset)
    encoded = encode_about(case.tokens_nd, channels, room)
    raw = memoryview(room).cast("B")

    def one_pass() -> None:
        for rows, decoded_rd in decoded_blocks(room, encoded.offset, encoded.scale):
            found.see(rows, decoded_rd)

    steps = {
        "means and extremes": lambda: channels_of(case.tokens_nd, "float16"),
        "encode, decode, measure the loss": lambda: encode_about(case.tokens_nd, channels, room),
        "moments and norms, decoding once more": one_pass,
        "quantiles of the norms": lambda: (
            moments.quantiles_by_level(found.norms_n, 4), moments.quantiles_by_band(found.norms_n, case.grid)
        ),
        "BLAKE3": lambda: blake3_bytes(raw),
        "crc32c": lambda: google_crc32c.extend(0, room.reshape(-1).view(np.uint8)),
        "write + fsync": lambda: _plain(case.folder, room, 0),
    }
    seconds = {}
    for name, step in steps.items():
        times = []
        for _ in range(3):
            start = time.perf_counter()
            step()
            times.append(time.perf_counter() - start)
        seconds[name] = min(times)
    return seconds


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--snapshots", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=int, default=1, help="divide rows and columns of the grid by this")
    parser.add_argument("--folder", type=Path, help="where the temporary folder is made")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("| width, tokens | way | median GB/s | range | times plain | CPU s a GB |\n|---|---|---|---|---|---|")
    steps = {}
    for width, block in CASES:
        with tempfile.TemporaryDirectory(dir=options.folder) as name:
            case = _Case(Path(name), width, block, options.scale, options.snapshots)
            rates: dict[str, list[float]] = {way: [] for way in case.ways()}
            cpu: dict[str, list[float]] = {way: [] for way in case.ways()}
            for _ in range(options.rounds):
                for way, write in case.ways().items():
                    rate, seconds = case.time(way, write)
                    rates[way].append(rate)
                    cpu[way].append(seconds)
            plain = rates["plain write + fsync"]
            for way, found in rates.items():
                ratio = statistics.median(f / p for f, p in zip(found, plain, strict=True))
                label = way.replace(" (add)", "")
                print(f"| {width}, {case.grid.n_tokens:,} | {label} | {statistics.median(found):.2f} "
                      f"| {min(found):.2f} to {max(found):.2f} | {ratio:.2f} | {statistics.median(cpu[way]):.2f} |",
                      flush=True)
            steps[f"{width}, {case.grid.n_tokens:,}"] = _steps(case)
    print("\n| ms of one snapshot, each step alone | " + " | ".join(steps) + " |")
    print("|---|" + "---|" * len(steps))
    for step in next(iter(steps.values())):
        print(f"| {step} | " + " | ".join(f"{1e3 * found[step]:.0f}" for found in steps.values()) + " |")


if __name__ == "__main__":
    main()
