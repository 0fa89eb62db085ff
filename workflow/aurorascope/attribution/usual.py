"""What a block usually is at each position: mean of its output and of its features over quiet dates, in a file that is read piece by piece.

Means of features are kept where they are not zero, and never all of them are in memory. While the file is being made, another holds sums
over the first dates, from which a job that was killed goes on. Several jobs may make the same means at a time: sums are each job's own.
"""

import hashlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from aurorascope.attribution.entries import ROWS, Coding, Entries, entries_of
from aurorascope.files import write_bytes
from aurorascope.sae.aurora_sae import AuroraSAE

_LOG = logging.getLogger(__name__)
_NOTE = "note"


class Usual:
    """Means over quiet dates of one block.

    Args:
        path: the file, whole and of these dates.
    """

    def __init__(self, path: Path) -> None:
        # Opened at each look: pages of a file that stays open count as this process's memory.
        self._path = path
        self._ends = self._read("ends")

    @property
    def n_tokens(self) -> int:
        """Tokens of the block."""
        return len(self._ends) - 1

    def output(self, first: int = 0, last: int | None = None) -> torch.Tensor:
        """x_bar at neighbouring tokens, from `first` up to `last`, (tokens, d) float32 in the computer's memory."""
        return torch.from_numpy(self._read("x", first, self.n_tokens if last is None else last))

    def entries(self, first: int = 0, last: int | None = None) -> Entries:
        """Position means b at neighbouring tokens, where it is not zero."""
        ends = self._ends[first : (self.n_tokens if last is None else last) + 1]
        return Entries(ends - ends[0], *(self._read(name, ends[0], ends[-1]) for name in ("feature", "value")))

    def _read(self, name: str, first: int = 0, last: int | None = None) -> np.ndarray:
        with safe_open(self._path, "numpy") as file:
            # Of an empty part the file gives no slice.
            return file.get_tensor(name)[:0] if first == last else file.get_slice(name)[first:last]


class UsualFile:
    """The file of one block, made date by date.

    Args:
        means: the file, in a folder under a digest of all that the numbers depend on.
        sums: of this job alone, under that digest, too.
        n_dates: quiet dates.
    """

    def __init__(self, means: Path, sums: Path, n_dates: int) -> None:
        self._means, self._sums, self._n_dates = means, sums, n_dates

    def n_done(self) -> int:
        """How many dates are in it."""
        if _is_whole(self._means):
            return self._n_dates
        return _note(self._sums)["n_dates"] if _is_whole(self._sums) else 0

    def add(self, place: int, sae: AuroraSAE, x_nd: torch.Tensor) -> None:
        """Add a date.

        Args:
            place: of the date among the quiet ones, ascending; those before it are in the file.
            sae: the block's.
            x_nd: the block's output, (n_tokens, d) float32.

        Raises:
            DiskError: the disk is full or read-only.
        """
        before = _read(self._sums) if place else None
        sums = _added(before, sae, x_nd)
        if place + 1 < self._n_dates:
            write_bytes(self._sums, _packed(sums, place + 1))
            return
        means = {**sums, **{name: (sums[name] / self._n_dates).astype(np.float32) for name in ("x", "value")}}
        write_bytes(self._means, _packed(means, self._n_dates))
        self._sums.unlink(missing_ok=True)

    def open(self) -> Usual:
        """The means, once all dates are in."""
        return Usual(self._means)


def _added(before: Mapping[str, np.ndarray] | None, sae: AuroraSAE, x_nd: torch.Tensor) -> dict[str, np.ndarray]:
    """Sums with one more date: of the output, float64, and of features, float64, where any date has one on."""
    coding, x = Coding.of(sae), x_nd.cpu().numpy()
    counts, features, values = [], [], []
    for first in range(0, len(x), ROWS):
        last = min(first + ROWS, len(x))
        new = entries_of(sae, x_nd[first:last])
        total_tf = np.zeros((last - first) * coding.n)
        if before is not None:
            ends = before["ends"][first : last + 1]
            old = Entries(ends - ends[0], before["feature"][ends[0] : ends[-1]], before["value"][ends[0] : ends[-1]])
            total_tf[old.tokens() * coding.n + old.feature] = old.value
        # No feature is on twice at a token.
        total_tf[new.tokens() * coding.n + new.feature] += new.value
        places = np.flatnonzero(total_tf)
        counts.append(np.bincount(places // coding.n, minlength=last - first))
        features.append((places % coding.n).astype(np.int32))
        values.append(total_tf[places])
    ends = np.concatenate([[0], np.cumsum(np.concatenate(counts), dtype=np.int64)])
    x_sum = x.astype(np.float64) if before is None else before["x"] + x
    return {"x": x_sum, "ends": ends, "feature": np.concatenate(features), "value": np.concatenate(values)}


def _packed(tensors: Mapping[str, np.ndarray], n_dates: int) -> bytes:
    tensors = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    # One entry, since the order of several is not always the same.
    return save(tensors, {_NOTE: json.dumps({"n_dates": n_dates, "sha256": _digest(tensors)})})


def _digest(tensors: Mapping[str, np.ndarray]) -> str:
    found = hashlib.sha256()
    for name in sorted(tensors):
        found.update(f"{name} {tensors[name].dtype} {tensors[name].shape}\n".encode())
        found.update(tensors[name].data)
    return found.hexdigest()


def _read(path: Path) -> dict[str, np.ndarray]:
    with safe_open(path, "numpy") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping


def _note(path: Path) -> dict[str, Any]:
    with safe_open(path, "numpy") as file:
        return json.loads(file.metadata()[_NOTE])


def _is_whole(path: Path) -> bool:
    """Whether a file is there with the bytes that it was written with; of one that is not, the log says so."""
    if not path.is_file():
        return False
    try:
        if _digest(_read(path)) != _note(path)["sha256"]:
            raise ValueError("other bytes than it was written with")
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        _LOG.warning("%s: damaged (%s); quiet dates are looked at again.", path, error)
        return False
    return True
