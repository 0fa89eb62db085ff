"""Digests of what every library's kernels give in this process.

`python -m aurorascope.portable.answers` prints them, under the switches that are set.
"""

import functools
import hashlib
import json
import sys
from collections.abc import Iterator

import numpy as np
import torch

from aurorascope.portable.kernels import replace_kernels
from aurorascope.portable.recorded import compare

_FUNCTIONS = torch.nn.functional
# Rows, depth and columns of products: those of the demo, of a tail, and of a real stage.
_PRODUCTS = ((7, 3, 5), (72, 32, 256), (72, 256, 32), (100, 77, 301), (24, 512, 512))


def _values(shape: tuple[int, ...], dtype: np.dtype = np.float32) -> np.ndarray:
    """Numbers in (-1, 1) that no library had a hand in: multiples of the golden ratio, less their integers."""
    n = int(np.prod(shape))
    whole = (np.arange(1, n + 1, dtype=np.uint64) * np.uint64(11400714819323198485)) >> np.uint64(40)
    return ((whole.astype(np.float64) - 2**23) / 2**23).astype(dtype).reshape(shape)


def _numpy_answers() -> Iterator[tuple[str, np.ndarray]]:
    for dtype in (np.float32, np.float64):
        x, m = _values((4001,), dtype), _values((60, 70), dtype)
        positive = np.abs(x) + dtype(0.001)
        for function in (np.sin, np.cos, np.exp, np.tanh, np.arcsin, np.arctan):
            yield f"numpy {function.__name__}", function(x)
        for function in (np.log, np.log10, np.log1p, np.sqrt):
            yield f"numpy {function.__name__}", function(positive)
        yield "numpy power", positive**x
        yield "numpy sum", np.stack([x.sum(), x.std(), x @ x])
        yield "numpy matmul", m @ m.T
        yield "numpy einsum", np.einsum("ij,ij->i", m, m)
        yield "numpy eigh", np.abs(np.linalg.eigh(np.cov(m))[1])


def _torch_answers() -> Iterator[tuple[str, torch.Tensor]]:
    for dtype in (np.float32, np.float64):
        x, m = torch.from_numpy(_values((4001,), dtype)), torch.from_numpy(_values((60, 70), dtype))
        positive = x.abs() + 0.001
        for name in ("sin", "cos", "exp", "tanh", "erf", "sigmoid", "asin", "acos", "atan"):
            yield f"torch {name}", getattr(torch, name)(x)
        for name in ("log", "log1p", "sqrt", "rsqrt"):
            yield f"torch {name}", getattr(torch, name)(positive)
        yield "torch pow", positive**1.7
        yield "torch atan2", torch.atan2(x, positive)
        yield "torch sum", torch.stack([x.sum(), x.std(), torch.linalg.vector_norm(x)])
        yield "torch softmax", m.softmax(1)
        for shape in _PRODUCTS:
            a, b = (torch.from_numpy(_values(of, dtype)) for of in (shape[:2], shape[1:]))
            yield "torch matmul", a @ b
            yield "torch matmul", b.T @ a.T
            yield "torch addmm", torch.addmm(b[0], a, b)
    yield from _layer_answers()


def _layer_answers() -> Iterator[tuple[str, torch.Tensor]]:
    """Aurora's layers, forward and backward."""
    q = torch.from_numpy(_values((1, 4, 24, 16))).requires_grad_()
    m = torch.from_numpy(_values((24, 64))).requires_grad_()
    image = torch.from_numpy(_values((2, 3, 2, 9, 12))).requires_grad_()
    kernel = torch.from_numpy(_values((16, 3, 2, 3, 3)))
    for name, found, of in (
        ("attention", _FUNCTIONS.scaled_dot_product_attention(q, q, q), q),
        ("gelu", _FUNCTIONS.gelu(m), m),
        ("layer_norm", _FUNCTIONS.layer_norm(m, (64,)), m),
        ("convolution", _FUNCTIONS.conv3d(image, kernel, stride=(2, 3, 3)), image),
    ):
        yield f"torch {name}", found.detach()
        yield f"torch {name} backward", torch.autograd.grad(found.square().sum(), of)[0]
    with torch.autocast("cpu", torch.bfloat16):
        yield "torch autocast", _FUNCTIONS.linear(m.detach(), m.detach()).float()


def compute_answers() -> dict[str, str]:
    """This process's answers: operation to the first digits of a digest of all its results' bytes; with one thread."""
    replace_kernels()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    digests: dict[str, hashlib._Hash] = {}
    for answers in (_numpy_answers(), _torch_answers()):
        for name, values in answers:
            digests.setdefault(name, hashlib.sha256()).update(np.ascontiguousarray(values).tobytes())
    torch.set_num_threads(threads)
    return {name: digest.hexdigest()[:16] for name, digest in digests.items()}


@functools.cache
def check_answers() -> None:
    """Compare this process's answers to the recorded ones (`recorded.compare`)."""
    compare(compute_answers())


if __name__ == "__main__":
    json.dump(compute_answers(), sys.stdout, indent=2)
