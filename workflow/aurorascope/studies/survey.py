"""What the edited block holds in a study's edited steps before anything is edited: exposure of every feature, and how its tokens vary."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from aurora import Batch

from aurorascope.blocks import BY_ID
from aurorascope.features.statistics import active_p99
from aurorascope.interventions import Region
from aurorascope.interventions.ids import FeatureId
from aurorascope.interventions.places import Place
from aurorascope.interventions.values import ROWS, Values
from aurorascope.sae.architectures import RELEASED
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.streams import Stream, generator

# Tokens whose features are all computed at once, and tokens that stand for the block's covariance.
_CHUNK, _SAMPLED = 512, 4096

Outputs = Callable[[str, Callable[[torch.Tensor], None]], None]
"""Hands a date's clean outputs of the edited block, (n_tokens, d) float32, one after another, to what it is given: one an edited step."""


@dataclass(frozen=True, eq=False)
class Survey:
    """A block on some dates, in all edited steps of the clean run together.

    Attributes:
        dates: ascending.
        ids: number and sign of every feature of the SAE.
        exposure_df: area mean of each over the region, mean over the edited steps, (dates, features) float64.
        p99_f: of the edited features, the least value that 99 % of the area where and when they are on does not exceed; NaN for one
            that is never on.
        sample_td: tokens drawn over all dates and edited steps minus their mean, float64.
        difference_d: area mean of x in the region minus that outside; None where nothing lies outside.
    """

    dates: tuple[str, ...]
    ids: tuple[FeatureId, ...]
    exposure_df: np.ndarray
    p99_f: np.ndarray
    sample_td: np.ndarray
    difference_d: np.ndarray | None

    def mean_exposure(self) -> dict[FeatureId, float]:
        """Over dates, by feature."""
        return dict(zip(self.ids, (self.exposure_df.sum(axis=0) / len(self.dates)).tolist(), strict=True))


def survey(
    block_id: str, sae: AuroraSAE, features: tuple[FeatureId, ...], batches: Mapping[str, Batch], regions: Mapping[str, Region], seed: int,
    n_steps: int, outputs: Outputs,
) -> Survey:
    """Look at each date, in their order.

    Args:
        block_id: the edited block.
        sae: its SAE.
        features: the edited features.
        batches: inputs by date, whose grid is that of all steps.
        regions: by date.
        seed: of the tokens drawn.
        n_steps: edited steps, which are as many outputs a date.
        outputs: gives them.
    """
    block, dates = BY_ID[block_id], tuple(sorted(regions))
    signs = (1, -1) if RELEASED[sae.architecture].signed else (1,)
    ids = tuple((feature, sign) for sign in signs for feature in range(sae.d_hidden))
    values, exposures, samples, on = Values(sae, features), [], [], [[] for _ in features]
    inside, outside = _Mean(), _Mean()
    draw = generator(Stream.STUDY_TOKENS, seed)
    for date in dates:
        place = Place.of_batch(block, batches[date])
        held_n, of_steps = regions[date].holds(place), []

        def add(x_nd: torch.Tensor, place: Place = place, held_n: np.ndarray = held_n, of_steps: list[np.ndarray] = of_steps) -> None:
            of_steps.append(_exposure(sae, x_nd, held_n, place.area_n))
            v_nf = np.concatenate([values.of(x_rd).cpu().numpy() for x_rd in x_nd.split(ROWS)])
            for column, found in enumerate(on):
                is_on_n = (v_nf[:, column] > 0) & (place.area_n > 0)
                found.append((v_nf[is_on_n, column], place.area_n[is_on_n]))
            x = x_nd.double().cpu().numpy()
            inside.add(x, np.where(held_n, place.area_n, 0))
            outside.add(x, np.where(held_n, 0, place.area_n))
            real = np.flatnonzero(place.area_n)
            chosen = draw.choice(len(real), min(len(real), max(1, _SAMPLED // (len(dates) * n_steps))), replace=False)
            samples.append(x[real[np.sort(chosen)]])

        outputs(date, add)
        exposures.append(np.stack(of_steps).sum(axis=0) / n_steps)
    sample_td = np.concatenate(samples)
    difference_d = None if outside.area == 0 else inside.mean() - outside.mean()
    p99_f = np.array([active_p99(*(np.concatenate(each) for each in zip(*found, strict=True))) for found in on])
    return Survey(dates, ids, np.stack(exposures), p99_f, sample_td - sample_td.sum(axis=0) / len(sample_td), difference_d)


class _Mean:
    """A mean by area over tokens of several dates and steps, in their order."""

    def __init__(self) -> None:
        self.total_d, self.area = np.zeros(1), 0

    def add(self, x_nd: np.ndarray, area_n: np.ndarray) -> None:
        self.total_d = self.total_d + (area_n[:, None] * x_nd).sum(axis=0)
        self.area += int(area_n.sum())

    def mean(self) -> np.ndarray:
        return self.total_d / self.area


def _exposure(sae: AuroraSAE, x_nd: torch.Tensor, held_n: np.ndarray, area_n: np.ndarray) -> np.ndarray:
    """Area mean over the region of every feature, (features,) float64; of an SAE that tells signs apart both signs, + before -."""
    tokens, total_f = np.flatnonzero(held_n), np.zeros(1)
    is_signed = RELEASED[sae.architecture].signed
    for start in range(0, len(tokens), _CHUNK):
        here = tokens[start : start + _CHUNK]
        with torch.inference_mode():
            h_tf = sae.encode(x_nd[torch.from_numpy(here).to(x_nd.device)]).double().cpu().numpy()
        v_tf = np.concatenate([h_tf.clip(0), (-h_tf).clip(0)], axis=1) if is_signed else h_tf
        total_f = total_f + (area_n[here, None] * v_tf).sum(axis=0)
    return total_f / area_n[tokens].sum()
