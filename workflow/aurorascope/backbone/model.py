"""Build `AuroraAirPollution` at the width of a checkpoint and load that checkpoint like any other."""

import os
from pathlib import Path
from typing import Any

# Nothing may be fetched at run time: checkpoints and statics have rules of their own.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from aurora import AuroraAirPollution

from aurorascope import spec
from aurorascope.errors import UserError
from aurorascope.files import check_file, read_record, results_folder


def head_arguments(embed_dim: int) -> dict[str, Any]:
    """Constructor arguments that set the width.

    The 512-wide model is built with Aurora's own defaults. Narrower ones keep one head per 16 channels, so that a
    16-wide model still has a whole head in its first stage.
    """
    if embed_dim == spec.EMBED_DIM:
        return {}
    heads = embed_dim // 16
    return {
        "embed_dim": embed_dim,
        "num_heads": heads,
        "encoder_num_heads": [heads, 2 * heads, 4 * heads],
        "decoder_num_heads": [4 * heads, 2 * heads, heads],
    }


def build_model(arguments: dict[str, Any], autocast: bool = False) -> AuroraAirPollution:
    """A fresh model. Its residual norms start at zero, so that every block is the identity until it is trained."""
    as_tuples = {key: tuple(value) if isinstance(value, list) else value for key, value in arguments.items()}
    return AuroraAirPollution(autocast=autocast, **as_tuples)


def load_weights(model: AuroraAirPollution, path: Path, embed_dim: int) -> None:
    """Load a checkpoint file strictly through Aurora's own `load_checkpoint_local`.

    Raises:
        UserError: the file is not a checkpoint of an Aurora Air Pollution of this width.
    """
    try:
        model.load_checkpoint_local(str(path))
    except FileNotFoundError:
        raise UserError(path, "a checkpoint file", "no such file", "correct aurora.checkpoint") from None
    except Exception as error:  # torch raises many kinds for what is one thing to the user
        reason = " ".join(str(error).split())
        raise UserError(
            path,
            f"a checkpoint of {spec.CLASS} with embed_dim {embed_dim}",
            reason[:300] + ("…" if len(reason) > 300 else ""),
            "set aurora.embed_dim to the checkpoint's width, or aurora.checkpoint to another file",
        ) from error


def checkpoint_path(record: Path) -> Path:
    """The weights that a checkpoint record stands for."""
    return record.with_name("aurora.ckpt")


def load_model(record: Path, *, autocast: bool, device: torch.device) -> AuroraAirPollution:
    """The model of a checkpoint record, in eval mode, its file's digest checked.

    Raises:
        UserError: the checkpoint file is missing, altered, or not of the recorded width.
    """
    content = read_record(record, "checkpoint")
    path = checkpoint_path(record)
    check_file(path, content["sha256"], record)
    model = build_model(content["arguments"], autocast)
    load_weights(model, path, content["embed_dim"])
    return model.eval().requires_grad_(False).to(device)


def open_model(results: Path | str = "results", *, autocast: bool = False, device: torch.device | str = "cpu") -> AuroraAirPollution:
    """The Aurora of a results folder, in eval mode; users call it `aurorascope.load_model`.

    Args:
        results: the results folder.
        autocast: bfloat16 in the backbone, `aurora.autocast` of the run.
        device: where it runs.

    Raises:
        UserError: there is no such folder, or the checkpoint's record or file is missing or altered.
    """
    return load_model(results_folder(results) / "scratch" / "checkpoint" / "checkpoint.json", autocast=autocast, device=torch.device(device))
