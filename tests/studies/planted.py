"""An SAE whose features have planted effects on the stand-in's first variable, and studies of them."""

import torch
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.studies import read_study

from tests.interventions import linear
from tests.studies.linear import BLOCK, batch_of

STRONG, UNSEEN, WEAK, SILENT, OTHER_EXPOSURE = 0, 1, 2, 3, 4
DATES = ("2022-06-01", "2022-06-02", "2022-06-12")
REGION = {"disk": [0.0, 120.0, 5000.0]}


def planted_sae(n_matched=26):
    """Features of one encoder column, so that all have one exposure; decoder rows of norm 1.

    The strong one writes channel 0 alone, the unseen one channel 5, the weak one and the controls little of channel 0. One is off
    everywhere, and those from `n_matched` on are eight times as strong as the others.
    """
    generator = torch.Generator().manual_seed(3)
    h, d = 32, linear.WIDTH
    column_d = 0.2 * torch.randn(d, generator=generator)
    rows_hd = torch.zeros(h, d)
    rows_hd[:, 4:] = torch.randn(h, 4, generator=generator)
    rows_hd /= rows_hd.norm(dim=1, keepdim=True)
    little_h = 0.1 * torch.rand(h, generator=generator) + 0.05
    rows_hd = rows_hd * (1 - little_h[:, None] ** 2).sqrt()
    rows_hd[:, 0] = little_h
    rows_hd[STRONG], rows_hd[UNSEEN] = torch.eye(d)[0], torch.eye(d)[5]
    rows_hd[WEAK], rows_hd[WEAK, 0] = rows_hd[7], 0.01
    columns_dh = column_d[:, None].repeat(1, h)
    columns_dh[:, n_matched:] *= 8
    columns_dh[:, OTHER_EXPOSURE] *= 8
    b_enc = torch.full((h,), 0.02)
    b_enc[SILENT] = -100
    tensors = {"W_enc": columns_dh, "b_enc": b_enc, "W_dec": rows_hd, "b_dec": torch.zeros(d)}
    return AuroraSAE.from_tensors(tensors)


def batches():
    """Three dates, two of which are neighbours."""
    return {date: batch_of(1 + at / 4, int(date[-2:])) for at, date in enumerate(DATES)}


def given(feature, **changes):
    """The mapping of a study of one feature."""
    outcome = {"kind": "linear", "name": "warmth", "variable": "2t", "region": {"disk": [0.0, 120.0, 6000.0]}}
    return {
        "name": "planted", "block": BLOCK, "features": [feature], "edit": "ablate", "region": REGION, "dates": list(DATES),
        "outcomes": [outcome], "seed": 5, **changes,
    }


def study(feature, **changes):
    """A study of one feature."""
    return read_study(given(feature, **changes))
