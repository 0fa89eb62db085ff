"""One date of a study: its clean run, and forecasts that differ from the edited block on."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from aurora import AuroraAirPollution, Batch, rollout

from aurorascope.backbone.replay import Replay
from aurorascope.blocks import BY_ID, Block
from aurorascope.studies.changes import Added
from aurorascope.studies.clean_runs import CleanRuns


@dataclass(frozen=True, eq=False)
class Ran:
    """One arm's run.

    Attributes:
        forecasts: one a step.
        outputs: by block id, the output of each block that was listened to in the first step, (n_tokens, d).
    """

    forecasts: list[Batch]
    outputs: dict[str, torch.Tensor]


class Day:
    """A date's input and everything before the edited block, computed once.

    Args:
        model: the model, without hooks of others.
        block_id: the edited block.
        batch: the input, one member.
        steps: forecast steps.
        listened: ids of blocks whose outputs are wanted.
    """

    def __init__(self, model: AuroraAirPollution, block_id: str, batch: Batch, steps: int, listened: tuple[str, ...]) -> None:
        self._model, self._block, self.batch, self._steps = model, BY_ID[block_id], batch, steps
        self._listened = tuple(dict.fromkeys((block_id, *listened)))
        self._replay = Replay(model, batch)
        self._replay.advance(self._block)

    def run(self, added: Added | None, dose: float) -> Ran:
        """Forecasts with a change in the first step; None for the clean run."""
        outputs: dict[str, torch.Tensor] = {}
        with torch.inference_mode(), contextlib.ExitStack() as stack:
            if self._steps == 1:
                with self._hooked(added, dose, outputs):
                    return Ran([self._replay.forecast()], outputs)
            going = rollout(self._model, self.batch, steps=self._steps)
            stack.callback(going.close)
            with self._hooked(added, dose, outputs), self._replay.known():
                first = next(going)
            return Ran([first, *going], outputs)

    def run_clean(self, kept: CleanRuns | None) -> Ran:
        """The clean run, from what is kept where only the edited block is listened to: no other output is kept."""
        known = None
        if kept is not None and self._listened == (self._block.id,):
            known = kept.find(self.batch, self._steps)
        if known is not None:
            return Ran(known, {self._block.id: self._replay.output(self._block)[0]})
        ran = self.run(None, 0.0)
        if kept is not None:
            kept.keep(self.batch, ran.forecasts)
        return ran

    @contextlib.contextmanager
    def _hooked(self, added: Added | None, dose: float, outputs: dict[str, torch.Tensor]) -> Iterator[None]:
        def edit(_module: torch.nn.Module, _args: tuple[Any, ...], output: torch.Tensor) -> torch.Tensor | None:
            if added is None or added.is_none:
                return None
            # The replay returns its output again.
            edited = output.clone()
            edited[0, added.tokens_t] = (output[0, added.tokens_t].double() + dose * added.change_td).to(output.dtype)
            return edited

        def listener(block: Block) -> Any:
            def heard(_module: torch.nn.Module, _args: tuple[Any, ...], output: torch.Tensor) -> None:
                outputs[block.id] = output[0]

            return heard

        handles = [self._block.module(self._model).register_forward_hook(edit)]
        handles += [BY_ID[each].module(self._model).register_forward_hook(listener(BY_ID[each])) for each in self._listened]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


def areas_by_outcome(regions: Mapping[str, Any], place: Any) -> dict[str, Any]:
    """By outcome the area of each cell of its region, 0 outside, (rows, columns) int64."""
    shape = place.plane.shape
    return {name: (region.holds(place) * place.area_n).reshape(shape) for name, region in regions.items()}
