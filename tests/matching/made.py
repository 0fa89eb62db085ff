"""Dictionaries and pooled features in which what they share is known."""

import numpy as np
import torch
from aurorascope.matching.swaps import swap_dates
from aurorascope.sae.aurora_sae import AuroraSAE
from scipy.sparse import csr_matrix

PLACES, DATES, HOURS = 60, 12, (0, 12)
TIMES = [f"2022-06-{1 + day:02d}T{hour:02d}:00:00Z" for day in range(DATES) for hour in HOURS]
SWAPS = swap_dates(TIMES)
AREA_P = np.linspace(1, 2, PLACES) / np.linspace(1, 2, PLACES).sum()


def directions(n, d, seed=0):
    """Random rows, float32."""
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


def sae_of(W_hd, signed=False):
    """An SAE with a decoder, and its transpose for an encoder."""
    W = torch.from_numpy(np.ascontiguousarray(W_hd))
    more = {"k": torch.tensor(4), "signed": torch.tensor(True)} if signed else {}
    n, d = W.shape
    return AuroraSAE.from_tensors({"W_enc": W.T.contiguous(), "b_enc": torch.zeros(n), "W_dec": W, "b_dec": torch.zeros(d)} | more)


def weather(n, seed=0, swaps=SWAPS, places=PLACES):
    """Values of features that have nothing to do with each other, (snapshots, places, n), most of them 0, in the order of the swaps."""
    rng = np.random.default_rng(seed)
    return np.maximum(rng.standard_normal((len(swaps.order), places, n)) - 0.5, 0)


def read(a_tpf, b_tpf):
    """As `match_codes` takes them."""
    return ((csr_matrix(a), csr_matrix(b)) for a, b in zip(a_tpf, b_tpf, strict=True))


def correlation(x, y, swaps=SWAPS, area_p=AREA_P, about_places=True):
    """By definition, of values (snapshots, places), about the means at each place and hour, or one mean."""
    hour = np.repeat(np.arange(len(swaps.hours)), [len(each.order) for each in swaps.hours])
    weight = np.broadcast_to(area_p, x.shape)
    means = [np.array([v[hour == each].mean(axis=0) for each in hour]) if about_places else (weight * v).sum() / weight.sum() for v in (x, y)]
    first, second = x - means[0], y - means[1]
    return (weight * first * second).sum() / np.sqrt((weight * first**2).sum() * (weight * second**2).sum())
