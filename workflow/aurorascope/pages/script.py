"""Data as scripts, which pages can load from a folder: browsers refuse to `fetch` what lies beside a file."""

import base64
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from aurorascope.files import write_text

STORE = "AURORASCOPE_ATLAS"
_DIGITS = 4


def write_script(path: Path, key: str, value: Any) -> int:
    """Write a script that puts a value under a key of `window.AURORASCOPE_ATLAS`; returns its size in bytes.

    ASCII alone, so that no character of a name means anything to a browser, whatever encoding it takes the file for.
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    text = f"(window.{STORE} = window.{STORE} || {{}})[{json.dumps(key)}] = {text};\n".replace("<", "\\u003c")
    write_text(path, text)
    return len(text)


def rounded(values: Any, digits: int = _DIGITS) -> list[float | None]:
    """Numbers with so many digits that count; None for those that are not finite."""
    return [float(f"{value:.{digits}g}") if math.isfinite(value) else None for value in np.asarray(values, np.float64).tolist()]


def packed(values: np.ndarray, top: float) -> str:
    """Values from 0 to `top` as bytes in base64, in steps of top / 255; what is above 0 is at least 1, what is missing is 0."""
    values = np.nan_to_num(np.asarray(values, np.float64), nan=0.0)
    scaled = np.rint(np.clip(values / top, 0, 1) * 255) if top > 0 else np.zeros(values.shape)
    return base64.b64encode(np.maximum(scaled, values > 0).astype(np.uint8).tobytes()).decode()


def coded(words: list[str]) -> tuple[list[str], list[int]]:
    """Different words, sorted, and the place of each word among them."""
    different = sorted(set(words))
    place = {word: at for at, word in enumerate(different)}
    return different, [place[word] for word in words]


def in_pieces(sizes: list[int], most: int) -> list[tuple[int, int]]:
    """First and end of each piece, where items of such sizes are shared out in order into pieces of at most `most`, one item at least."""
    starts, held = [0] if sizes else [], 0
    for place, size in enumerate(sizes):
        if place > starts[-1] and held + size > most:
            starts.append(place)
            held = 0
        held += size
    return list(zip(starts, [*starts[1:], len(sizes)], strict=True)) if sizes else []
