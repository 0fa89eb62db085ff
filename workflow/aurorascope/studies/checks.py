"""What a study needs to be true of a model, its SAEs and inputs, said before any forward runs."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from aurora import AuroraAirPollution, Batch

from aurorascope.blocks import BY_ID
from aurorascope.errors import UserError
from aurorascope.interventions.block_edits import BlockEdits
from aurorascope.interventions.edits import Ablate
from aurorascope.interventions.ids import FeatureId, refuse_bare_pair, resolve_features
from aurorascope.interventions.places import Place
from aurorascope.interventions.sites import check_saes
from aurorascope.sae.architectures import RELEASED
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.studies.keys import check_placebo
from aurorascope.studies.outcomes import FeatureMean, check_fields
from aurorascope.studies.reading import nearest, saying
from aurorascope.studies.study import Study, feature_outcomes
from aurorascope.studies.tracks import Track, check_track
from aurorascope.studies.where import cells_of

NEAR = 0.45
"""Cosine of two decoder rows above which one feature counts as a copy of the other."""


def resolved(where: str, sae: AuroraSAE, asked: tuple) -> tuple[FeatureId, ...]:
    """Number and sign of features of an SAE."""
    return resolve_features(where, asked, sae.d_hidden, RELEASED[sae.architecture].signed)


def check_study(
    study: Study, model: AuroraAirPollution, saes: Mapping[str, AuroraSAE], batches: Mapping[str, Batch], labels: Path | None
) -> tuple[FeatureId, ...]:
    """The edited features, if the study can run.

    Raises:
        UserError: an SAE is missing or of another model; an unknown feature, date, label, variable or level; a region that no token
            or cell lies in; an outcome at a block before the edited one; an edited feature that is an outcome or as good as one.
    """
    wanted = [study.block, *(each.block for each in feature_outcomes(study))]
    for block_id in wanted:
        if block_id not in saes:
            found = f"only {', '.join(saes)}" if saes else "none"
            expected, fix = "one, since the study names this block", "give the SAE of each block that is named"
            raise UserError(f"the SAE of {block_id}", expected, found, fix)
    check_saes(model, saes)
    refuse_bare_pair("the study, features", study.features, RELEASED[saes[study.block].architecture].signed)
    features = resolved("the study, features", saes[study.block], study.features)
    for outcome in feature_outcomes(study):
        _check_readout(study, saes, features, outcome)
    for date in study.dates:
        if date not in batches:
            raise UserError("the study, dates", f"one of {', '.join(batches)}", date, nearest(date, batches))
        _check_date(study, saes, features, batches[date], labels)
    return features


def _check_readout(study: Study, saes: Mapping[str, AuroraSAE], features: tuple[FeatureId, ...], outcome: FeatureMean) -> None:
    where = f"outcome {outcome.name}"
    if BY_ID[outcome.block].depth_index < BY_ID[study.block].depth_index:
        raise UserError(f"{where}, block", f"{study.block} or a later one", outcome.block, "an edit changes nothing before its block")
    read = resolved(where, saes[outcome.block], (outcome.feature,))
    for each in features:
        for other in read:
            if (study.block, each[0]) == (outcome.block, other[0]):
                raise UserError("the study, features", "features that no outcome reads", f"{each}, which is {where}", "leave it out of one")
            found = cosine(saes[study.block], each, saes[outcome.block], other)
            if abs(found) > NEAR:
                words = f"{each}, whose decoder row has the cosine {found:.2f} with {where}"
                raise UserError("the study, features", f"features at most {NEAR} from what an outcome reads", words, "leave it out of one")


def cosine(sae: AuroraSAE, feature: FeatureId, other_sae: AuroraSAE, other: FeatureId) -> float:
    """Cosine of two features' decoder rows, signs counted; 0 where the blocks differ in width."""
    if sae.d_model != other_sae.d_model:
        return 0.0
    first_d, second_d = (
        each.W_dec.detach()[number].double().cpu().numpy() * sign for each, (number, sign) in ((sae, feature), (other_sae, other))
    )
    return float((first_d * second_d).sum() / np.sqrt((first_d**2).sum() * (second_d**2).sum()))


def axes_of(batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    """Latitudes and longitudes."""
    return batch.metadata.lat.cpu().numpy(), batch.metadata.lon.cpu().numpy()


def time_of(batch: Batch) -> str:
    """The batch's time as labels have it."""
    return batch.metadata.time[0].strftime("%Y-%m-%dT%H:00:00Z")


def _check_date(
    study: Study, saes: Mapping[str, AuroraSAE], features: tuple[FeatureId, ...], batch: Batch, labels: Path | None
) -> None:
    if len(batch.metadata.time) != 1:
        raise UserError("the inputs", "batches of one date", f"one of {len(batch.metadata.time)}", "give one date a batch")
    lat, lon = axes_of(batch)
    time = time_of(batch)
    region = study.where.region("the study, region", time, labels)
    with saying("the study, region"):
        BlockEdits(BY_ID[study.block], saes[study.block], [(0, Ablate(list(features)), region)]).prepare(lat, lon)
    check_placebo(study.placebo_degrees, Place.of(BY_ID[study.block], lat, lon).grid.shape[2])
    for outcome in study.outcomes:
        where = f"outcome {outcome.name}, region"
        check_fields(outcome, batch)
        if isinstance(outcome, Track):
            check_track(outcome, batch, study.steps)
        place = Place.of(BY_ID[outcome.block], lat, lon) if isinstance(outcome, FeatureMean) else cells_of(lat, lon)
        if not outcome.where.region(where, time, labels).holds(place).any():
            raise UserError(where, "at least one cell or token", f"none on {time[:10]}", "make the region larger, or take dates on which its label holds")


def is_finite(batch: Batch) -> bool:
    """Whether all of a forecast is."""
    return all(bool(torch.isfinite(each).all()) for each in (*batch.surf_vars.values(), *batch.atmos_vars.values()))
