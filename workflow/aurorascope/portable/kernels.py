"""Replacements of the few CPU kernels of torch that no switch pins.

MKL's vector functions begin some of their results with the processor's approximate reciprocals (RCPPS, RSQRTPS), whose
last bits are the maker's choice, and refine them: square roots, of all things, came out otherwise on an AMD than on an
Intel CPU, on every path of MKL. NumPy computes them with the exact instruction, or with the C library.
"""

import warnings

import numpy as np
import torch

_REPLACED: dict[str, np.ufunc] = {
    "sqrt": np.sqrt, "log": np.log, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan,
}
# Torch's registrations end with the object that made them.
_LIBRARIES: list[torch.library.Library] = []


def are_replaced() -> bool:
    """Whether this process computes portably."""
    return bool(_LIBRARIES)


def replace_kernels() -> None:
    """Have torch compute square roots, logarithms and arc functions on the CPU with NumPy, for the rest of this process."""
    if are_replaced():
        return
    library = torch.library.Library("aten", "IMPL")
    with warnings.catch_warnings():
        # It says of each that a kernel is there already.
        warnings.simplefilter("ignore")
        for name, function in _REPLACED.items():
            _register(library, name, function)
    _LIBRARIES.append(library)


def _register(library: torch.library.Library, name: str, function: np.ufunc) -> None:
    def compute(x: torch.Tensor) -> torch.Tensor:
        # As torch does: whole numbers give the default type, and half precision is computed in single.
        dtype = x.dtype if x.is_floating_point() or x.is_complex() else torch.get_default_dtype()
        values = x.detach().resolve_conj().resolve_neg().to(torch.float32 if dtype.itemsize < 4 else dtype)
        found = torch.empty_like(values)
        with np.errstate(all="ignore"):
            function(values.numpy(), out=found.numpy())
        return found.to(dtype)

    def compute_in_place(x: torch.Tensor) -> torch.Tensor:
        return x.copy_(compute(x))

    def compute_into(x: torch.Tensor, *, out: torch.Tensor) -> torch.Tensor:
        values = compute(x)
        return out.resize_(values.shape).copy_(values)

    library.impl(name, compute, "CPU")
    library.impl(f"{name}_", compute_in_place, "CPU")
    library.impl(f"{name}.out", compute_into, "CPU")
