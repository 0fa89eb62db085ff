"""Measure the arms of a study of changed inputs on one date."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from aurora import AuroraAirPollution, Batch, rollout

from aurorascope.blocks import BY_ID
from aurorascope.errors import UserError
from aurorascope.interventions.places import Place
from aurorascope.interventions.values import ROWS, Values, on_device
from aurorascope.perturbations.apply_changes import apply
from aurorascope.perturbations.carry import carried_forecast, decoded
from aurorascope.perturbations.inputs import Inputs
from aurorascope.perturbations.reach_by_block import reach
from aurorascope.perturbations.responses import RegionWeights, Response, respond
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.studies.checks import is_finite, resolved, time_of
from aurorascope.studies.day import areas_by_outcome
from aurorascope.studies.fields import Field, values_of
from aurorascope.studies.input_arms import InputArm, InputPlan
from aurorascope.studies.input_study import InputStudy
from aurorascope.studies.kept import Kept
from aurorascope.studies.outcomes import FeatureMean, Outcome, Reader
from aurorascope.studies.study import feature_outcomes
from aurorascope.studies.tracks import Eyes, Follower, Track, track_rounding, track_value
from aurorascope.studies.where import cells_of
from aurorascope.tokens import token_grid

REGION = "changed"
"""Responses are averaged where the inputs change; those to the same change further east where it is then."""
_NAN = float("nan")


@dataclass(frozen=True, eq=False)
class InputMeasured:
    """One arm on one date.

    Attributes:
        date: `YYYY-MM-DD`.
        effects: rows of `InputStudyResult.effects`.
        responses: by block, how features respond in the first step; none for the clean arms.
        maps: as in `InputStudyResult` for one date; empty but for the whole change.
        reach: rows of `InputStudyResult.reach`; none but for the whole change.
        rings: rows of `InputStudyResult.rings`, likewise.
    """

    date: str
    effects: list[dict[str, Any]]
    responses: dict[str, Response]
    maps: dict[str, dict[Field, np.ndarray]]
    reach: list[dict[str, Any]]
    rings: list[dict[str, Any]]


class InputDate:
    """All arms of one date; its clean run is made once, here.

    Args:
        study: what is asked.
        model: the model.
        saes: SAEs by block.
        inputs: the clean inputs.
        date: `YYYY-MM-DD`.
        plan: the arms.
        labels: folder of labels, or None.
        scratch: folder for clean forecasts; None for the system's.

    Raises:
        UserError: the clean forecast is not finite.
    """

    def __init__(
        self, study: InputStudy, model: AuroraAirPollution, saes: Mapping[str, AuroraSAE], inputs: Inputs, date: str, plan: InputPlan,
        labels: Path | None, scratch: Path | None = None,
    ) -> None:
        self._study, self._model, self._inputs, self._date, self._plan = study, model, inputs, date, plan
        self._saes = {block: on_device(saes[block], torch.device("cpu")) for block in study.blocks}
        self._batch = inputs.batch()
        self._time = time_of(self._batch)
        self._regions = {each.name: each.where.region(f"outcome {each.name}", self._time, labels) for each in study.outcomes}
        self._features = {each.name: self._feature_of(each, saes) for each in feature_outcomes(study)}
        cells = cells_of(inputs.lat, inputs.lon)
        self._of_cells = [each for each in study.outcomes if not isinstance(each, FeatureMean)]
        areas = areas_by_outcome({each.name: self._regions[each.name] for each in self._of_cells}, cells)
        area_yx = cells.area_n.reshape(cells.plane.shape)
        self._lat, self._tracks = cells.lat, [each for each in self._of_cells if isinstance(each, Track)]
        of_forecasts = [each for each in self._of_cells if not isinstance(each, Track)]
        # On disk, so that more steps hold no more memory.
        self._kept = Kept(scratch)
        self._setting_out = Follower(self._tracks, self._batch, len(area_yx))
        self._readers: list[Reader] = []
        self._clean_eyes: list[Eyes] = []
        self._clean_values: list[dict[str, float]] = []
        self._outputs: dict[str, torch.Tensor] = {}
        listeners = {block: lambda x_nd, block=block: self._outputs.update({block: x_nd.to("cpu", copy=True)}) for block in study.blocks}
        follower = self._setting_out.copy()
        with decoded(model) as kept:
            for step, (forecast, read) in enumerate(self._forecasts(self._batch, listeners)):
                if not is_finite(forecast):
                    words = f"others at step {step + 1} of {date}"
                    raise UserError("the clean forecast", "finite numbers", words, "take fewer steps, or another date")
                # The decoder's answer of the first step is what the output skip is told apart with.
                self._decoded = kept["output"] if step == 0 else self._decoded
                self._kept.put_forecast(step, forecast)
                self._readers.append(Reader(of_forecasts, areas, area_yx, self._batch, self._kept.forecast(step)))
                self._clean_eyes.append(follower.follow(forecast))
                self._clean_values.append(self._values(step, forecast, self._clean_eyes[step]) | read)

    def close(self) -> None:
        """Leave nothing on disk."""
        self._kept.close()

    def measure(self, arm: InputArm) -> InputMeasured:
        """Run one arm."""
        is_clean = arm.kind in ("clean", "clean_again")
        changed = self._inputs if is_clean else apply(self._inputs, self._plan.operations[self._date, arm.name])
        batch, responses = changed.batch(), {}
        listeners = {} if is_clean else {block: self._responder(block, arm, responses) for block in self._study.blocks}
        effects: list[dict[str, Any]] = []
        maps: dict[str, dict[Field, np.ndarray]] = {}
        diverged, follower = 0, self._setting_out.copy()
        forecasts = self._clean_steps() if arm.kind == "clean" else self._forecasts(batch, listeners)
        for step, (forecast, read) in enumerate(forecasts):
            # A forecast that has diverged is none to go on from: nothing after it is read.
            diverged = diverged or (0 if forecast is None or is_finite(forecast) else step + 1)
            values = self._clean_values[step]
            if forecast is not None and not diverged:
                values = self._values(step, forecast, follower.follow(forecast)) | read
            parts: dict[str, dict[str, float]] = {}
            if step == 0 and arm.kind in ("change", "reverse") and not diverged:
                carried = carried_forecast(self._model, self._decoded, batch)
                parts = self._parts(values, self._values(0, carried, self._setting_out.copy().follow(carried)))
                if arm.dose == 1:
                    maps = self._maps(forecast, carried)
            on_target: dict[str, tuple[float, float]] = {}
            if arm.kind in ("change", "reverse") and not diverged:
                _, on_target = self._readers[step].divergence(forecast, self._of_cells)
            effects += [self._row(arm, step, each, values, parts, on_target, diverged) for each in self._study.outcomes]
        for row in effects:
            row["diverged_at_step"] = diverged
        curve = self._reach(batch) if arm.kind == "change" and arm.dose == 1 and not diverged else ([], [])
        return InputMeasured(self._date, effects, responses, maps, *curve)

    def _values(self, step: int, forecast: Batch, eyes: Eyes) -> dict[str, float]:
        """Outcomes of a forecast, all but features."""
        tracks = {each.name: track_value(each, step, eyes, self._clean_eyes[step]) for each in self._tracks}
        return self._readers[step].read(forecast) | tracks

    def _clean_steps(self) -> Iterator[tuple[None, dict[str, float]]]:
        return ((None, {}) for _ in self._clean_values)

    def _forecasts(
        self, batch: Batch, listeners: Mapping[str, Callable[[torch.Tensor], None]]
    ) -> Iterator[tuple[Batch, dict[str, float]]]:
        """Forecasts as they come, each with the values of outcomes that are features, which are of the first step, whatever the step."""
        read: dict[str, float] = {}
        heard = [(block, listener) for block, listener in listeners.items()]
        heard += [(each.block, self._reads(each, read)) for each in feature_outcomes(self._study)]
        with contextlib.closing(rollout(self._model, batch, steps=self._study.steps)) as going:
            for step in range(self._study.steps):
                with torch.inference_mode(), _listening(self._model, [] if step else heard):
                    forecast = next(going)
                yield forecast, read

    def _feature_of(self, outcome: FeatureMean, saes: Mapping[str, AuroraSAE]) -> tuple[Values, np.ndarray]:
        place = Place.of(BY_ID[outcome.block], self._inputs.lat, self._inputs.lon)
        sae = on_device(saes[outcome.block], next(self._model.parameters()).device)
        area_n = np.where(self._regions[outcome.name].holds(place), place.area_n, 0)
        return Values(sae, resolved(f"outcome {outcome.name}", sae, (outcome.feature,))), area_n

    def _reads(self, outcome: FeatureMean, read: dict[str, float]) -> Callable[[torch.Tensor], None]:
        values, area_n = self._features[outcome.name]

        def listener(x_nd: torch.Tensor) -> None:
            v_nf = np.concatenate([values.of(x_rd).cpu().numpy() for x_rd in x_nd.split(ROWS)])
            read[outcome.name] = float((area_n * v_nf.sum(axis=1)).sum() / area_n.sum())

        return listener

    def _responder(self, block: str, arm: InputArm, responses: dict[str, Response]) -> Callable[[torch.Tensor], None]:
        """What keeps a block's response to an arm, in the region of its change."""
        inputs, region = self._inputs, self._study.region
        if arm.kind == "moved":
            region = region.moved_east(float(arm.label))
        name = arm.name if arm.kind == "moved" else REGION
        weights = RegionWeights.of(token_grid(BY_ID[block], inputs.lat, inputs.lon), inputs.lat, inputs.lon, {name: region})

        def listener(x_nd: torch.Tensor) -> None:
            responses[block] = respond(self._saes[block], self._outputs[block], x_nd.cpu(), weights, inputs.time)

        return listener

    def _row(
        self, arm: InputArm, step: int, outcome: Outcome, values: dict[str, float], parts: dict[str, dict[str, float]],
        on_target: dict[str, tuple[float, float]], diverged: int,
    ) -> dict[str, Any]:
        value = _NAN if diverged else values[outcome.name]
        clean = self._clean_values[step][outcome.name]
        is_feature = isinstance(outcome, FeatureMean)
        target = on_target.get(outcome.name, (_NAN, _NAN))
        if isinstance(outcome, Track):
            rounding = track_rounding(outcome, clean, self._lat)
        else:
            rounding = 2.0**-24 * abs(clean) if is_feature else self._readers[step].rounding(outcome)
        return {
            "date": self._date, "arm": arm.name, "kind": arm.kind, "dose": arm.dose, "number": arm.number, "step": step + 1,
            "outcome": outcome.name, "value": value, "effect": value - clean, "rounding": rounding,
            "exposure_share": self._plan.exposure[self._date] if arm.kind in ("change", "reverse") else _NAN,
            "size": self._plan.sizes.get((self._date, arm.name), 0.0), **parts.get(outcome.name, {"carry": _NAN, "backbone": _NAN}),
            "d2_target": target[0], "d2": target[1],
        }

    def _parts(self, values: dict[str, float], carried: dict[str, float]) -> dict[str, dict[str, float]]:
        clean = self._clean_values[0]
        return {name: {"carry": value - clean[name], "backbone": values[name] - value} for name, value in carried.items()}

    def _maps(self, forecast: Batch, carried: Batch) -> dict[str, dict[Field, np.ndarray]]:
        fields = dict.fromkeys(field for outcome in self._study.outcomes for field in outcome.fields)
        reader, rows = self._readers[0], forecast.metadata.lat.shape[0]
        return {
            "total": {field: reader.change(forecast, field) for field in fields},
            "carry": {field: reader.change(carried, field) for field in fields},
            "backbone": {field: (values_of(forecast, field, rows) - values_of(carried, field, rows)).astype(np.float32) for field in fields},
        }

    def _reach(self, batch: Batch) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        found = reach(self._model, self._batch, batch, self._study.region)
        date = {"date": self._date}
        return tuple([{**date, **row} for row in table.to_dict("records")] for table in (found.blocks, found.rings))


@contextlib.contextmanager
def _listening(model: AuroraAirPollution, heard: list[tuple[str, Callable[[torch.Tensor], None]]]) -> Iterator[None]:
    """Hand the outputs of blocks to listeners, (tokens, width) float32."""
    handles = []
    for block, listener in heard:
        def hook(_module: torch.nn.Module, _args: tuple[Any, ...], output: torch.Tensor, listener: Callable = listener) -> None:
            # Aurora's backbone runs in autocast at full size; what is read of it does not.
            with torch.autocast("cpu", enabled=False), torch.autocast(output.device.type, enabled=False):
                listener(output[0].float())

        handles.append(BY_ID[block].module(model).register_forward_hook(hook))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
