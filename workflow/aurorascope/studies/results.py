"""What results of studies share: numbers that JSON has words for, and a digest of everything."""

import hashlib
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd


def plain(value: Any) -> Any:
    """Numbers that are not finite as None, which JSON has a word for."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def digest_of(summary: dict[str, Any], tables: Iterable[pd.DataFrame], arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 over the bytes of all numbers and names."""
    found = hashlib.sha256(repr(summary).encode())
    for table in tables:
        for name in table:
            column = table[name]
            found.update(name.encode())
            found.update(column.to_numpy().tobytes() if column.dtype.kind in "fi" else repr(column.tolist()).encode())
    for name, array in arrays.items():
        found.update(name.encode() + array.tobytes())
    return found.hexdigest()
