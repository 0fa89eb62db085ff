"""Stand-ins whose attributions are known, and what they are made with."""

import dataclasses

import torch
from aurorascope.attribution.quiet import make_usual
from aurorascope.attribution.usual import UsualFile
from aurorascope.attribution.value import Value
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.studies.outcomes import Linear

from tests.interventions.linear import BLOCKS, WIDTH
from tests.studies.linear import Forecasting, batch_of

QUIET = {f"2022-07-{day:02d}": batch_of(0.5 + 0.3 * at, day, month=7) for at, day in enumerate((3, 9, 15))}
DAY = batch_of(1.3, 2)
OUTCOME = {"name": "warmth", "variable": "2t", "region": {"disk": [0.0, 120.0, 6000.0]}}


def value_of(batch=DAY, **changes):
    """What is attributed, on a date."""
    given = {key: value for key, value in (OUTCOME | changes).items() if value is not None}
    return Value(Linear.read("the outcome", given), batch, None)


class Bent(Forecasting):
    """Forecasts are the squares of linear ones."""

    def bend(self, field):
        return (field - 0.1) ** 2

    def forward(self, batch, lead_times=None):
        forecast = super().forward(batch)
        return dataclasses.replace(forecast, surf_vars={name: self.bend(field) for name, field in forecast.surf_vars.items()})


class Gated(Forecasting):
    """Channels go through GELU before they are forecasts."""

    def __init__(self):
        super().__init__()
        self.gelu = torch.nn.GELU()

    def decode(self, x_bnd, batch):
        return super().decode(self.gelu(x_bnd), batch)


class Wavy(Bent):
    """Forecasts go up and down many times where linear ones go from a day's to usual ones."""

    def bend(self, field):
        return torch.sin(300 * field)


def usual_of(folder, model, saes, quiet=QUIET):
    """Position means of blocks on quiet dates."""
    files = {block: UsualFile(folder / block.id / "means.safetensors", folder / block.id / "sums.safetensors", len(quiet)) for block in saes}
    return make_usual(model, saes, quiet, sorted(quiet), files)


def parts_of_x(n_silent=8):
    """An SAE without an error: features are the channels' parts above and below zero, and some that are always off."""
    d, h = WIDTH, WIDTH * 3
    W_enc, W_dec = torch.zeros(d, h), torch.zeros(h, d)
    W_enc[:, :d], W_enc[:, d : 2 * d] = torch.eye(d), -torch.eye(d)
    W_dec[:d], W_dec[d : 2 * d] = torch.eye(d), -torch.eye(d)
    W_dec[2 * d :, 0] = 1
    b_enc = torch.zeros(h)
    b_enc[2 * d :] = -100
    return AuroraSAE.from_tensors({"W_enc": W_enc, "b_enc": b_enc, "W_dec": W_dec, "b_dec": torch.zeros(d)})


__all__ = ["BLOCKS", "DAY", "OUTCOME", "QUIET", "WIDTH", "Bent", "Forecasting", "parts_of_x", "usual_of", "value_of"]
