"""Many forecasts from one state that differ from some block on: what comes before it is computed once.

Nothing of Aurora is written again. Its own forward runs each time, but modules whose output is already known return it
instead of computing it: the encoder, the stages before the block's, and the blocks before it in its stage. The forecast is
bit for bit that of a whole forward, since what still runs reads the same bits.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from aurora import AuroraAirPollution, Batch

from aurorascope.backbone.hooks import stopped_after
from aurorascope.blocks import Block


def _known_by(model: AuroraAirPollution, block: Block) -> tuple[list[torch.nn.Module], list[torch.nn.Module]]:
    """Modules that have run once a block has, those outside its stage and those inside, in forward order."""
    backbone = model.backbone
    stages = [*backbone.encoder_layers, *backbone.decoder_layers]
    place = block.stage + (len(backbone.encoder_layers) if block.component == "decoder" else 0)
    return [model.encoder, *stages[:place]], list(stages[place].blocks[: block.block + 1])


@contextlib.contextmanager
def returning(outputs: Mapping[torch.nn.Module, Any]) -> Iterator[None]:
    """Let modules return what is given instead of computing it; hooks on them still fire."""
    for module, output in outputs.items():
        module.forward = _constant(output)
    try:
        yield
    finally:
        for module in outputs:
            del module.forward


def _constant(output: Any) -> Callable[..., Any]:
    return lambda *_args, **_kwargs: output


class Replay:
    """Forecasts from one batch.

    Args:
        model: the model, in eval mode, without hooks of one's own while `advance` runs.
        batch: its input, on the model's device.
    """

    def __init__(self, model: AuroraAirPollution, batch: Batch) -> None:
        self.batch = batch
        self._model = model
        self._outputs: dict[torch.nn.Module, Any] = {}

    def advance(self, block: Block) -> None:
        """Compute the clean outputs, as far as they are not known, of all modules up to a block, which comes not before the last one."""
        outside, inside = _known_by(self._model, block)
        found = dict(self._outputs)

        def keep(module: torch.nn.Module, _args: tuple, output: Any) -> None:
            found[module] = output

        handles = [module.register_forward_hook(keep) for module in (*outside, *inside)]
        try:
            with returning(self._outputs), torch.inference_mode(), stopped_after(self._model, block):
                self._model(self.batch)
        finally:
            for handle in handles:
                handle.remove()
        # Of the block's stage only its own output is read again: the blocks before it return it too, to no effect.
        self._outputs = {**{module: found[module] for module in outside}, **dict.fromkeys(inside, found[inside[-1]])}

    def output(self, block: Block) -> torch.Tensor:
        """Clean output of the block advanced to, (1, n_tokens, width)."""
        return self._outputs[block.module(self._model)]

    def forecast(self) -> Batch:
        """The forecast 12 hours ahead, under whatever hooks are on blocks from the one advanced to on."""
        with self.known(), torch.inference_mode():
            return self._model(self.batch)

    def known(self) -> contextlib.AbstractContextManager[None]:
        """Inside it the model takes what is known instead of computing it: for the first step of a rollout of `batch`, and no other."""
        return returning(self._outputs)
