"""The clean run of one date, step by step on disk, so that a long rollout holds no more than one step in memory.

Arms compare each of their steps with the clean forecast of that step; whoever keeps all of those in memory holds more with every step.
"""

import dataclasses
import functools
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import torch
from aurora import Batch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from aurorascope.studies.fields import Field, fields_of

_PARTS = ("surf_vars", "atmos_vars")


@dataclasses.dataclass(frozen=True, eq=False)
class KeptForecast:
    """A forecast on disk.

    Attributes:
        path: the file.
        fields: its fields, in the forecast's order.
    """

    path: Path
    fields: tuple[Field, ...]

    def values(self, field: Field) -> np.ndarray:
        """A field, (rows, columns) float64."""
        return self._file.get_tensor(_key(field)).double().numpy()

    @functools.cached_property
    def _file(self) -> Any:
        # Opened once: arms read each field of each step.
        return safe_open(self.path, "pt")


class Kept:
    """A folder of its own, gone with this object.

    Args:
        scratch: the folder that it lies in; None for the system's.
    """

    def __init__(self, scratch: Path | None) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="study-", dir=scratch))
        self.close = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self._forecasts: dict[int, KeptForecast] = {}
        self._without_states: Batch | None = None
        self._order: dict[str, list[str]] = {}

    def put_forecast(self, step: int, forecast: Batch) -> None:
        """Keep the newest state of a forecast of one member."""
        fields, path = fields_of(forecast), self._folder / f"forecast-{step}.safetensors"
        levels = [int(level) for level in forecast.metadata.atmos_levels]
        tensors = {}
        for name, level in fields:
            tensor = forecast.surf_vars[name][0, -1] if level is None else forecast.atmos_vars[name][0, -1, levels.index(level)]
            tensors[_key((name, level))] = tensor.cpu().contiguous()
        save_file(tensors, path)
        self._forecasts[step] = KeptForecast(path, fields)

    def take_forecast(self, step: int, forecast: KeptForecast) -> None:
        """Take one that lies elsewhere, and stays there."""
        self._forecasts[step] = forecast

    def forecast(self, step: int) -> KeptForecast:
        """That of a step, from 0."""
        return self._forecasts[step]

    def put_output(self, step: int, block_id: str, x_nd: torch.Tensor) -> None:
        """Keep a block's output, (n_tokens, d)."""
        save_file({"x": x_nd.cpu().contiguous()}, self._output(step, block_id))

    def output(self, step: int, block_id: str, device: torch.device) -> torch.Tensor:
        """A block's output in a step, (n_tokens, d)."""
        return load_file(self._output(step, block_id), device=str(device))["x"].clone()

    def _output(self, step: int, block_id: str) -> Path:
        return self._folder / f"{block_id}-{step}.safetensors"

    def put_input(self, batch: Batch) -> None:
        """Keep an input of Aurora's."""
        tensors = {f"{part}/{name}": tensor.cpu().contiguous() for part in _PARTS for name, tensor in getattr(batch, part).items()}
        save_file(tensors, self._folder / "input.safetensors")
        # Statics are those of the date's own input, and no copies.
        self._order = {part: list(getattr(batch, part)) for part in _PARTS}
        self._without_states = dataclasses.replace(batch, **{part: {} for part in _PARTS})

    def input(self, device: torch.device) -> Batch:
        """The input that was kept."""
        found = load_file(self._folder / "input.safetensors", device=str(device))
        # The file sorts names, and Aurora sums over variables in their order. In it a tensor begins anywhere, and kernels may round by that.
        parts = {part: {name: found[f"{part}/{name}"].clone() for name in names} for part, names in self._order.items()}
        return dataclasses.replace(self._without_states, **parts)


def _key(field: Field) -> str:
    return f"{field[0]}/{'surface' if field[1] is None else field[1]}"
