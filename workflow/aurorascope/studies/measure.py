"""Measure the arms of a study on one date."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from aurora import AuroraAirPollution, Batch

from aurorascope.blocks import BY_ID
from aurorascope.errors import UserError
from aurorascope.interventions import Edit, Region
from aurorascope.interventions.ids import FeatureId
from aurorascope.interventions.places import Place
from aurorascope.interventions.values import ROWS, Values, on_device
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.studies.arms import Arm
from aurorascope.studies.changes import Added, Changes
from aurorascope.studies.checks import axes_of, is_finite, resolved, time_of
from aurorascope.studies.clean_runs import CleanRuns
from aurorascope.studies.day import Day, Ran, areas_by_outcome
from aurorascope.studies.outcomes import FeatureMean, Field, Outcome, Reader
from aurorascope.studies.study import Study, feature_outcomes
from aurorascope.studies.survey import Survey
from aurorascope.studies.where import cells_of

_NAN = float("nan")


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
    """All arms of one date; the clean run and the change h' - h are made once, here.

    Args:
        study: what is asked.
        model: the model.
        saes: SAEs by block.
        batch: the input.
        date: `YYYY-MM-DD`.
        region: of the edit at this date.
        labels: folder of labels, or None.
        features: the edited features.
        found: the survey of the block.
        directions_kd: random directions.
        edit_of: the edit of some features.
        clean: clean forecasts of other studies, or None.
    """

    def __init__(
        self, study: Study, model: AuroraAirPollution, saes: Mapping[str, AuroraSAE], batch: Batch, date: str, *, region: Region,
        labels: Path | None, features: tuple[FeatureId, ...], found: Survey, directions_kd: np.ndarray,
        edit_of: Callable[[tuple[FeatureId, ...]], Edit], clean: CleanRuns | None = None,
    ) -> None:
        self._study, self._date, self._found = study, date, found
        listened = tuple(each.block for each in feature_outcomes(study))
        self._day = Day(model, study.block, batch, study.steps, listened)
        self._clean = self._day.run_clean(clean)
        broken = [step for step, forecast in enumerate(self._clean.forecasts, 1) if not is_finite(forecast)]
        if broken:
            found_words = f"others at step {broken[0]} of {date}"
            raise UserError("the clean forecast", "finite numbers", found_words, "take fewer steps, or another date")
        lat, lon = axes_of(batch)
        device = next(model.parameters()).device
        self._changes = Changes(
            study.block, on_device(saes[study.block], device), self._clean.outputs[study.block], (lat, lon), region, edit_of, features,
            directions_kd, found.difference_d, study.placebo_degrees,
        )
        regions = {each.name: each.where.region(f"outcome {each.name}", time_of(batch), labels) for each in study.outcomes}
        cells = cells_of(lat, lon)
        of_forecasts = [each for each in study.outcomes if not isinstance(each, FeatureMean)]
        areas = areas_by_outcome({each.name: regions[each.name] for each in of_forecasts}, cells)
        area_yx = cells.area_n.reshape(cells.plane.shape)
        self._readers = [Reader(of_forecasts, areas, area_yx, batch, forecast) for forecast in self._clean.forecasts]
        self._of_features: dict[str, tuple[Values, np.ndarray]] = {}
        for each in feature_outcomes(study):
            place = Place.of(BY_ID[each.block], lat, lon)
            sae = on_device(saes[each.block], device)
            area_n = np.where(regions[each.name].holds(place), place.area_n, 0)
            self._of_features[each.name] = Values(sae, resolved(f"outcome {each.name}", sae, (each.feature,))), area_n
        self._clean_values = [self._read(self._clean, step) for step in range(study.steps)]

    def measure(self, arm: Arm) -> Measured:
        """Run one arm."""
        added = self._changes.of(arm)
        ran = self._clean if arm.kind == "clean" else self._day.run(added, arm.dose)
        finite = [is_finite(each) for each in ran.forecasts]
        diverged = 0 if all(finite) else finite.index(False) + 1
        effects, fields = [], []
        for step in range(self._study.steps):
            is_whole = not diverged or step + 1 < diverged
            values = self._read(ran, step) if is_whole else {each.name: _NAN for each in self._study.outcomes}
            common = {"date": self._date, "arm": arm.name, "kind": arm.kind, "dose": arm.dose, "number": arm.number, "step": step + 1}
            for outcome in self._study.outcomes:
                effects.append({
                    **common, "outcome": outcome.name, "value": values[outcome.name],
                    "effect": values[outcome.name] - self._clean_values[step][outcome.name],
                    "rounding": self._rounding(outcome, step), **self._sizes(arm, added),
                    **self._on_target(arm, ran, outcome, step, is_whole), "diverged_at_step": diverged,
                })
            if is_whole:
                shares = self._readers[step].divergence(ran.forecasts[step])
                fields += [{**common, "variable": name, "level": level, "d2": d2} for (name, level), d2 in shares.items()]
        is_mapped = arm.kind == "feature" and arm.dose == 1 and not diverged
        return Measured(self._date, effects, fields, self._maps(ran) if is_mapped else {})

    def _read(self, ran: Ran, step: int) -> dict[str, float]:
        """All outcomes; a feature's is of the first step, where the edit is made, whatever the step."""
        found = self._readers[step].read(ran.forecasts[step])
        for each in feature_outcomes(self._study):
            values, area_n = self._of_features[each.name]
            v_nf = np.concatenate([values.of(x_rd).cpu().numpy() for x_rd in ran.outputs[each.block].split(ROWS)])
            found[each.name] = float((area_n * v_nf.sum(axis=1)).sum() / area_n.sum())
        return found

    def _rounding(self, outcome: Outcome, step: int) -> float:
        if isinstance(outcome, FeatureMean):
            return 2.0**-24 * abs(self._clean_values[step][outcome.name])
        return self._readers[step].rounding(outcome)

    def _sizes(self, arm: Arm, added: Added) -> dict[str, Any]:
        share = _NAN
        if arm.kind in ("feature", "minus_feature"):
            p99_f = np.where(np.isnan(self._found.p99_f), np.inf, self._found.p99_f)
            share = float((np.array(added.exposure) / p99_f).max())
        dose = abs(arm.dose)
        return {
            "exposure": float(sum(added.exposure)) if added.exposure else _NAN, "exposure_share": share, "touched": len(added.tokens_t),
            "size": dose * added.size, "norms_mean": dose * added.norms_mean, "norms_max": dose * added.norms_max,
        }

    def _on_target(self, arm: Arm, ran: Ran, outcome: Outcome, step: int, is_whole: bool) -> dict[str, float]:
        if arm.kind not in ("feature", "minus_feature") or isinstance(outcome, FeatureMean) or not is_whole:
            return {"d2_target": _NAN, "d2": _NAN}
        return dict(zip(("d2_target", "d2"), self._readers[step].on_target(ran.forecasts[step], outcome), strict=True))

    def _maps(self, ran: Ran) -> dict[Field, np.ndarray]:
        fields = dict.fromkeys(field for outcome in self._study.outcomes for field in outcome.fields)
        return {field: self._readers[-1].change(ran.forecasts[-1], field) for field in fields}
