"""A stand-in with planted chains: a -> b -> the forecast, with a distractor that goes with a and leads nowhere, and an inhibitor.

Its blocks' outputs are features themselves, and so its autoencoders write channel by channel. Of the first block channel 0 is a, 1 the
distractor, which correlates with a at 0.9, 2 the inhibitor, and 3 to 5 begin chains of their own; the others are noise. Of the second
block channel 0 is b, which a feeds, 1 what the inhibitor holds down, 3 to 5 the other chains, and 6 and 7 what the distractor feeds. The
third block adds all but what the distractor feeds to channel 0, which is the forecast of 2t; of the noise it adds a little.
"""

import dataclasses
import datetime

import numpy as np
import torch
from aurorascope.sae.aurora_sae import AuroraSAE

from tests.interventions.linear import N_TOKENS
from tests.studies import linear

A, DISTRACTOR, INHIBITOR, OTHERS = 0, 1, 2, (3, 4, 5)
B, HELD_DOWN, FED_BY_DISTRACTOR = 0, 1, slice(6, 8)
FIRST_NOISE, WIDTH, WIDE = 8, 40, 136
FIRST, SECOND, LAST = linear.linear.FIRST, linear.linear.SECOND, linear.linear.LAST
EVENTS = tuple(f"2022-06-{day:02d}" for day in (9, 11, 13, 15))
# So many that what they have by chance is not seen in every edge.
QUIET = tuple(f"2022-{month:02d}-{day:02d}" for month in (7, 8) for day in range(1, 25))


class Reads(torch.nn.Module):
    """Each channel is a sum of some channels before, no less than 0."""

    def __init__(self, weight_dd, bias_d):
        super().__init__()
        self.register_buffer("weight", weight_dd)
        self.register_buffer("bias", bias_d)

    def forward(self, x_bnd, c, resolution):
        return torch.relu(x_bnd @ self.weight + self.bias)


class Weather(torch.nn.Module):
    """Tokens of a date; on events a, with its distractor, and the inhibitor are strong."""

    def __init__(self, width):
        super().__init__()
        self.width = width

    def forward(self, batch, lead_times):
        time = batch.metadata.time[0]
        rng = np.random.default_rng(time.toordinal())
        # Noise of all sizes, so that each planted feature has its like.
        x_nd = rng.exponential(1.0, (N_TOKENS, self.width)) * np.geomspace(0.05, 3, self.width)
        is_event = time.date().isoformat() in EVENTS
        x_nd[:, A] = rng.exponential(2.0 if is_event else 0.3, N_TOKENS)
        x_nd[:, DISTRACTOR] = x_nd[:, A] + 0.48 * x_nd[:, A].std() * rng.standard_normal(N_TOKENS)
        x_nd[:, INHIBITOR] = rng.exponential(0.5 if is_event else 0.05, N_TOKENS)
        for at, channel in enumerate(OTHERS):
            x_nd[:, channel] = rng.exponential((1 + at) / 2 if is_event else 0.1, N_TOKENS)
        return torch.from_numpy(np.maximum(x_nd, 0)).float()[None]


def model(width=WIDTH):
    """The stand-in, float32; channels from `FIRST_NOISE` on are noise."""
    generator = torch.Generator().manual_seed(11)
    found = linear.Forecasting()
    found.encoder = Weather(width)
    first, second, third = torch.eye(width), torch.zeros(width, width), torch.eye(width)
    second[A, B], second[INHIBITOR, HELD_DOWN], second[DISTRACTOR, FED_BY_DISTRACTOR] = 0.8, -0.7, 0.5
    for at, channel in enumerate(OTHERS):
        second[channel, channel], second[channel, B] = 0.9, 0.05 * (at + 1)
    noise, n = slice(FIRST_NOISE, width), width - FIRST_NOISE
    second[noise, noise] = torch.randn(n, n, generator=generator) / n**0.5
    third[[B, HELD_DOWN, *OTHERS], 0], third[noise, 0] = 1.0, 0.3 / n * torch.randn(n, generator=generator)
    bias = torch.zeros(width)
    # Noise is never off: where it gates itself, an edge of it is the same on all dates.
    bias[HELD_DOWN], bias[noise] = 2.0, 10.0
    nothing = torch.zeros(width)
    blocks = [Reads(weight, each) for weight, each in ((first, nothing), (second, bias), (third, nothing))]
    found.backbone.encoder_layers[0].blocks = torch.nn.ModuleList(blocks)
    found.backbone.embed_dim = width
    return found


def sae(width=WIDTH):
    """Each channel is a feature."""
    eye = torch.eye(width)
    return AuroraSAE.from_tensors({"W_enc": eye, "b_enc": torch.zeros(width), "W_dec": eye.clone(), "b_dec": torch.zeros(width)})


def batch(date):
    """The input of a date; only its time counts."""
    found = linear.batch_of()
    time = datetime.datetime.fromisoformat(date).replace(hour=12, tzinfo=datetime.UTC)
    return dataclasses.replace(found, metadata=dataclasses.replace(found.metadata, time=(time,)))
