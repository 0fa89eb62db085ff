"""Measure the arms of a study on one date."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from aurora import AuroraAirPollution, Batch

from aurorascope.blocks import BY_ID
from aurorascope.interventions import Edit, Region
from aurorascope.interventions.ids import FeatureId
from aurorascope.interventions.places import Place
from aurorascope.interventions.values import ROWS, Values, on_device
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.studies.arms import Arm
from aurorascope.studies.changes import Added, Changes
from aurorascope.studies.checks import axes_of, is_finite, resolved, time_of
from aurorascope.studies.clean_run import CleanRun
from aurorascope.studies.day import areas_by_outcome
from aurorascope.studies.kept import KeptForecast
from aurorascope.studies.outcomes import FeatureMean, Field, Outcome, Reader
from aurorascope.studies.study import Study, feature_outcomes
from aurorascope.studies.survey import Survey
from aurorascope.studies.tracks import Eyes, Follower, Track, track_rounding, track_value
from aurorascope.studies.where import cells_of

_NAN = float("nan")
_SIZES = ("exposure", "exposure_share", "touched", "size", "norms_mean", "norms_max")


@dataclass(frozen=True, eq=False)
class Measured:
    """One arm on one date.

    Attributes:
        date: `YYYY-MM-DD`.
        effects: rows of `StudyResult.effects`.
        fields: rows of `StudyResult.fields`.
        maps: as in `StudyResult`; empty but for the feature arm at dose 1.
    """

    date: str
    effects: list[dict[str, Any]]
    fields: list[dict[str, Any]]
    maps: dict[Field, np.ndarray]


class DateRun:
    """All arms of one date; the clean run and, where one step is edited, the change h' - h are made once, here.

    Args:
        study: what is asked.
        model: the model.
        saes: SAEs by block.
        batch: the date's input.
        date: `YYYY-MM-DD`.
        clean: its clean run, as far as the first edited step.
        region: of the edit at this date.
        labels: folder of labels, or None.
        features: the edited features.
        found: the survey of the block.
        directions_kd: random directions.
        edit_of: the edit of some features.
    """

    def __init__(
        self, study: Study, model: AuroraAirPollution, saes: Mapping[str, AuroraSAE], batch: Batch, date: str, *, clean: CleanRun,
        region: Region, labels: Path | None, features: tuple[FeatureId, ...], found: Survey, directions_kd: np.ndarray,
        edit_of: Callable[[tuple[FeatureId, ...]], Edit],
    ) -> None:
        self._study, self._date, self._found, self._clean = study, date, found, clean
        self._day = clean.finish()
        lat, lon = axes_of(batch)
        device = next(model.parameters()).device
        sae = on_device(saes[study.block], device)

        def changes_at(step: int) -> Changes:
            return Changes(
                study.block, sae, clean.output(step, study.block), (lat, lon), region, edit_of, features, directions_kd,
                found.difference_d, study.placebo_degrees,
            )

        # Those of several steps would hold as many outputs of the block: they are made anew for each arm.
        only = changes_at(study.edit_steps[0]) if len(study.edit_steps) == 1 else None
        self._changes_at = changes_at if only is None else lambda step: only
        regions = {each.name: each.where.region(f"outcome {each.name}", time_of(batch), labels) for each in study.outcomes}
        cells = cells_of(lat, lon)
        of_cells = [each for each in study.outcomes if not isinstance(each, FeatureMean)]
        areas = areas_by_outcome({each.name: regions[each.name] for each in of_cells}, cells)
        area_yx, of_forecasts = cells.area_n.reshape(cells.plane.shape), [each for each in of_cells if not isinstance(each, Track)]
        self._readers = [Reader(of_forecasts, areas, area_yx, batch, clean.forecast(step)) for step in range(study.steps)]
        self._of_features: dict[str, tuple[Values, np.ndarray]] = {}
        for each in feature_outcomes(study):
            place = Place.of(BY_ID[each.block], lat, lon)
            area_n = np.where(regions[each.name].holds(place), place.area_n, 0)
            of_block = on_device(saes[each.block], device)
            self._of_features[each.name] = Values(of_block, resolved(f"outcome {each.name}", of_block, (each.feature,))), area_n
        self._clean_features = {step: self._read_features(functools.partial(clean.output, step)) for step in range(study.steps)
                                if step == read_in(study, step)}
        self._lat, self._tracks = cells.lat, [each for each in of_cells if isinstance(each, Track)]
        follower, self._clean_eyes = Follower(self._tracks, batch, len(area_yx)), []
        for step in range(study.steps):
            if step == clean.first:
                self._setting_out = follower.copy()
            self._clean_eyes.append(follower.follow(clean.forecast(step)))
        self._clean_values = [
            self._readers[step].read(clean.forecast(step)) | self._clean_features[read_in(study, step)]
            | self._of_tracks(self._clean_eyes[step], step) for step in range(study.steps)
        ]

    def measure(self, arm: Arm) -> Measured:
        """Run one arm, each step of which is measured as it comes."""
        found, sizes, follower = _Rows(), [], self._setting_out.copy()

        def change_of(step: int) -> tuple[Added, float] | None:
            if step not in self._study.edit_steps:
                return None
            added = self._changes_at(step).of(arm)
            sizes.append(_Size.of(added))
            return added, arm.dose

        def receive(step: int, forecast: Batch, outputs: Mapping[str, torch.Tensor]) -> None:
            if step in self._study.edit_steps:
                found.features = self._read_features(outputs.__getitem__)
            is_whole = is_finite(forecast)
            found.eyes = follower.follow(forecast) if is_whole else {}
            self._add(found, arm, step, forecast, is_whole)

        for step in range(self._study.steps if arm.kind == "clean" else self._clean.first):
            change_of(step)
            found.features, found.eyes = self._clean_features[read_in(self._study, step)], self._clean_eyes[step]
            self._add(found, arm, step, self._clean.forecast(step), True)
        if arm.kind != "clean":
            self._day.run(change_of, receive)
        for row in found.effects:
            row |= self._sizes(arm, sizes) | {"diverged_at_step": found.diverged}
        return Measured(self._date, found.effects, found.fields, found.maps)

    def _add(self, found: "_Rows", arm: Arm, step: int, forecast: Batch | KeptForecast, is_whole: bool) -> None:
        """Measure one step."""
        if not (is_whole or found.diverged):
            found.diverged = step + 1
        is_whole = not found.diverged
        values = dict.fromkeys((each.name for each in self._study.outcomes), _NAN)
        if is_whole:
            values |= self._readers[step].read(forecast) | found.features | self._of_tracks(found.eyes, step)
        shares, on_target = self._divergence(arm, forecast, step) if is_whole else ({}, {})
        common = {"date": self._date, "arm": arm.name, "kind": arm.kind, "dose": arm.dose, "number": arm.number, "step": step + 1}
        for outcome in self._study.outcomes:
            found.effects.append({
                **common, "outcome": outcome.name, "value": values[outcome.name],
                "effect": values[outcome.name] - self._clean_values[step][outcome.name],
                "rounding": self._rounding(outcome, step), **dict.fromkeys(_SIZES),
                **dict(zip(("d2_target", "d2"), on_target.get(outcome.name, (_NAN, _NAN)), strict=True)), "diverged_at_step": 0,
            })
        found.fields += [{**common, "variable": name, "level": level, "d2": d2} for (name, level), d2 in shares.items()]
        if is_whole and arm.kind == "feature" and arm.dose == 1 and step + 1 == self._study.steps:
            found.maps = self._maps(forecast)

    def _read_features(self, output_of: Callable[[str], torch.Tensor]) -> dict[str, float]:
        """Outcomes that are features, of blocks' outputs in one step."""
        found = {}
        for each in feature_outcomes(self._study):
            values, area_n = self._of_features[each.name]
            v_nf = np.concatenate([values.of(x_rd).cpu().numpy() for x_rd in output_of(each.block).split(ROWS)])
            found[each.name] = float((area_n * v_nf.sum(axis=1)).sum() / area_n.sum())
        return found

    def _of_tracks(self, eyes: Eyes, step: int) -> dict[str, float]:
        return {each.name: track_value(each, step, eyes, self._clean_eyes[step]) for each in self._tracks}

    def _rounding(self, outcome: Outcome, step: int) -> float:
        if isinstance(outcome, Track):
            return track_rounding(outcome, self._clean_values[step][outcome.name], self._lat)
        if isinstance(outcome, FeatureMean):
            return 2.0**-24 * abs(self._clean_values[step][outcome.name])
        return self._readers[step].rounding(outcome)

    def _sizes(self, arm: Arm, sizes: list["_Size"]) -> dict[str, Any]:
        """Of all edited steps: means, the largest share of exposure, the sum of touched tokens, the largest norm."""
        share = _NAN
        if arm.kind in ("feature", "minus_feature"):
            p99_f = np.where(np.isnan(self._found.p99_f), np.inf, self._found.p99_f)
            # A mean would halve what the features have where they are on if they are off in a second step.
            share = max(float((np.array(each.exposure) / p99_f).max()) for each in sizes)
        dose = abs(arm.dose)
        exposure = [float(sum(each.exposure)) if each.exposure else _NAN for each in sizes]
        found = (
            _mean(exposure), share, sum(each.touched for each in sizes), dose * _mean([each.size for each in sizes]),
            dose * _mean([each.norms_mean for each in sizes]), dose * max(each.norms_max for each in sizes),
        )
        return dict(zip(_SIZES, found, strict=True))

    def _divergence(
        self, arm: Arm, forecast: Batch | KeptForecast, step: int
    ) -> tuple[dict[Field, float], dict[str, tuple[float, float]]]:
        """By field; and of the features' own arms what is on target, by outcome."""
        asked = [each for each in self._study.outcomes if not isinstance(each, FeatureMean)]
        return self._readers[step].divergence(forecast, asked if arm.kind in ("feature", "minus_feature") else ())

    def _maps(self, forecast: Batch | KeptForecast) -> dict[Field, np.ndarray]:
        fields = dict.fromkeys(field for outcome in self._study.outcomes for field in outcome.fields)
        return {field: self._readers[-1].change(forecast, field) for field in fields}


@dataclass(eq=False)
class _Rows:
    """What one arm has come to so far; features are those of the last step that they are read in, eyes those of the last step."""

    effects: list[dict[str, Any]] = field(default_factory=list)
    fields: list[dict[str, Any]] = field(default_factory=list)
    maps: dict[Field, np.ndarray] = field(default_factory=dict)
    features: dict[str, float] = field(default_factory=dict)
    eyes: Eyes = field(default_factory=dict)
    diverged: int = 0


@dataclass(frozen=True)
class _Size:
    """How large a change is: `Added` without its tensors."""

    exposure: tuple[float, ...]
    touched: int
    size: float
    norms_mean: float
    norms_max: float

    @classmethod
    def of(cls, added: Added) -> "_Size":
        return cls(added.exposure, len(added.tokens_t), added.size, added.norms_mean, added.norms_max)


def read_in(study: Study, step: int) -> int:
    """The step in which features are read that are outcomes: the last edited one so far; before the first, the step itself."""
    return max((each for each in study.edit_steps if each <= step), default=step)


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
