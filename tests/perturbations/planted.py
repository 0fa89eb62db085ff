"""An autoencoder whose features read one variable each, and tokens that are averages of variables: what responds is known beforehand."""

import numpy as np
import torch
from aurorascope.atlas.plane import Plane
from aurorascope.blocks import BY_ID
from aurorascope.cams.variables import ATMOS, SURFACE
from aurorascope.perturbations.inputs import scales
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.sphere import cell_areas
from aurorascope.tokens import token_grid

BLOCK = "encoder_s0_b3"
VARIABLES = [v.netcdf for v in SURFACE + ATMOS]
LATENT_LEVELS = {0: None, 1: (50, 100, 150, 200, 250, 300), 2: (400, 500, 600, 700), 3: (850, 925, 1000)}


def grid(inputs):
    return token_grid(BY_ID[BLOCK], inputs.lat, inputs.lon)


def tokens(inputs, place=1):
    """A stand-in for a block's output, linear in the state: one channel a variable in Aurora's scales, (tokens, 22).

    The lowest latent level has the surface's variables, the others the mean of some pressure levels'.
    """
    plane = Plane.of(grid(inputs), cell_areas(inputs.lat, len(inputs.lon)))
    found = np.zeros((4, *plane.shape, len(VARIABLES)))
    for channel, name in enumerate(VARIABLES):
        values = inputs.states[place][name].values.astype(np.float64) / scales(name, inputs.levels)
        for level, hpa in LATENT_LEVELS.items():
            if (values.ndim == 2) != (level == 0):
                continue
            field = values if level == 0 else values[[inputs.levels.index(each) for each in hpa]].mean(axis=0)
            found[level, ..., channel] = plane.total(field) / plane.total(np.ones(field.shape))
    return torch.from_numpy(found.reshape(-1, len(VARIABLES)).astype(np.float32))


def reading(architecture="relu", bias=0.0):
    """Feature j reads channel j, and feature 22 + j the negative of it."""
    d = len(VARIABLES)
    tensors = {"W_enc": torch.cat([torch.eye(d), -torch.eye(d)], 1), "b_enc": torch.full((2 * d,), bias)}
    tensors |= {"W_dec": tensors["W_enc"].T.clone(), "b_dec": torch.zeros(d)}
    if architecture == "abstopk":
        tensors |= {"k": torch.tensor(2 * d), "signed": torch.tensor(True)}
    return AuroraSAE.from_tensors(tensors)
