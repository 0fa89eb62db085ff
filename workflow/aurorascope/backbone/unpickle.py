"""Read the official static file, a pickle, without running what a pickle can run.

Only the few functions that rebuild NumPy arrays may be called; any other name in the file ends the reading before it
is imported. NumPy 1 and 2 write different module names for the same functions, so both are allowed.
"""

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from aurorascope.errors import UserError

_ALLOWED = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
    *((f"numpy.{core}.multiarray", "_reconstruct") for core in ("core", "_core")),
    *((f"numpy.{core}.numeric", "_frombuffer") for core in ("core", "_core")),
}


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it calls {module}.{name}")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def load_pickled_arrays(path: Path) -> dict[str, np.ndarray]:
    """A dict of named arrays from a pickle that holds nothing else.

    Raises:
        UserError: the file is damaged, holds anything but named arrays, or names any other function.
    """
    fix = "do not use this file; fetch the official one again"
    try:
        with open(path, "rb") as file:
            value = _ArraysOnly(file).load()
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise UserError(path, "a pickle of plain arrays", " ".join(str(error).split())[:200], fix) from error
    if not isinstance(value, dict) or not all(isinstance(v, np.ndarray) for v in value.values()):
        raise UserError(path, "a dict of arrays", type(value).__name__, fix)
    return value
