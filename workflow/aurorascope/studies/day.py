"""One date of a study: forecasts that differ from the first edited step on, in the edited block and what follows it."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from aurora import AuroraAirPollution, Batch

from aurorascope.backbone.replay import Replay
from aurorascope.blocks import BY_ID
from aurorascope.studies.changes import Added

Receive = Callable[[int, Batch, dict[str, torch.Tensor]], None]
"""Called with each step, from 0, its forecast, and the outputs of the blocks that were listened to, (n_tokens, d), by id."""


class Day:
    """The input of a date's first edited step, and everything that comes before the edited block in it, computed once.

    Args:
        model: the model, without hooks of others.
        block_id: the edited block.
        batch: the input, one member.
        steps: the first edited step, from 0, and those after it.
        listened: ids of blocks whose outputs are wanted.
    """

    def __init__(self, model: AuroraAirPollution, block_id: str, batch: Batch, steps: range, listened: Iterable[str]) -> None:
        self._model, self._block_id, self.batch, self._steps = model, block_id, batch, steps
        self._listened = tuple(dict.fromkeys((block_id, *listened)))
        self._replay = Replay(model, batch)
        self._replay.advance(BY_ID[block_id])

    def output(self) -> torch.Tensor:
        """The edited block's clean output in the first edited step, (n_tokens, d)."""
        return self._replay.output(BY_ID[self._block_id])[0]

    def run(self, change_of: Callable[[int], tuple[Added, float] | None], receive: Receive) -> None:
        """Forecast step by step; a forecast is not kept once `receive` has had it.

        Args:
            change_of: what is added to the block's output in a step, and how many times; None where nothing is.
            receive: see `Receive`.
        """
        state = self.batch
        for step in self._steps:
            change, known = change_of(step), self._replay.known() if step == self._steps[0] else contextlib.nullcontext()
            with _edited(self._model, self._block_id, change), heard(self._model, self._listened) as outputs, known:
                forecast = _forecast(self._model, state)
            receive(step, forecast, outputs)
            if step != self._steps[-1]:
                state = next_input(self._model, state, forecast)
            # Not held while the next one is computed.
            del forecast, outputs, change


def run_early(model: AuroraAirPollution, batch: Batch, n_steps: int, listened: Iterable[str], receive: Receive) -> Batch:
    """Make the clean steps that come before the first edited one, and give that one's input.

    Args:
        model: the model, without hooks of others.
        batch: the date's input.
        n_steps: how many.
        listened: ids of blocks whose outputs are wanted.
        receive: see `Receive`.
    """
    for step in range(n_steps):
        with heard(model, listened) as outputs:
            forecast = _forecast(model, batch)
        receive(step, forecast, outputs)
        batch = next_input(model, batch, forecast)
        del forecast, outputs
    return batch


def _forecast(model: AuroraAirPollution, batch: Batch) -> Batch:
    with torch.inference_mode():
        return model(batch)


def next_input(model: AuroraAirPollution, batch: Batch, forecast: Batch) -> Batch:
    """The input of the next step, as `aurora.rollout` makes it: the oldest state of the input is dropped, the forecast is the newest."""
    before = model.batch_transform_hook(batch).type(next(model.parameters()).dtype).crop(model.patch_size).to(next(model.parameters()).device)
    after = model.apply_rollout_input_clipping(forecast)

    def joined(part: str) -> dict[str, torch.Tensor]:
        old, new = getattr(before, part), getattr(after, part)
        return {name: torch.cat([old[name][:, 1:], tensor], dim=1) for name, tensor in new.items() if name in old}

    with torch.inference_mode():
        return dataclasses.replace(after, surf_vars=joined("surf_vars"), atmos_vars=joined("atmos_vars"))


@contextlib.contextmanager
def heard(model: AuroraAirPollution, block_ids: Iterable[str]) -> Iterator[dict[str, torch.Tensor]]:
    """Outputs of blocks in forwards inside the `with`, (n_tokens, d) by id, after all hooks that were there before."""
    outputs: dict[str, torch.Tensor] = {}

    def listener(block_id: str) -> Any:
        def fired(_module: torch.nn.Module, _args: tuple[Any, ...], output: torch.Tensor) -> None:
            outputs[block_id] = output[0]

        return fired

    handles = [BY_ID[each].module(model).register_forward_hook(listener(each)) for each in block_ids]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()


@contextlib.contextmanager
def _edited(model: AuroraAirPollution, block_id: str, change: tuple[Added, float] | None) -> Iterator[None]:
    """Add a change, so many times, to a block's output in forwards inside the `with`."""
    if change is None or change[0].is_none:
        yield
        return
    added, dose = change

    def edit(_module: torch.nn.Module, _args: tuple[Any, ...], output: torch.Tensor) -> torch.Tensor:
        # The replay returns its output again.
        edited = output.clone()
        edited[0, added.tokens_t] = (output[0, added.tokens_t].double() + dose * added.change_td).to(output.dtype)
        return edited

    handle = BY_ID[block_id].module(model).register_forward_hook(edit)
    try:
        yield
    finally:
        handle.remove()


def areas_by_outcome(regions: Mapping[str, Any], place: Any) -> dict[str, Any]:
    """By outcome the area of each cell of its region, 0 outside, (rows, columns) int64."""
    shape = place.plane.shape
    return {name: (region.holds(place) * place.area_n).reshape(shape) for name, region in regions.items()}
