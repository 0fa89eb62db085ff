"""One digest for a set of tensors, independent of the file that holds them."""

import json

import numpy as np
import torch

from aurorascope.files import sha256_bytes


def tensor_digest(tensors: dict[str, torch.Tensor]) -> str:
    """sha256 over names, dtypes, shapes and bytes of tensors on the CPU."""
    parts = []
    for name in sorted(tensors):
        array = tensors[name].numpy()
        head = json.dumps([name, str(array.dtype), list(array.shape)])
        parts.append(head.encode() + np.ascontiguousarray(array).tobytes())
    return sha256_bytes(b"".join(parts))
