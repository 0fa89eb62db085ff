"""Arms that have run, each kept in a file of its own, so that a study that was killed goes on with the next one."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from aurorascope.files import sha256_bytes, write_bytes
from aurorascope.studies.study_kind import Key

_LOG = logging.getLogger(__name__)
_SUFFIX = ".safetensors"


class Packing(Protocol):
    """How what was measured is kept; a kind of study says it."""

    def pack(self, measured: Any) -> tuple[Any, dict[str, np.ndarray]]:
        """Plain JSON, and arrays by name."""

    def unpack(self, rows: Any, arrays: dict[str, np.ndarray]) -> Any:
        """What was packed."""


class KeptArms:
    """The arms of one study, in a folder that holds those of one digest alone.

    Numbers are kept exactly: in JSON as Python writes a float64, which reads back the same, and arrays as they are.

    Args:
        folder: it need not be there.
        packing: of what was measured.
    """

    def __init__(self, folder: Path, packing: Packing) -> None:
        self._folder, self._packing = folder, packing

    def keep(self, key: Key, measured: Any) -> None:
        """Write what was measured of an arm, whole or not at all.

        Raises:
            DiskError: the disk is full or read-only.
        """
        rows, arrays = self._packing.pack(measured)
        # A view or a transposed array would be written in the order of its memory.
        arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        text = json.dumps({"key": key, "rows": rows})
        date, name = key
        write_bytes(self._folder / f"{date}_{name}{_SUFFIX}", save(arrays, {"measured": text, "sha256": _digest(text, arrays)}))

    def read(self) -> dict[Key, Any]:
        """What was measured of all arms that are whole; of one that is not, the log says so, and it runs again."""
        found = {}
        for path in sorted(self._folder.glob(f"[!.]*{_SUFFIX}")):
            try:
                key, rows, arrays = _read(path)
            except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
                _LOG.warning("%s: damaged (%s); this arm runs again.", path, error)
                continue
            found[key] = self._packing.unpack(rows, arrays)
        return found


def _read(path: Path) -> tuple[Key, dict[str, Any], dict[str, np.ndarray]]:
    with safe_open(path, "numpy") as file:
        notes, arrays = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    text = notes["measured"]
    if _digest(text, arrays) != notes["sha256"]:
        raise ValueError("other bytes than it was written with")
    kept = json.loads(text)
    return (kept["key"][0], kept["key"][1]), kept["rows"], arrays


def _digest(text: str, arrays: Mapping[str, np.ndarray]) -> str:
    parts = [f"{name} {arrays[name].dtype} {arrays[name].shape} {sha256_bytes(arrays[name].tobytes())}" for name in sorted(arrays)]
    return sha256_bytes("\n".join([text, *parts]).encode())
