"""Weights trained on centred and scaled activations, rewritten for raw ones."""

import math

import torch

from aurorascope.sae.aurora_sae import architecture_of


def fold(tensors: dict[str, torch.Tensor], mean_d: torch.Tensor, scale: float) -> dict[str, torch.Tensor]:
    """Release tensors for raw activations x, from those trained on x' = (x - mean_d) / scale.

    The trained SAE computes z' = (x' - b_dec) W_enc + b_enc. Times s = scale this is

        z = s z' = (x - (mean + s b_dec)) W_enc + s b_enc,

    the pre-activations of an SAE with b_enc -> s b_enc and b_dec -> s b_dec + mean. Every architecture's features are
    positively homogeneous: ReLU(s z') = s ReLU(z'), scaling by s > 0 reorders nothing (the top-k family), and z' > theta
    is z > s theta, so threshold -> s threshold. Hence h = s h', in the units of x, and

        s x_hat' + mean = s (h' W_dec + b_dec) + mean = h W_dec + (s b_dec + mean).

    W_enc and W_dec stay, so rows of W_dec keep their unit norm; k and signed stay.

    Args:
        tensors: release tensors of any architecture, floating ones of any precision.
        mean_d: (d,), subtracted from the activations.
        scale: divided by.

    Returns:
        New tensors under the same names, float32 and contiguous (k int64, signed bool), computed in float64.

    Raises:
        ValueError: scale is not finite and positive, mean_d is not finite or not (d,), or the tensors are no SAE's.
    """
    scale = float(scale)
    if not (math.isfinite(scale) and scale > 0):
        raise ValueError(f"fold: expected a finite scale > 0, found {scale}. Take the one training divided by.")
    shape = tuple(tensors["b_dec"].shape) if "b_dec" in tensors else None
    if tuple(mean_d.shape) != shape or not bool(torch.isfinite(mean_d).all()):
        raise ValueError(
            f"fold: expected a finite mean_d of the shape of b_dec, {shape}; found {tuple(mean_d.shape)}, "
            f"{int((~torch.isfinite(mean_d)).sum())} not finite. Take the one training subtracted."
        )
    wide = {name: tensors[name].double() * scale for name in ("b_enc", "b_dec", "threshold") if name in tensors}
    wide["b_dec"] = wide["b_dec"] + mean_d.to(wide["b_dec"])
    folded = {name: _copy(wide.get(name, tensor)) for name, tensor in tensors.items()}
    architecture_of(folded, "fold")
    return folded


def _copy(tensor: torch.Tensor) -> torch.Tensor:
    dtype = torch.float32 if tensor.is_floating_point() else tensor.dtype
    return tensor.detach().to(dtype, copy=True, memory_format=torch.contiguous_format)
