"""What some features usually are: statistics of them alone on dates that one compares with, such as quiet ones.

All means count tokens by the area of their real cells. Sums run over dates in the order of time, whatever the order they came in.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from aurora import AuroraAirPollution, Batch

from aurorascope.backbone.hooks import run_to_blocks
from aurorascope.blocks import Block
from aurorascope.errors import UserError
from aurorascope.features.statistics import active_p99
from aurorascope.interventions.ids import FeatureId, Features, read_features, resolve_features
from aurorascope.interventions.places import Place
from aurorascope.interventions.sites import check_saes
from aurorascope.interventions.values import ROWS, Values, weights_of
from aurorascope.sae.architectures import RELEASED
from aurorascope.sae.aurora_sae import AuroraSAE


@dataclass(frozen=True, eq=False)
class Statistics:
    """Some features of one block on some dates.

    Attributes:
        ids: number and sign of each.
        times: the dates, ascending.
        place: the block's tokens.
        mean_f: area mean over the globe, its levels and the dates, (features,) float64.
        active_mean_f: the same over where and when the feature is on; NaN for one that never is.
        p99_f: the least value that at least 99 % of the area where and when the feature is on does not exceed; NaN for one that never is.
        total_nf: sum over dates at each token, (n_tokens, features) float64.
        n_active_nf: dates that the feature is on at, (n_tokens, features) int64.
        weights: `weights_of` the SAE for each.
        dates: what messages call the dates.
    """

    dates: ClassVar[str] = "reference's dates"

    ids: tuple[FeatureId, ...]
    times: tuple[str, ...]
    place: Place
    mean_f: np.ndarray
    active_mean_f: np.ndarray
    p99_f: np.ndarray
    total_nf: np.ndarray
    n_active_nf: np.ndarray
    weights: tuple[str, ...]

    def position_mean_nf(self) -> np.ndarray:
        """Mean over dates at each token, (n_tokens, features) float64."""
        return self.total_nf / len(self.times)

    def active_mean_in(self, held_n: np.ndarray) -> np.ndarray:
        """Area mean where and when a feature is on, at some tokens, (features,) float64; NaN for one that never is."""
        area_n = np.where(held_n, self.place.area_n, 0)
        return _quotient(_by_area(area_n, self.total_nf), _by_area(area_n, self.n_active_nf))

    def of(self, where: str, ids: tuple[FeatureId, ...]) -> "Statistics":
        """Those of some features, in the order asked for.

        Raises:
            UserError: there are none of a feature.
        """
        missing = [each for each in ids if each not in self.ids]
        if missing:
            raise UserError(
                where, f"a reference for the feature {missing[0]} of {self.place.block.id}", f"one for {', '.join(map(str, self.ids))}",
                "name the feature where the reference is made",
            )
        at = [self.ids.index(each) for each in ids]
        arrays = (self.mean_f[at], self.active_mean_f[at], self.p99_f[at], self.total_nf[:, at], self.n_active_nf[:, at])
        return Statistics(ids, self.times, self.place, *arrays, tuple(self.weights[each] for each in at))

    def check_weights(self, where: str, sae: AuroraSAE) -> None:
        """Refuse an SAE whose features are others than those of the dates."""
        for feature, mine, theirs in zip(self.ids, self.weights, weights_of(sae, self.ids), strict=True):
            if mine != theirs:
                found = "one of another SAE's, or of the same with other features on (keep)"
                raise UserError(where, f"a reference of the feature {feature} of the SAE that is edited", found, "make the reference with that SAE")

    def check_place(self, where: str, place: Place) -> None:
        """Refuse another grid than that of the dates."""
        for name, found, expected in (("latitudes", place.lat, self.place.lat), ("longitudes", place.lon, self.place.lon)):
            if found.shape != expected.shape or not np.allclose(found, expected, atol=1e-4, rtol=0):
                raise UserError(
                    where, f"a reference on the batch's {name}, {len(found)} from {found[0]:g} to {found[-1]:g}",
                    f"{len(expected)} from {expected[0]:g} to {expected[-1]:g}", "make the reference from batches of the same grid",
                )


@dataclass(frozen=True, eq=False)
class Reference:
    """Statistics by block id, made by `reference`."""

    statistics: Mapping[str, Statistics]

    def __getitem__(self, block_id: str) -> Statistics:
        """Those of one block.

        Raises:
            UserError: there are none.
        """
        if block_id not in self.statistics:
            raise UserError("the reference", f"one for {block_id}", f"one for {', '.join(self.statistics)}", "make it with this block, too")
        return self.statistics[block_id]


def reference(
    model: AuroraAirPollution, saes: Mapping[str, AuroraSAE], features: Features | Mapping[str, Features], batches: Iterable[Batch],
) -> Reference:
    """Statistics of some features on some dates; Aurora runs once a date, up to the deepest block.

    Args:
        model: the model, in eval mode, without edits.
        saes: SAEs by block id.
        features: as edits take them; by block id where there are several SAEs.
        batches: one date each, batch size 1, in any order; they are not kept.

    Raises:
        UserError: an unknown block or feature, another SAE than the block's, no batch, one time twice, or batches on different grids.
    """
    sites = check_saes(model, saes)
    if not isinstance(features, Mapping):
        if len(sites) != 1:
            expected = "features by block id, since there are several SAEs"
            raise UserError("reference, features", expected, repr(features), "give a dictionary")
        features = {block.id: features for block in sites}
    if set(features) != {block.id for block in sites}:
        found = ", ".join(map(str, features)) or "none"
        raise UserError("reference, features", f"features of {', '.join(block.id for block in sites)}", found, "name each block's")
    values = {block: Values(sae, _ids_of(block, sae, features[block.id])) for block, sae in sites.items()}
    seen: dict[Block, dict[str, _Sparse]] = {block: {} for block in sites}
    places: dict[Block, Place] = {}
    for batch in batches:
        time = _time_of(batch)
        if any(time in found for found in seen.values()):
            raise UserError("reference, batches", "each time once", f"{time} twice", "leave one out")
        for block in sites:
            place = Place.of_batch(block, batch)
            _check_same(places.setdefault(block, place), place, time)

        def keep(block: Block, x_nd: torch.Tensor, time: str = time) -> None:
            seen[block][time] = _Sparse.of([values[block].of(x_rd).cpu().numpy() for x_rd in x_nd.split(ROWS)])

        run_to_blocks(model, batch, sites, keep)
    if not places:
        raise UserError("reference, batches", "at least one", "none", "give batches of the dates to compare with")
    return Reference({block.id: _summed(places[block], values[block].ids, seen[block], sae) for block, sae in sites.items()})


@dataclass(frozen=True, eq=False)
class _Sparse:
    """Features of one date where they are on: tokens (int32) and values (float64) of each feature."""

    tokens: list[np.ndarray]
    values: list[np.ndarray]

    @classmethod
    def of(cls, parts: list[np.ndarray]) -> "_Sparse":
        v_nf = np.concatenate(parts)
        tokens = [np.flatnonzero(v_n) for v_n in v_nf.T]
        return cls([each.astype(np.int32) for each in tokens], [v_nf[at, f] for f, at in enumerate(tokens)])


def _summed(place: Place, ids: tuple[FeatureId, ...], by_time: dict[str, _Sparse], sae: AuroraSAE) -> Statistics:
    """The statistics, from what is on at each time."""
    times, area_n = tuple(sorted(by_time)), place.area_n
    total_nf, n_active_nf = np.zeros((len(area_n), len(ids))), np.zeros((len(area_n), len(ids)), np.int64)
    for time in times:
        for f, (tokens, values) in enumerate(zip(by_time[time].tokens, by_time[time].values, strict=True)):
            total_nf[tokens, f] += values
            n_active_nf[tokens, f] += 1
    summed_f, active_f, p99_f = _by_area(area_n, total_nf), _by_area(area_n, n_active_nf), np.empty(len(ids))
    for f in range(len(ids)):
        values = np.concatenate([by_time[time].values[f] for time in times])
        p99_f[f] = active_p99(values, np.concatenate([area_n[by_time[time].tokens[f]] for time in times]))
    mean_f = summed_f / (int(area_n.sum()) * len(times))
    return Statistics(ids, times, place, mean_f, _quotient(summed_f, active_f), p99_f, total_nf, n_active_nf, weights_of(sae, ids))


def _by_area(area_n: np.ndarray, values_nf: np.ndarray) -> np.ndarray:
    """Sum over tokens of area times value, (features,) float64, row after row: a matrix product would follow the number of threads."""
    return (area_n.astype(np.float64)[:, None] * values_nf).sum(axis=0)


def _quotient(total_f: np.ndarray, weight_f: np.ndarray) -> np.ndarray:
    return np.divide(total_f, weight_f, out=np.full(len(total_f), np.nan), where=weight_f > 0)


def _ids_of(block: Block, sae: AuroraSAE, features: Features) -> tuple[FeatureId, ...]:
    where = f"reference, {block.id}"
    return resolve_features(where, read_features(where, features), sae.d_hidden, RELEASED[sae.architecture].signed)


def _time_of(batch: Batch) -> str:
    if len(batch.metadata.time) != 1:
        raise UserError("reference, batches", "batches of one date", f"one of {len(batch.metadata.time)}", "give one date a batch")
    return batch.metadata.time[0].isoformat()


def _check_same(first: Place, place: Place, time: str) -> None:
    if not (np.array_equal(first.lat, place.lat) and np.array_equal(first.lon, place.lon)):
        raise UserError("reference, batches", "batches on one grid", f"another one at {time}", "make a reference for each grid")
