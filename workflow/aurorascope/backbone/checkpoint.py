"""The checkpoint and its record, from three sources: trained here, the published file, or a path."""

import io
import shutil
from pathlib import Path
from typing import Any

import torch

from aurorascope import spec
from aurorascope.backbone.hub import fetch_official
from aurorascope.backbone.model import build_model, checkpoint_path, head_arguments, load_weights
from aurorascope.config.model import Aurora
from aurorascope.config.paths import expanded
from aurorascope.errors import UserError
from aurorascope.files import atomic_write, sha256_file, write_bytes, write_json


def save_weights(model: torch.nn.Module, path: Path) -> None:
    """Write a model's state dict; the bytes depend on the tensors alone, not on the file's name."""
    buffer = io.BytesIO()
    torch.save({name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}, buffer)
    write_bytes(path, buffer.getbuffer())


def _copy(source: Path, target: Path) -> None:
    with open(source, "rb") as reader, atomic_write(target) as writer:
        shutil.copyfileobj(reader, writer, 1 << 20)


def make_checkpoint(config: Aurora, record: Path) -> None:
    """Put the configured checkpoint beside `record`, load it once as a check, and write the record.

    Raises:
        UserError: the file is missing, unreadable, or of another width than `aurora.embed_dim`.
    """
    target = checkpoint_path(record)
    arguments = head_arguments(config.embed_dim)
    content: dict[str, Any] = {
        "kind": "checkpoint",
        "format": 1,
        "source": config.checkpoint_kind,
        "embed_dim": config.embed_dim,
        "arguments": arguments,
        "name": None,
        "revision": None,
        "seed": None,
    }
    if config.checkpoint_kind == "demo":
        from aurorascope.backbone.demo_training import train_demo

        model, forecast_error = train_demo(config.demo, arguments)
        save_weights(model, target)
        content |= {"name": "demo", "seed": config.demo.seed, "forecast": forecast_error}
    elif config.checkpoint_kind == "official":
        _copy(fetch_official(spec.CHECKPOINT_FILE, config.revision), target)
        content |= {"name": spec.CHECKPOINT_FILE, "revision": config.revision}
    else:
        source = Path(expanded(config.checkpoint, "aurora.checkpoint"))
        if not source.is_file():
            raise UserError(source, "a checkpoint file", "no such file", "correct aurora.checkpoint in your config")
        load_weights(build_model(arguments), source, config.embed_dim)
        _copy(source, target)
        content |= {"name": source.name}
    if config.checkpoint_kind != "file":
        load_weights(build_model(arguments), target, config.embed_dim)
    write_json(record, content | {"sha256": sha256_file(target)})
