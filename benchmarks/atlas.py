"""Time and memory of one block's atlas on the CPU, with and without nulls, beside those of encoding the same tokens.

    python benchmarks/atlas.py [--widths 512 1024] [--rows 75 --columns 150] [--snapshots 4] [--labels 30] [--k 64]
        [--rotations 125 --date-shifts 3] [--null-snapshots 1] [--threads 1]

The autoencoder is a TopK of 8 latents a channel with random weights; activations are smooth random fields, labels parts of such
fields, from 1 to 25 % of the globe. Snapshots are one a block of dates, so that there are few shifts in time; those in longitude
cost as much. Of a year's 365 dates 230 are encoded, and nulls are
compared on 60 of them, about one in four. Printed are seconds, their ratios to encoding alone, and the largest memory of the process,
mapped files included, above what it has with autoencoder, activations and one snapshot encoded. Tables are Markdown.
"""

import argparse
import dataclasses
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))

import numpy as np
import torch
from aurorascope.atlas.encoding import Source
from aurorascope.atlas.plane import Plane
from aurorascope.atlas.score import score_features
from aurorascope.atlas.settings import AtlasSettings
from aurorascope.atlas.token_labels import GridLabels, TokenLabels
from aurorascope.features.forward import encode
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.sae.initial import initial_weights
from scipy.ndimage import gaussian_filter, label

LEVELS, ROWS = 4, 4096


def _plane(rows: int, columns: int) -> Plane:
    """Tokens of one cell each, by area."""
    edges = np.sin(np.linspace(np.pi / 2, -np.pi / 2, rows + 1))
    area_y = np.rint(-np.diff(edges) / 2 / columns * 2**32).astype(np.int64)
    return Plane(LEVELS, (rows, columns), np.arange(rows), np.arange(columns), rows, columns, area_y, np.repeat(area_y, columns))


def _smooth(seed: int, shape: tuple[int, int], size: float) -> np.ndarray:
    field = gaussian_filter(np.random.default_rng(seed).standard_normal(shape), size, mode=("nearest", "wrap"))
    return field / field.std()


def _read(time_: str, n_labels: int, shape: tuple[int, int]) -> GridLabels:
    """Labels of one time: the highest parts of smooth fields."""
    fields = np.stack([_smooth(100 * int(np.datetime64(time_[:10]).astype(int)) + each, shape, 1.5 + each % 5) for each in range(n_labels)])
    shares = np.geomspace(0.01, 0.25, n_labels)
    masks = np.stack([field > np.quantile(field, 1 - share) for field, share in zip(fields, shares, strict=True)])
    numbers = np.stack([label(mask, np.ones((3, 3)))[0] for mask in masks])
    return GridLabels(masks.astype(np.uint8), numbers.astype(np.uint16), fields.astype(np.float32))


def _activations(place: int, n_plane: tuple[int, int], d: int) -> torch.Tensor:
    """(tokens, d): a few smooth fields in random directions, and noise."""
    rng = np.random.default_rng([place, d])
    fields = np.stack([_smooth(1000 * place + each, n_plane, 3).reshape(-1) for each in range(8)], axis=1)
    directions = np.random.default_rng(d).standard_normal((8, d))
    x_pd = fields @ directions
    return torch.from_numpy(np.concatenate([x_pd + rng.standard_normal(x_pd.shape) for _ in range(LEVELS)]).astype(np.float32))


def _encoding(sae: AuroraSAE, source: Source, places: np.ndarray) -> float:
    seconds = 0.0
    with torch.inference_mode():
        for x_nd in source.snapshots(places):
            start = time.perf_counter()
            for part in x_nd.split(ROWS):
                encode(sae, part)
            seconds += time.perf_counter() - start
    return seconds


def _status(key: str) -> float:
    """Memory of this process in GB: VmRSS now, or VmHWM, the most since it was last set back. Linux only."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{key}:")]
    return int(line.split()[1]) / 2**20


def _set_back() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _compile(times: list[str], settings: AtlasSettings) -> None:
    """Score something small, so that loops are compiled: once a process, however many blocks it scores."""
    with tempfile.TemporaryDirectory() as name:
        shape = 12, 24
        labels = TokenLabels(["label 0"], _plane(*shape), times, Path(name))
        for each in times:
            labels.add(_read(each, 1, shape))
        sae = AuroraSAE.from_tensors({**initial_weights(16, 64, 0, 0), "k": torch.tensor(4)})
        source = Source(times, lambda places: (_activations(place, shape, 16) for place in places.tolist()))
        score_features(sae, source, labels, settings, Path(name))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--widths", type=int, nargs="+", default=[512, 1024])
    parser.add_argument("--rows", type=int, default=75)
    parser.add_argument("--columns", type=int, default=150)
    parser.add_argument("--snapshots", type=int, default=4)
    parser.add_argument("--labels", type=int, default=30)
    parser.add_argument("--k", type=int, default=64)
    parser.add_argument("--rotations", type=int, default=125)
    parser.add_argument("--date-shifts", type=int, default=3)
    parser.add_argument("--null-snapshots", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    shape = options.rows, options.columns
    times = [f"{np.datetime64('2022-06-01') + 20 * place}T12:00:00Z" for place in range(options.snapshots)]
    settings = AtlasSettings(
        rotations=options.rotations, date_shifts=options.date_shifts, held_out_nulls=0, null_snapshots=options.null_snapshots,
        least_objects=1, least_label_blocks=1, least_distinct=1,
        # Random weights follow no label: all are compared nonetheless.
        least_f1=0.0,
    )
    print(f"{options.snapshots} snapshots of {LEVELS} x {shape[0]} x {shape[1]} tokens, {options.labels} labels, k = {options.k}, "
          f"nulls on {options.null_snapshots}, torch {torch.__version__}, threads: {options.threads}\n")
    print("| width | encoding, s | without nulls, s | ratio | with nulls, s | ratio | rotations + date shifts | memory above, GB |")
    print("|---|---|---|---|---|---|---|---|")
    _compile(times, settings)
    for d in options.widths:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            labels = TokenLabels([f"label {each}" for each in range(options.labels)], _plane(*shape), times, folder)
            for each in times:
                labels.add(_read(each, options.labels, shape))
            sae = AuroraSAE.from_tensors({**initial_weights(d, 8 * d, 0, 0), "k": torch.tensor(options.k)})
            source = Source(times, lambda places, d=d: (_activations(place, shape, d) for place in places.tolist()))
            _encoding(sae, source, np.arange(1))
            encoding = _encoding(sae, source, np.arange(options.snapshots))
            stored = {place: x_nd for place, x_nd in enumerate(source.snapshots(np.arange(options.snapshots)))}
            ready = Source(times, lambda places, stored=stored: (stored[place] for place in places.tolist()))
            with torch.inference_mode():
                kept = [encode(sae, part) for part in stored[0].split(ROWS)]
            before, seconds, n_shifts = _status("VmRSS"), [], ""
            del kept
            _set_back()
            for with_nulls in (False, True):
                # Without: the same, but no kind of null has enough shifts.
                each = settings if with_nulls else dataclasses.replace(settings, least_distinct=1 << 30)
                start = time.perf_counter()
                scored = score_features(sae, ready, labels, each, folder)
                seconds.append(time.perf_counter() - start)
                n_shifts = " + ".join(str(len(null.shifts)) for null in scored.labelled.nulls)
                del scored
            above = _status("VmHWM") - before
            print(f"| {d} | {encoding:.1f} | {seconds[0]:.1f} | {seconds[0] / encoding:.2f} | {seconds[1]:.1f} | "
                  f"{seconds[1] / encoding:.2f} | {n_shifts} | {above:.2f} |", flush=True)


if __name__ == "__main__":
    main()
