"""Train a small Aurora on the demo atmosphere, so that its 48 blocks do something.

A fresh Aurora is the identity: every residual norm starts at zero, all blocks of a stage would output the same tensor,
and 48 SAEs would see six. The demo therefore trains a narrow `AuroraAirPollution`, begun as `demo_start` says, on
next-step forecasts until it beats persistence on dates it has not seen; both errors go to the log and into the
checkpoint's record.
"""

import datetime
import functools
import logging
from typing import Any

import torch
from aurora import AuroraAirPollution, Batch

from aurorascope.backbone.batch import make_batch
from aurorascope.backbone.demo_start import begin, fixed_inputs
from aurorascope.backbone.model import build_model
from aurorascope.cams.demo import demo_state, demo_static
from aurorascope.cams.grid import regular_grid
from aurorascope.cams.variables import LEVELS
from aurorascope.config.calendar import STEP, iso
from aurorascope.config.model import DemoTraining
from aurorascope.errors import UserError
from aurorascope.progress import Progress

_LOG = logging.getLogger(__name__)
_FIRST_DAY = datetime.datetime(2021, 1, 1, tzinfo=datetime.UTC)
_N_TRAIN_DAYS = 300
_UNSEEN = [datetime.datetime(2022, month, 9, 12, tzinfo=datetime.UTC) for month in (2, 5, 8, 11)]
_PEAK_LR = 3e-3
# Of a matrix in the backbone, times the number of its inputs: Adam moves all weights by the same step, so what they do
# together grows with that number (Yang et al. 2022). At the heads' rate, the first steps fill the stream with what all dates
# share, before the heads have learnt to read the rest, and the forecast does without the merged grids from then on.
_BACKBONE_LR = 0.5 * _PEAK_LR


class _Forecasts:
    """Pairs of input batch and the normalised state 12 hours later, made on demand."""

    def __init__(self, model: AuroraAirPollution, grid: tuple[int, int]) -> None:
        self.lat, self.lon = regular_grid(*grid)
        self.static = demo_static(self.lat, self.lon)
        self.model = model
        # Making a state takes a seventh of a step, and a forecast and its truth share one.
        self._state = functools.lru_cache(maxsize=2)(lambda t: demo_state(t, self.lat, self.lon, LEVELS))

    def batch(self, time: datetime.datetime) -> Batch:
        states = [self._state(t) for t in (time - STEP, time)]
        return make_batch(*states, time=iso(time), static=self.static)

    def normalised(self, batch: Batch, index: int) -> dict[str, torch.Tensor]:
        """Normalised fields of one time of a batch, rows cropped as Aurora does, keyed by variable."""
        cropped = batch.normalise(surf_stats=self.model.surf_stats).crop(patch_size=self.model.patch_size)
        return {k: v[:, index] for part in (cropped.surf_vars, cropped.atmos_vars) for k, v in part.items()}

    def error(self, time: datetime.datetime) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean squared error of the 12-hour forecast and of persistence, over all normalised variables."""
        batch, later = self.batch(time), self.batch(time + STEP)
        truth, now = self.normalised(later, 1), self.normalised(batch, 1)
        forecast = self.normalised(self.model(batch), 0)
        model_error = torch.stack([((forecast[k] - truth[k]) ** 2).mean() for k in truth]).mean()
        persistence = torch.stack([((now[k] - truth[k]) ** 2).mean() for k in truth]).mean()
        return model_error, persistence


def _unseen_error(forecasts: _Forecasts) -> dict[str, float]:
    forecasts.model.eval()
    with torch.no_grad():
        pairs = [forecasts.error(time) for time in _UNSEEN]
    forecasts.model.train()
    model, persistence = (float(torch.stack(values).mean()) for values in zip(*pairs, strict=True))
    return {"mse": model, "persistence_mse": persistence}


def _trained(model: AuroraAirPollution) -> list[dict[str, Any]]:
    """Adam's groups, "lr" the peak.

    Embeddings of inputs that say nothing of the atmosphere, and the backbone's biases and norms, are left out: they move
    all tokens of all dates alike, and do so fastest.
    """
    fixed = {id(weights) for _, _, weights in fixed_inputs(model)}
    rates: dict[float, list[torch.nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        inside = name.startswith("backbone.")
        moves_all = inside and (parameter.ndim == 1 or "ln_modulation" in name or "time_mlp" in name)
        if moves_all or id(parameter) in fixed:
            parameter.requires_grad_(False)
        else:
            rates.setdefault(_BACKBONE_LR / parameter.shape[1] if inside else _PEAK_LR, []).append(parameter)
    return [{"params": parameters, "lr": rate} for rate, parameters in rates.items()]


def _fit(forecasts: _Forecasts, config: DemoTraining) -> None:
    """Begin the model anew and train it, one forecast a step."""
    model = forecasts.model.train()
    begin(model, forecasts.batch(_FIRST_DAY).normalise(surf_stats=model.surf_stats).static_vars)
    days = torch.randperm(_N_TRAIN_DAYS, generator=torch.Generator().manual_seed(config.seed)).tolist()
    groups = _trained(model)
    trained = [parameter for group in groups for parameter in group["params"]]
    optimiser = torch.optim.Adam(groups)
    peaks = [group["lr"] for group in groups]
    # A tenth of 10 steps would be a rise of no length, which torch divides by.
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, peaks, total_steps=max(config.steps, 11), pct_start=0.1, cycle_momentum=False
    )
    progress = Progress("Training the demo Aurora", config.steps, "step")
    for step in range(config.steps):
        time = _FIRST_DAY + datetime.timedelta(days=days[step % _N_TRAIN_DAYS], hours=12)
        loss, _ = forecasts.error(time)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        schedule.step()
        progress.step(f"loss {loss.item():.4f}")
    progress.close()


def train_demo(config: DemoTraining, arguments: dict[str, Any]) -> tuple[AuroraAirPollution, dict[str, float]]:
    """Train the demo checkpoint.

    Args:
        config: grid, steps and seed.
        arguments: constructor arguments of the model.

    Returns:
        The model, and the mean squared errors (normalised units) of its 12-hour forecast and of persistence on dates
        of a year it has not seen.

    Raises:
        UserError: the forecast does not beat persistence.
    """
    torch.manual_seed(config.seed)
    forecasts = _Forecasts(build_model(arguments), config.grid)
    _fit(forecasts, config)
    error = _unseen_error(forecasts)
    _LOG.info(
        "12-hour forecast on unseen dates: mean squared error %.4f, persistence %.4f (normalised units).",
        error["mse"],
        error["persistence_mse"],
    )
    if error["mse"] >= error["persistence_mse"]:
        raise UserError(
            "the demo checkpoint",
            f"a forecast error below persistence ({error['persistence_mse']:.4f})",
            f"{error['mse']:.4f}",
            "raise aurora.demo.steps",
        )
    return forecasts.model.eval(), error
