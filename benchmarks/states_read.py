"""Time to read the two states of one forward: the store of states against the pair of NetCDF files of a day's zip.

    python benchmarks/states_read.py [--grid 451 900] [--repeats 9] [--folder DIR] [--before CLONE]

Makes a day of smooth fields, packed to 16 bits as GRIB does, in the layout of the Atmosphere Data Store, under a
temporary folder, and in GRIB; reads it in all ways in turn, warm; then reads and writes it in processes of their own, for the
time and the peak memory of each. `--before` names an older clone, whose reader of days is timed in turn with this one's.
"""

import argparse
import math
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
# An older library, for the steps that are timed of it.
sys.path.insert(0, os.environ.get("AURORASCOPE_LIBRARY", str(ROOT / "workflow")))
sys.path.insert(0, str(ROOT))

import netCDF4  # noqa: E402
import numpy as np  # noqa: E402
import xarray as xr  # noqa: E402
from aurorascope.cams import states  # noqa: E402
from aurorascope.cams.grid import regular_grid  # noqa: E402
from aurorascope.cams.validate import read_day  # noqa: E402
from aurorascope.cams.variables import ATMOS, LEVELS, SURFACE, Variable  # noqa: E402

DATE, HOURS = "2022-06-11", (0, 12)
TIMES = [f"{DATE}T{hour:02d}:00:00Z" for hour in HOURS]
MEMBERS = {"data_sfc.nc": SURFACE, "data_plev.nc": ATMOS}
STEPS = (
    "imports alone", "read_day of the zip", "read_day of the pair", "read_day of GRIB", "write_states", "open_states",
    "verify_states",
)
# What an older library is asked for.
BEFORE = ("read_day of the zip", "read_day of the pair")


def _field(rng: np.random.Generator, variable: Variable, level: int | None, rows: int, cols: int) -> np.ndarray:
    """A power-law random field, skewed where it cannot be negative, packed to 16 bits with a power of two as step."""
    wavenumber = np.hypot(np.fft.fftfreq(rows)[:, None] * rows, np.fft.rfftfreq(cols)[None] * cols)
    amplitude = np.where(wavenumber > 0, np.maximum(wavenumber, 1) ** -2.3, 0)
    noise = rng.standard_normal((2, *wavenumber.shape))
    smooth = np.fft.irfft2(amplitude * (noise[0] + 1j * noise[1]), (rows, cols))
    smooth /= smooth.std()
    loc, scale = variable.stats(level)
    positive = variable.composition or variable.netcdf == "q"
    values = 0.5 * scale * np.exp(0.7 * smooth) if positive else loc + scale * smooth
    low = np.float32(values.min())
    step = 2.0 ** np.ceil(np.log2((values.max() - low) / 65535))
    return (low + np.rint((values - low) / step) * step).astype(np.float32)


def _write_member(path: Path, rng: np.random.Generator, rows: int, cols: int) -> None:
    """One file in the layout and chunks of the data store's converter."""
    levels = LEVELS[::-1] if path.name == "data_plev.nc" else [None]
    seconds = np.array([np.datetime64(t[:-1]) for t in TIMES], "datetime64[s]").astype(np.int64)
    axes: dict[str, tuple[np.ndarray, dict[str, str]]] = {
        "forecast_period": (np.zeros(1), {"units": "hours"}),
        "forecast_reference_time": (seconds, {"units": "seconds since 1970-01-01", "calendar": "proleptic_gregorian"}),
        "pressure_level": (np.array(LEVELS[::-1], np.float64), {"units": "hPa"}),
        "latitude": (regular_grid(rows, cols)[0], {"units": "degrees_north"}),
        "longitude": (regular_grid(rows, cols)[1], {"units": "degrees_east"}),
    }
    chunks = [1, 1, 7, -(-rows // 2), -(-cols // 2)]
    if levels == [None]:
        del axes["pressure_level"]
        chunks = [1, 2, rows, cols]
    with netCDF4.Dataset(path, "w") as file:
        for name, (values, attributes) in axes.items():
            file.createDimension(name, len(values))
            axis = file.createVariable(name, values.dtype, (name,))
            axis.setncatts(attributes)
            axis[:] = values
        for v in MEMBERS[path.name]:
            field = file.createVariable(
                v.netcdf, "f4", tuple(axes), zlib=True, complevel=1, shuffle=True, fill_value=np.float32(np.nan),
                chunksizes=chunks,
            )
            field.units = v.units
            both = [[_field(rng, v, level, rows, cols) for level in levels] for _ in TIMES]
            field[:] = np.array(both).reshape(field.shape)


def _make_day(folder: Path, rows: int, cols: int) -> None:
    (folder / "pair").mkdir()
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(folder / f"{DATE}.zip", "w", zipfile.ZIP_STORED) as archive:
        for name in MEMBERS:
            _write_member(folder / "pair" / name, rng, rows, cols)
            archive.write(folder / "pair" / name, name)


def _by_xarray(pair: Path) -> list[xr.Dataset]:
    loaded = []
    for name in MEMBERS:
        with xr.open_dataset(pair / name, engine="netcdf4", decode_timedelta=True) as file:
            loaded.append(file.load())
    return loaded


def _by_netcdf4(pair: Path) -> dict[str, np.ndarray]:
    loaded = {}
    for name, variables in MEMBERS.items():
        with netCDF4.Dataset(pair / name) as file:
            # Masks cost a pass over the values, and a plain reader does without.
            file.set_auto_maskandscale(False)
            loaded |= {v.netcdf: file[v.netcdf][:] for v in variables}
    return loaded


def _readers(folder: Path) -> Iterator[tuple[str, Path, Callable[[], object]]]:
    """Name, bytes read and reader of each way to both states."""
    pair, store = folder / "pair", folder / "store"
    yield "NetCDF pair, xarray", pair, lambda: _by_xarray(pair)
    yield "NetCDF pair, netCDF4", pair, lambda: _by_netcdf4(pair)
    day = read_day(pair, DATE, HOURS, LEVELS).states
    # Only here, since an older library lacks what it imports.
    from tests.cams.spellings import grib

    grib(day, folder / "day.grib", "grid_simple")
    states.write_states(day, store / f"{DATE}.zarr")
    yield "store, one state after the other", store, lambda: [states.load_state(store, t) for t in TIMES]
    yield "store, both at once (what a forward reads)", store, lambda: states.open_states(store, TIMES)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _compare(folder: Path, options: argparse.Namespace) -> None:
    readers = list(_readers(folder))
    seconds: dict[str, list[float]] = {name: [] for name, _, _ in readers}
    cpu: dict[str, list[float]] = {name: [] for name, _, _ in readers}
    for repeat in range(options.repeats + 1):
        for name, _, read in readers:
            start = time.perf_counter(), time.process_time()
            loaded = read()
            took = time.perf_counter() - start[0], time.process_time() - start[1]
            del loaded
            if repeat:  # the first round warms the cache
                seconds[name].append(took[0])
                cpu[name].append(took[1])
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    plain = min(median for name, median in medians.items() if name.startswith("NetCDF"))
    values = len(TIMES) * (len(SURFACE) + len(ATMOS) * len(LEVELS)) * 4 * options.grid[0] * options.grid[1]
    print("| reader | median s | range s | CPU s | MB/s | times the faster NetCDF reader | MB on disk |")
    print("|---|---|---|---|---|---|---|")
    for name, path, _ in readers:
        print(f"| {name} | {medians[name]:.2f} | {min(seconds[name]):.2f} to {max(seconds[name]):.2f} "
              f"| {statistics.median(cpu[name]):.2f} | {values / medians[name] / 1e6:.0f} | {plain / medians[name]:.2f} | {_size(path) / 1e6:.1f} |")


def _take_step(folder: Path, step: str) -> None:
    """Time one step; the process does nothing else, so that its peak memory is the step's."""
    store, copy = folder / "store", folder / "copy" / f"{DATE}.zarr"
    if step == "write_states":
        day = states.open_states(store, TIMES)
    elif step == "verify_states":
        digests = {t: states.state_digest(states.load_state(store, t)) for t in TIMES}
    start, cpu = time.perf_counter(), time.process_time()
    if step == "read_day of the zip":
        read_day(folder / f"{DATE}.zip", DATE, HOURS, LEVELS, work=folder)
    elif step == "read_day of the pair":
        read_day(folder / "pair", DATE, HOURS, LEVELS)
    elif step == "read_day of GRIB":
        read_day(folder / "day.grib", DATE, HOURS, LEVELS)
    elif step == "open_states":
        states.open_states(store, TIMES)
    elif step == "write_states":
        states.write_states(day, copy)
    elif step == "verify_states":
        states.verify_states(store / f"{DATE}.zarr", digests)
    took = time.perf_counter() - start, time.process_time() - cpu
    # Not ru_maxrss, which starts from the peak of the process that called this one.
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    print(*took, int(peak[1]) * 1024 / 1e9 if peak else math.nan)


def _time_steps(folder: Path, options: argparse.Namespace) -> None:
    """All steps in turn, round after round; medians."""
    libraries = {step: ROOT / "workflow" for step in STEPS}
    if options.before:
        libraries |= {f"{step}, before": options.before.absolute() / "workflow" for step in BEFORE}
    found: dict[str, list[list[float]]] = {name: [] for name in libraries}
    for _ in range(options.rounds):
        for name, library in libraries.items():
            words = [sys.executable, __file__, "--step", name.removesuffix(", before"), "--folder", str(folder)]
            environment = os.environ | {"AURORASCOPE_LIBRARY": str(library)}
            done = subprocess.run(words, env=environment, check=True, stdout=subprocess.PIPE, text=True)
            found[name].append([float(word) for word in done.stdout.split()])
    print(f"\n| step, in a process of its own, medians of {options.rounds} | s | CPU s | peak RSS, GB |\n|---|---|---|---|")
    for name, rounds in found.items():
        print(f"| {name} | " + " | ".join(f"{statistics.median(values):.2f}" for values in zip(*rounds, strict=True)) + " |")


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--grid", nargs=2, type=int, default=(451, 900), metavar=("ROWS", "COLUMNS"))
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--folder", type=Path, help="where the temporary folder is made")
    parser.add_argument("--before", type=Path, metavar="CLONE", help="an older clone to time as well")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of the steps")
    parser.add_argument("--step", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        _take_step(options.folder, options.step)
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        _make_day(folder, *options.grid)
        print(f"A day of {options.grid[0]} x {options.grid[1]}, zip of {_size(folder / 'pair') / 1e6:.0f} MB\n")
        _compare(folder, options)
        _time_steps(folder, options)


if __name__ == "__main__":
    main()
