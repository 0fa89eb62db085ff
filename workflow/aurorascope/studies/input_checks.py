"""What a study of changed inputs needs to be true of a model, its SAEs and inputs, said before any forward runs."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from aurora import AuroraAirPollution

from aurorascope.blocks import BY_ID
from aurorascope.errors import UserError
from aurorascope.interventions.places import Place
from aurorascope.interventions.sites import check_saes
from aurorascope.perturbations.inputs import Inputs
from aurorascope.perturbations.responses import RegionWeights
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.studies.checks import resolved, time_of
from aurorascope.studies.input_study import InputStudy
from aurorascope.studies.outcomes import FeatureMean, check_fields
from aurorascope.studies.study import feature_outcomes
from aurorascope.studies.tracks import Track, check_track
from aurorascope.studies.where import cells_of
from aurorascope.tokens import token_grid


def check_input_study(
    study: InputStudy, model: AuroraAirPollution, saes: Mapping[str, AuroraSAE], inputs: Mapping[str, Inputs], labels: Path | None
) -> None:
    """Refuse a study that cannot run, before any forward does; dates and changes are `plan_input_study`'s to check.

    Raises:
        UserError: an SAE is missing or of another model; an unknown feature, label, variable or level; a region that no token or cell
            lies in; inputs of several grids.
    """
    wanted = dict.fromkeys([*study.blocks, *(each.block for each in feature_outcomes(study))])
    for block_id in wanted:
        if block_id not in saes:
            found = f"only {', '.join(saes)}" if saes else "none"
            expected, fix = "one, since the study names this block", "give the SAE of each block that is named"
            raise UserError(f"the SAE of {block_id}", expected, found, fix)
    if wanted:
        check_saes(model, {block_id: saes[block_id] for block_id in wanted})
    for outcome in feature_outcomes(study):
        resolved(f"outcome {outcome.name}", saes[outcome.block], (outcome.feature,))
    first = inputs[study.dates[0]]
    for date in study.dates:
        if not (np.array_equal(inputs[date].lat, first.lat) and np.array_equal(inputs[date].lon, first.lon)):
            raise UserError(f"the inputs of {date}", f"the grid of {study.dates[0]}", "another one", "give inputs of one grid")
        _check_outcomes(study, inputs[date], labels)
    for block_id in study.blocks:
        RegionWeights.of(token_grid(BY_ID[block_id], first.lat, first.lon), first.lat, first.lon, {"the study's": study.region})


def _check_outcomes(study: InputStudy, inputs: Inputs, labels: Path | None) -> None:
    batch = inputs.batch()
    time = time_of(batch)
    for outcome in study.outcomes:
        where = f"outcome {outcome.name}, region"
        check_fields(outcome, batch)
        if isinstance(outcome, Track):
            check_track(outcome, batch, study.steps)
        is_feature = isinstance(outcome, FeatureMean)
        place = Place.of(BY_ID[outcome.block], inputs.lat, inputs.lon) if is_feature else cells_of(inputs.lat, inputs.lon)
        if not outcome.where.region(where, time, labels).holds(place).any():
            raise UserError(where, "at least one cell or token", f"none on {time[:10]}", "make the region larger, or take dates on which its label holds")
