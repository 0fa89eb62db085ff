"""A small Aurora whose encoder writes one channel a variable and whose blocks return what they are given: what responds is known beforehand.

It has Aurora's own forward, history, output skip and rollout. Its decoder's heads answer 0, so that the forecast is what the skip
carries, but for the heads that a test asks to see the input.
"""

import dataclasses

import torch
from aurorascope.backbone.model import build_model, head_arguments
from aurorascope.perturbations.inputs import Inputs
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.studies import read_input_study
from aurorascope.studies.where import cells_of

from tests.backbone import small

BLOCK, DEEP = "encoder_s0_b3", "encoder_s0_b5"
WIDTH = 32
VARIABLES = ("2t", "10u", "10v", "msl", "pm1", "pm2p5", "pm10", "tcco", "tc_no", "tcno2", "gtco3", "tcso2", "z", "u", "v", "t", "q", "co", "no", "no2",
             "go3", "so2")
DATES = ("2022-06-01", "2022-06-02", "2022-06-13")
DISK = {"disk": [30.0, 100.0, 4000.0], "taper_km": 2000.0}

PLUME = {"add_plume": {"variable": "no2", "kg": 3e8, "region": DISK, "levels": [850, 925, 1000]}}
SMOKE = {"kind": "linear", "name": "smoke", "variable": "no2", "level": 925, "region": {"disk": [30.0, 100.0, 5000.0]}}


class Encoder(torch.nn.Module):
    """Each token's means over its cells at the newest time; the lowest latent level has the surface's variables, the others pressure levels'."""

    latent_levels, patch_size, embed_dim = 4, 3, WIDTH
    places = ((1, slice(0, 6)), (2, slice(6, 10)), (3, slice(10, 13)))

    def forward(self, batch, lead_times):
        fields = {**{name: values[:, -1] for name, values in batch.surf_vars.items()}, **{name: values[:, -1] for name, values in batch.atmos_vars.items()}}
        rows, columns = (n // 3 for n in fields["2t"].shape[-2:])
        found = torch.zeros(1, 4, rows, columns, WIDTH)
        for channel, name in enumerate(VARIABLES):
            if fields[name].ndim == 3:
                found[:, 0, :, :, channel] = means(fields[name])
            else:
                for level, places in self.places:
                    found[:, level, :, :, channel] = means(fields[name][:, places].mean(dim=1))
        return found.reshape(1, -1, WIDTH)


def means(values_byx):
    return torch.nn.functional.avg_pool2d(values_byx[:, None], 3)[:, 0]


def planted_model(seen=()):
    """The model; `seen` are variables whose heads see the input, so that their forecasts are the backbone's too."""
    torch.manual_seed(0)
    model = build_model(head_arguments(WIDTH)).eval().requires_grad_(False)
    model.encoder = Encoder()
    for heads in (model.decoder.surf_heads, model.decoder.atmos_heads):
        for name, head in heads.items():
            for parameter in head.parameters():
                if name not in seen:
                    parameter.zero_()
    # Composition enters as it is, not as the mean of it and its logarithm, so that what features read is linear up to the clamp.
    for combiners in (model.surf_feature_combiner, model.atmos_feature_combiner):
        for combiner in combiners.values():
            combiner.weight.copy_(torch.tensor([[1.0, 0.0]]))
            combiner.bias.zero_()
    return model


def reading():
    """Feature j reads channel j, and feature 32 + j the negative of it."""
    eye = torch.eye(WIDTH)
    tensors = {"W_enc": torch.cat([eye, -eye], 1), "b_enc": torch.zeros(2 * WIDTH), "W_dec": torch.cat([eye, -eye]), "b_dec": torch.zeros(WIDTH)}
    return AuroraSAE.from_tensors(tensors)


def inputs_of(dates=DATES):
    """Demo states on a 19 x 36 grid, those of one day with the date of each, scaled a little so that days differ."""
    (previous, current), static = small.small_states()
    found = {}
    for at, date in enumerate(dates):
        states = [state.map(lambda each, at=at: (each * (1 + at / 50)).astype(each.dtype)) for state in (previous, current)]
        found[date] = dataclasses.replace(Inputs(*states, f"{date}T12:00:00Z", static))
    return found


def given(**changes):
    """The mapping of a study of a plume of NO2 near the ground."""
    return {"name": "plume", "perturb": [PLUME], "dates": list(DATES[::2]), "outcomes": [SMOKE], "seed": 3, "n_controls": 6, **changes}


def study(**changes):
    """A study of that plume."""
    return read_input_study(given(**changes))


def cells(inputs):
    """The cells that Aurora predicts."""
    return cells_of(inputs.lat, inputs.lon)
