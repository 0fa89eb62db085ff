"""The SAELens 6 form of release tensors, so that its users need none of our code."""

from typing import Any

import torch

from aurorascope.sae.architectures import RELEASED
from aurorascope.sae.aurora_sae import architecture_of

# The release whose loader the test reads our folders with; it takes any version from 6.0 on.
_VERSION = "6.54.12"
_TENSORS = ("W_enc", "b_enc", "W_dec", "b_dec", "threshold")


def saelens_files(
    tensors: dict[str, torch.Tensor], metadata: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """What cfg.json and sae_weights.safetensors of a SAELens folder hold.

    Args:
        tensors: release tensors of any architecture.
        metadata: free entries of cfg's `metadata`: hook name, block, digest. Where training had another architecture
            than the release, SAELens looks for it under `training_architecture`.

    Returns:
        The config, ready for JSON, and the tensors: W_enc (d, h), b_enc (h,), W_dec (h, d), b_dec (d,) and,
        where there is one, threshold (h,); float32, contiguous, our orientation. `k` is in the config, `signed` in its
        architecture. A pursuit has W_dec and b_dec alone, and k steps that nothing ends sooner.

    Raises:
        ValueError: the tensors are no SAE's.
    """
    architecture = architecture_of(tensors, "SAELens export")
    d_in, d_sae = tensors["W_enc"].shape
    cfg = {
        "architecture": RELEASED[architecture].saelens,
        "d_in": d_in,
        "d_sae": d_sae,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": {"sae_lens_version": _VERSION, "model_name": "microsoft/aurora", **metadata},
    }
    names = _TENSORS
    if "pursuit" in tensors:
        # What theirs would do by default: go on until a step brings nothing new or little is left.
        cfg |= {"max_iterations": int(tensors["k"]), "residual_threshold": 0.0, "stop_on_duplicate_support": False}
        names = ("W_dec", "b_dec")
    elif "k" in tensors:
        # Their own default of k is 100, whatever the SAE.
        cfg |= {"k": int(tensors["k"]), "rescale_acts_by_decoder_norm": False}
    return cfg, {name: tensors[name].detach().contiguous() for name in names if name in tensors}
