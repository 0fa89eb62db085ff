"""How much memory a training needs beside its data, and the largest micro-batch that fits."""

import logging

import torch

from aurorascope.config.model import Sae
from aurorascope.config.sae import n_at_once
from aurorascope.errors import UserError
from aurorascope.memory import available_bytes
from aurorascope.sae.architectures import ARCHITECTURES
from aurorascope.training import mutual
from aurorascope.units import size

_LOG = logging.getLogger(__name__)
_ROWS = {"cpu": 1024, "cuda": 32768}
_LEAST_ROWS = 64
# Parameters, gradient (W_dec's twice), two moments; what a step makes besides.
_COPIES = 6
_SHARE = 0.9


def needed_bytes(config: Sae, d_model: int, rows: int, batch_rows: int) -> int:
    """Bytes that a training takes beside the stored activations: weights, moments, one micro-batch and one batch.

    With `mutual_weight` those of two SAEs, and cosines of their directions.
    """
    h = d_model * config.expansion
    # Of anchored directions two sets, and the centroids.
    architecture = ARCHITECTURES[config.architecture]
    n_matrices = 3 if architecture.anchored else 2
    weights = 4 * _COPIES * (n_matrices * d_model * h + h + d_model)
    micro = 4 * rows * (architecture.latent_arrays * h + 3 * d_model)
    n = n_at_once(config)
    # Of so many rows of one with all of the other, and once more transposed.
    cosines = 2 * 4 * min(mutual.ROWS, h) * h if n > 1 else 0
    return n * (weights + micro) + cosines + 2 * 4 * batch_rows * d_model


def usual_rows(batch_rows: int, device: torch.device) -> int:
    """Rows of a micro-batch on a kind of device, where memory is no question."""
    return min(_ROWS[device.type], batch_rows)


def micro_batch(config: Sae, d_model: int, batch_rows: int, device: torch.device, free: int | None = None) -> int:
    """Rows of a micro-batch: the usual number for the device, halved until a training fits.

    Args:
        config: the SAE's configuration.
        d_model: channels.
        batch_rows: rows of one step.
        device: where it is trained.
        free: bytes that are free there; None asks the GPU, or how much this process may still take (`aurorascope.memory`).

    Raises:
        UserError: not even the least micro-batch fits.
    """
    if free is None and device.type == "cuda":
        # What an earlier training of this process gave back counts as free.
        torch.cuda.empty_cache()
    if free is None:
        free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else available_bytes()
    rows = usual = usual_rows(batch_rows, device)
    while needed_bytes(config, d_model, rows, batch_rows) > _SHARE * free:
        if rows <= _LEAST_ROWS:
            raise UserError(
                f"memory of {device}", f"{size(needed_bytes(config, d_model, rows, batch_rows))} to train this SAE",
                f"{size(free)} free", "lower sae.expansion, or use a machine (on a cluster: a job, by mem_mb) with more memory",
            )
        rows = max(_LEAST_ROWS, rows // 2)
    _LOG.info(
        "Training takes %s beside the activations, in micro-batches of %d rows; %s are free.",
        size(needed_bytes(config, d_model, rows, batch_rows)), rows, size(free),
    )
    if rows < usual:
        _LOG.warning("The micro-batch was halved from %d to %d rows, which changes the last bits of sums.", usual, rows)
    return rows
