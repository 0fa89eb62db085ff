"""Clean forecasts, kept for other studies of the same dates: what an edit is compared with does not depend on the edit."""

import dataclasses
import datetime
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from aurora import Batch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from aurorascope.config.calendar import STEP, iso
from aurorascope.files import sha256_bytes, sha256_json, write_bytes

_LOG = logging.getLogger(__name__)


class CleanRuns:
    """Forecasts of one model from some states, each rollout in a file of its own under a digest of all that its numbers depend on.

    What is read back has the bits of what was computed. Only the first run of a date is shared: the second, which says how far two
    runs differ, is always computed.

    Args:
        folder: of the files; it need not be there.
        made_from: what all rollouts depend on: digests of checkpoint and static fields, settings, device.
        states: digest of each state, by its time `YYYY-MM-DDTHH:00:00Z`.
    """

    def __init__(self, folder: Path, made_from: Mapping[str, Any], states: Mapping[str, str]) -> None:
        self._folder, self._made_from, self._states = folder, dict(made_from), dict(states)

    def find(self, batch: Batch, steps: int) -> list[Batch] | None:
        """The clean forecasts of so many steps from a batch, on its device; None where they are not there, or damaged."""
        path = self._path(batch, steps)
        if not path.is_file():
            return None
        try:
            return _read(path, batch, steps)
        except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
            _LOG.warning("%s: damaged (%s); the clean run is made again.", path, error)
            return None

    def keep(self, batch: Batch, forecasts: list[Batch]) -> None:
        """Write the clean forecasts from a batch, whole or not at all.

        Raises:
            DiskError: the disk is full or read-only.
        """
        tensors = {
            f"{step}/{kind}/{name}": tensor.cpu().contiguous()
            for step, forecast in enumerate(forecasts)
            for kind, fields in (("surf", forecast.surf_vars), ("atmos", forecast.atmos_vars), ("static", forecast.static_vars))
            for name, tensor in fields.items()
        }
        tensors |= {"lat": forecasts[0].metadata.lat.cpu().contiguous(), "lon": forecasts[0].metadata.lon.cpu().contiguous()}
        write_bytes(self._path(batch, len(forecasts)), save(tensors, {"sha256": _digest(tensors)}))

    def _path(self, batch: Batch, steps: int) -> Path:
        time = batch.metadata.time[0]
        states = [self._states[iso(each)] for each in (time - STEP, time)]
        digest = sha256_json({"made_from": self._made_from, "states": states, "time": iso(time), "steps": steps})
        return self._folder / f"{digest}.safetensors"


def _digest(tensors: Mapping[str, torch.Tensor]) -> str:
    return sha256_bytes("".join(f"{name} {sha256_bytes(tensors[name].numpy().tobytes())}\n" for name in sorted(tensors)).encode())


def _read(path: Path, batch: Batch, steps: int) -> list[Batch]:
    with safe_open(path, "pt") as file:
        notes, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    if _digest(tensors) != notes["sha256"]:
        raise ValueError("other bytes than it was written with")
    device = batch.metadata.lat.device
    of = {name: tensor.to(device) for name, tensor in tensors.items()}
    found = []
    for step in range(steps):
        surface, levels, static = (
            {name: of[f"{step}/{kind}/{name}"] for name in fields}
            for kind, fields in (("surf", batch.surf_vars), ("atmos", batch.atmos_vars), ("static", batch.static_vars))
        )
        time: tuple[datetime.datetime, ...] = tuple(each + (step + 1) * STEP for each in batch.metadata.time)
        metadata = dataclasses.replace(batch.metadata, lat=of["lat"], lon=of["lon"], time=time, rollout_step=step + 1)
        found.append(dataclasses.replace(batch, surf_vars=surface, atmos_vars=levels, static_vars=static, metadata=metadata))
    return found
