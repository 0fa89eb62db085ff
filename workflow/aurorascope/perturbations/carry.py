"""What of a forecast's change Aurora's output carries past the backbone, and what the backbone does.

For composition Aurora predicts `model + (1 + mod) * prev`, with prev the state of 24 h before the forecast (PM, NO, NO2) or of 12 h
before it (CO, SO2, O3): a plume that is put into the input is in the forecast though no block saw it. The carried forecast is the
one with the clean run's `model` and `mod` and the changed input's `prev`. Of the change it has its part, and the rest is the
backbone's, encoder and decoder included.

Nothing of Aurora is written again: its own forward runs on the changed input while its decoder returns what it returned on the
clean one, so that clipping and scales are Aurora's.
"""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from aurora import AuroraAirPollution, Batch

from aurorascope.backbone.replay import returning
from aurorascope.cams.variables import ATMOS, SURFACE

Fields = dict[str, np.ndarray]


@dataclass(frozen=True)
class ForecastChange:
    """A forecast's change by Aurora's name of each variable, in its units, float64, ([level,] rows, columns), rows as Aurora predicts them.

    Attributes:
        clean: the clean forecast itself, float32.
        total: the changed forecast minus the clean one.
        carry: the carried forecast minus the clean one.
        backbone: the changed forecast minus the carried one; `total` to float64's last bits when added to `carry`.
    """

    clean: Fields
    total: Fields
    carry: Fields
    backbone: Fields


def forecast_fields(forecast: Batch) -> Fields:
    """The 22 variables of a forecast by Aurora's name, float32, ([level,] rows, columns)."""
    surface = {v.aurora: forecast.surf_vars[v.aurora] for v in SURFACE}
    atmos = {v.aurora: forecast.atmos_vars[v.aurora] for v in ATMOS}
    return {name: values[0, -1].float().cpu().numpy() for name, values in (surface | atmos).items()}


def split_change(model: AuroraAirPollution, clean: Batch, changed: Batch) -> ForecastChange:
    """Both parts of a forecast's change, from one clean and one changed input: two forwards and a decoder's end.

    Args:
        model: the model, in eval mode.
        clean: its input, batch size 1, on the model's device.
        changed: the changed input, of the same grid and time.

    Returns:
        The change 12 hours ahead. Where the inputs differ in no `prev`, the carry is 0 everywhere, as it is for weather.

    Raises:
        ValueError: the inputs differ in grid, levels, time or step.
    """
    _check_alike(clean, changed)
    with torch.inference_mode():
        with decoded(model) as kept:
            clean_forecast = forecast_fields(model(clean))
        changed_forecast = forecast_fields(model(changed))
    carried = forecast_fields(carried_forecast(model, kept["output"], changed))
    return ForecastChange(
        clean_forecast,
        total=_difference(changed_forecast, clean_forecast),
        carry=_difference(carried, clean_forecast),
        backbone=_difference(changed_forecast, carried),
    )


def _difference(a: Mapping[str, np.ndarray], b: Mapping[str, np.ndarray]) -> Fields:
    return {name: a[name].astype(np.float64) - b[name] for name in a}


def _check_alike(clean: Batch, changed: Batch) -> None:
    one, other = clean.metadata, changed.metadata
    for name in ("time", "atmos_levels", "rollout_step"):
        if getattr(one, name) != getattr(other, name):
            raise ValueError(f"the inputs differ in {name}: {getattr(one, name)} and {getattr(other, name)}")
    if not (torch.equal(one.lat, other.lat) and torch.equal(one.lon, other.lon)):
        raise ValueError("the inputs lie on different grids")


def carried_forecast(model: AuroraAirPollution, output: Any, changed: Batch) -> Batch:
    """Aurora's own forward on a changed input while its decoder returns what it returned on the clean one.

    Args:
        model: the model.
        output: what `decoded` kept of the clean forward.
        changed: the changed input.
    """
    with torch.inference_mode(), returning({model.encoder: None, model.backbone: None, model.decoder: output}):
        return model(changed)


@contextlib.contextmanager
def decoded(model: AuroraAirPollution) -> Iterator[dict[str, Any]]:
    """Keep what the decoder returned last inside the `with`, under "output"."""
    found: dict[str, Any] = {}

    def keep(_module: torch.nn.Module, _args: tuple, output: Any) -> None:
        found["output"] = output

    handle = model.decoder.register_forward_hook(keep)
    try:
        yield found
    finally:
        handle.remove()
