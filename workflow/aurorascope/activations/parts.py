"""What a finished snapshot leaves for the final step: offset, scale, moments, and digests of these and of its chunk."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from aurorascope.files import sha256_bytes, sha256_json, write_bytes

_LOG = logging.getLogger(__name__)
NAMES = frozenset(("offset", "scale", "mean", "m2", "norm_quantiles", "norm_quantiles_by_band", "loss", "max_abs"))


def write_tensors(path: Path, arrays: dict[str, np.ndarray], content: dict[str, Any] | None = None) -> None:
    """Write named arrays as safetensors, atomically; `content` is kept with them."""
    # One entry: safetensors puts several into another order each time.
    metadata = None if content is None else {"content": json.dumps(content, sort_keys=True)}
    write_bytes(path, save({name: np.ascontiguousarray(array) for name, array in arrays.items()}, metadata))


def tensors_digest(arrays: dict[str, np.ndarray]) -> str:
    """sha256 over names and bytes of arrays."""
    hashed = {name: sha256_bytes(memoryview(np.ascontiguousarray(array)).cast("B")) for name, array in arrays.items()}
    return sha256_json(hashed)


def write_part(path: Path, arrays: dict[str, np.ndarray], key: str, chunk_blake3: str) -> None:
    """Write one snapshot's part."""
    write_tensors(path, arrays, {"key": key, "blake3": chunk_blake3, "tensors": tensors_digest(arrays)})


def read_part(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Arrays of a part, and its content: key, digests of the chunk and of the arrays.

    Raises:
        SafetensorError, OSError, ValueError: the file is damaged.
    """
    with safe_open(path, framework="numpy") as part:
        arrays = {name: part.get_tensor(name) for name in part.keys()}  # noqa: SIM118
        return arrays, json.loads((part.metadata() or {}).get("content", "{}"))


def good_content(path: Path, snapshot: dict[str, Any]) -> dict[str, str] | None:
    """Content of a snapshot's part, or None where it is missing, damaged, or of other inputs."""
    if not path.is_file():
        return None
    try:
        arrays, content = read_part(path)
    except (SafetensorError, OSError, ValueError) as error:
        _LOG.warning("%s is damaged (%s); its snapshot will be computed again.", path, error)
        return None
    is_good = (
        set(arrays) == NAMES and content.get("key") == snapshot["key"]
        and content.get("tensors") == tensors_digest(arrays)
    )
    return content if is_good else None
