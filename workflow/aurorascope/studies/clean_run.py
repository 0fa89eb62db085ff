"""The clean run of one date: what arms of a study are compared with, and where they set out from."""

from collections.abc import Callable
from pathlib import Path

import torch
from aurora import AuroraAirPollution, Batch

from aurorascope.backbone.hooks import run_to_blocks
from aurorascope.blocks import BY_ID
from aurorascope.errors import UserError
from aurorascope.studies.checks import is_finite
from aurorascope.studies.clean_runs import CleanRuns
from aurorascope.studies.day import Day, run_early
from aurorascope.studies.kept import Kept, KeptForecast
from aurorascope.studies.study import Study, feature_outcomes


class CleanRun:
    """Steps before the first edited one are made here and now, once; the others once `finish` is called.

    Args:
        study: what is asked.
        model: the model, without hooks of others.
        batch: the date's input.
        date: `YYYY-MM-DD`.
        scratch: where forecasts wait on disk; None for the system's folder.
        shared: forecasts of other studies, and for others; None where nothing is shared.

    Raises:
        UserError: a forecast that is not finite.
    """

    def __init__(
        self, study: Study, model: AuroraAirPollution, batch: Batch, date: str, scratch: Path | None = None, shared: CleanRuns | None = None
    ) -> None:
        self._study, self._model, self._batch, self._date, self._shared = study, model, batch, date, shared
        self._device = next(model.parameters()).device
        self._kept = Kept(scratch)
        self._listened = tuple(dict.fromkeys(each.block for each in feature_outcomes(study)))
        self.first = study.edit_steps[0]
        if self.first:
            self._kept.put_input(run_early(model, batch, self.first, self._listened, self._keep))

    def start(self) -> Batch:
        """The input of the first edited step."""
        return self._kept.input(self._device) if self.first else self._batch

    def edited_outputs(self, receive: Callable[[torch.Tensor], None]) -> None:
        """Hand the edited block's output in each edited step, (n_tokens, d) float32, to `receive`; steps between the first and the last
        of these are made here once more, since what follows the first is only kept once controls are chosen.

        Raises:
            UserError: a forecast that is not finite.
        """
        block, edited = self._study.block, self._study.edit_steps

        def heard(at: int, forecast: Batch, outputs: dict[str, torch.Tensor]) -> None:
            self._check(self.first + at, forecast)
            if self.first + at in edited:
                receive(outputs[block].float())

        state = run_early(self._model, self.start(), edited[-1] - self.first, (block,), heard)
        run_to_blocks(self._model, state, [BY_ID[block]], lambda _block, x_nd: receive(x_nd))

    def finish(self) -> Day:
        """Make the steps from the first edited one on; arms run in the day that is returned.

        Raises:
            UserError: a forecast that is not finite.
        """
        study = self._study
        day = Day(self._model, study.block, self.start(), range(self.first, study.steps), self._listened)
        if not self._take(day):
            day.run(lambda step: None, self._keep)
            if self._shared is not None:
                self._shared.keep(self._batch, [self.forecast(step) for step in range(study.steps)])
        return day

    def _take(self, day: Day) -> bool:
        """Take the forecasts that another study left, where they are all that is needed: of blocks' outputs nobody keeps any."""
        if self._shared is None or self._listened or self._study.edit_steps != (0,):
            return False
        found = self._shared.find(self._batch, self._study.steps)
        for step, forecast in enumerate(found or []):
            self._kept.take_forecast(step, forecast)
        if found is not None:
            self._kept.put_output(0, self._study.block, day.output())
        return found is not None

    def forecast(self, step: int) -> KeptForecast:
        """The clean forecast of a step, from 0."""
        return self._kept.forecast(step)

    def output(self, step: int, block_id: str) -> torch.Tensor:
        """A block's output, (n_tokens, d): in an edited step the edited block's and those of outcomes, in earlier ones the latter."""
        return self._kept.output(step, block_id, self._device)

    def close(self) -> None:
        """Leave nothing on disk."""
        self._kept.close()

    def _check(self, step: int, forecast: Batch) -> None:
        if not is_finite(forecast):
            found = f"others at step {step + 1} of {self._date}"
            raise UserError("the clean forecast", "finite numbers", found, "take fewer steps, or another date")

    def _keep(self, step: int, forecast: Batch, outputs: dict[str, torch.Tensor]) -> None:
        self._check(step, forecast)
        self._kept.put_forecast(step, forecast)
        if step < self.first or step in self._study.edit_steps:
            for block_id, x_nd in outputs.items():
                self._kept.put_output(step, block_id, x_nd)
