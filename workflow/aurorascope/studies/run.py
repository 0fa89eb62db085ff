"""Run a study: every date with every arm, and a word for what came of it."""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from aurora import AuroraAirPollution, Batch

from aurorascope.blocks import BY_ID
from aurorascope.errors import UserError
from aurorascope.interventions import InterventionWarning, Reference, reference
from aurorascope.interventions.ids import FeatureId
from aurorascope.interventions.log import WARNED
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.studies.arms import arms_of, choose_controls, draw_directions
from aurorascope.studies.changes import has_placebo
from aurorascope.studies.checks import axes_of, check_study, time_of
from aurorascope.studies.clean_run import CleanRun
from aurorascope.studies.clean_runs import CleanRuns
from aurorascope.studies.measure import DateRun, Measured
from aurorascope.studies.results import digest_of, plain
from aurorascope.studies.study import Study
from aurorascope.studies.survey import Survey, survey
from aurorascope.studies.verdict import judge

Done = Mapping[tuple[str, str], Measured]
"""By date and name of arm."""


@dataclass(frozen=True, eq=False)
class StudyResult:
    """What came of a study.

    Attributes:
        effects: one row a date, arm, step and outcome.
        fields: D2 of each field, one row a date, arm, step and field.
        maps: forecast minus clean forecast of the feature arm at dose 1 at the last step, by date, then by variable and level (None
            at the surface), (rows, columns) float32, for the fields that outcomes read.
        summary: verdict, controls, doses, arms that could not be (the region leaves no place outside it, or none to move to); what JSON
            holds, None for numbers that are not finite.
    """

    effects: pd.DataFrame
    fields: pd.DataFrame
    maps: dict[str, dict[tuple[str, int | None], np.ndarray]]
    summary: dict[str, Any]

    def digest(self) -> str:
        """SHA-256 over the bytes of all numbers and names, to compare two runs."""
        maps = {f"{date} {field}": change_yx for date, fields in self.maps.items() for field, change_yx in fields.items()}
        return digest_of(self.summary, (self.effects, self.fields), maps)


def run_study(
    study: Study, model: AuroraAirPollution, saes: Mapping[str, AuroraSAE], batches: Mapping[str, Batch], *,
    labels: Path | None = None, labelled_same: Iterable[FeatureId] = (), quiet: Iterable[Batch] = (),
    done: Done | None = None, keep: Callable[[tuple[str, str], Measured], None] | None = None, scratch: Path | None = None,
    shared: CleanRuns | None = None,
) -> StudyResult:
    """Run every arm on every date.

    Args:
        study: what is asked.
        model: the model, in eval mode.
        saes: SAEs by block id: the edited block's, and those of outcomes that are features.
        batches: inputs by date `YYYY-MM-DD`, one member each, on the model's device, all on one grid.
        labels: folder of days of labels, where a region has a label.
        labelled_same: features that carry a label of the edited ones, which are no controls.
        quiet: inputs that say what features usually are; needed by edits that ask for it.
        done: what an interrupted run kept, which is not run again.
        keep: called with date and name of each arm that has run, and what was measured, for a later `done`.
        scratch: folder where clean forecasts of a date wait on disk; None for the system's.
        shared: clean forecasts that studies share.

    Raises:
        UserError: what `check_study` refuses, before any forward; an edit that needs quiet dates and has none.
    """
    features = check_study(study, model, saes, batches, labels)
    quiet = quiet if isinstance(quiet, Sized) else list(quiet)
    if study.change.needs_reference and not len(quiet):
        raise UserError(f"the study, edit {study.change.kind}", "quiet dates, which say what is usual", "none", "give quiet=, some batches")
    times = {date: time_of(batches[date]) for date in study.dates}
    regions = {date: study.where.region("the study, region", time, labels) for date, time in times.items()}
    sae = saes[study.block]
    clean = {date: CleanRun(study, model, batches[date], date, scratch, shared) for date in study.dates}
    found = survey(
        study.block, sae, features, batches, regions, study.seed, len(study.edit_steps),
        lambda date, receive: clean[date].edited_outputs(receive),
    )
    controls = choose_controls(study, saes, features, found, frozenset(labelled_same))
    known = _reference(study, model, sae, [features, *controls], quiet)
    if isinstance(study.change.value, str):
        # A multiple of a percentile says nothing of a feature that the quiet dates never saw on.
        controls = [ids for ids in controls if np.isfinite(known[study.block].of("controls", ids).p99_f).all()]
    all_placebo = all(has_placebo(regions[date], study.block, axes_of(batches[date]), study.placebo_degrees) for date in study.dates)
    arms = arms_of(study, features, controls, found.difference_d is not None, all_placebo)
    directions_kd = draw_directions(study, found.sample_td)
    measured = dict(done or {})
    for date in study.dates:
        wanted = [arm for arm in arms if (date, arm.name) not in measured]
        if not wanted:
            continue
        run = DateRun(
            study, model, saes, batches[date], date, clean=clean[date], region=regions[date], labels=labels, features=features,
            found=found, directions_kd=directions_kd, edit_of=lambda ids: study.change.edit(ids, known),
        )
        for arm in wanted:
            measured[date, arm.name] = run.measure(arm)
            if keep is not None:
                keep((date, arm.name), measured[date, arm.name])
        clean[date].close()
    absent = {} if found.difference_d is not None else {"difference_of_means": "no token lies outside the region"}
    if not all_placebo:
        absent["placebo"] = f"the region meets itself where it is moved {study.placebo_degrees:g} degrees east"
    in_order = [measured[date, arm.name] for date in study.dates for arm in arms]
    return _result(study, in_order, found, controls, features, absent)


def _reference(
    study: Study, model: AuroraAirPollution, sae: AuroraSAE, sets: list[tuple[FeatureId, ...]], quiet: Iterable[Batch]
) -> Reference | None:
    if not study.change.needs_reference:
        return None
    return reference(model, {study.block: sae}, list(dict.fromkeys(each for ids in sets for each in ids)), quiet)


def _result(
    study: Study, measured: list[Measured], found: Survey, controls: list[tuple[FeatureId, ...]], features: tuple[FeatureId, ...],
    absent: dict[str, str],
) -> StudyResult:
    effects = pd.DataFrame([row for each in measured for row in each.effects])
    fields = pd.DataFrame([row for each in measured for row in each.fields]).astype({"level": "Int64"})
    maps = {each.date: each.maps for each in measured if each.maps}
    exposure = found.mean_exposure()
    verdicts = {each.name: judge(study, effects, each.name) for each in study.outcomes}
    most = float(effects[effects.kind.isin(("feature", "minus_feature"))].norms_max.max())
    if most > WARNED:
        words = f"the study moves a token by {most:.3g} times its norm: the model's norms leave no such response linear"
        warnings.warn(words, InterventionWarning, stacklevel=3)
    diverged = effects[effects.diverged_at_step > 0].groupby("arm", sort=False).diverged_at_step.min()
    summary = {
        "study": study.name, "block": study.block, "depth_index": BY_ID[study.block].depth_index, "dates": list(study.dates),
        "features": [list(each) for each in features], "word": verdicts[study.outcomes[0].name]["word"], "outcomes": verdicts,
        "exposure": [exposure[each] for each in features], "p99": found.p99_f.tolist(),
        "controls": [{"features": [list(each) for each in ids], "exposure": [exposure[each] for each in ids]} for ids in controls],
        "absent_arms": absent, "diverged_at_step": {name: int(step) for name, step in diverged.items()}, "n_forwards": _n_forwards(study, len(measured)),
    }
    return StudyResult(effects, fields, maps, plain(summary))


def _n_forwards(study: Study, n_arms: int) -> int:
    """Arms set out from the first edited step; the steps before it are made once a date, and those up to the last once more, for the survey."""
    return n_arms * (study.steps - study.edit_steps[0]) + len(study.dates) * study.edit_steps[-1]

