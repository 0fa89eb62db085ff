"""Read the outputs of chosen blocks during a forward of Aurora, and stop the forward once the deepest has fired.

Hooks sit on blocks, never on stages: a stage returns a tuple whose second half feeds the decoder's skip. A block's
output is one tensor (batch, latent levels * rows * columns, width).
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator

import torch
from aurora import AuroraAirPollution, Batch

from aurorascope.blocks import Block


class _Stop(Exception):
    """Ends a forward; never leaves this module."""


@contextlib.contextmanager
def stopped_after(model: AuroraAirPollution, block: Block) -> Iterator[None]:
    """End a forward inside the `with` once a block has fired, its other hooks included; nothing is raised."""

    def stop(*_: object) -> None:
        raise _Stop

    handle = block.module(model).register_forward_hook(stop)
    try:
        yield
    except _Stop:
        pass
    finally:
        handle.remove()


def run_to_blocks(
    model: AuroraAirPollution,
    batch: Batch,
    blocks: Iterable[Block],
    receive: Callable[[Block, torch.Tensor], None],
) -> None:
    """Run Aurora until the deepest of `blocks` has fired, handing each block's output to `receive` in forward order.

    Args:
        model: the model, in eval mode.
        batch: its input, batch size 1.
        blocks: the blocks to read.
        receive: called with (block, tokens), tokens (n_tokens, width) float32 on the model's device.

    Raises:
        ValueError: a block's output is not (1, n_tokens, width); Aurora's structure has changed.
    """
    wanted = sorted(blocks, key=lambda block: block.depth_index)

    def listener(block: Block) -> Callable:
        def fired(_module: torch.nn.Module, args: tuple, output: torch.Tensor) -> None:
            levels, rows, cols = args[2]
            if not isinstance(output, torch.Tensor) or output.ndim != 3 or output.shape[:2] != (1, levels * rows * cols):
                found = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
                raise ValueError(f"{block.hook}: expected an output (1, {levels * rows * cols}, width), found {found}")
            receive(block, output[0].float())

        return fired

    handles = [block.module(model).register_forward_hook(listener(block)) for block in wanted]
    try:
        with torch.inference_mode(), stopped_after(model, wanted[-1]):
            model(batch)
    finally:
        for handle in handles:
            handle.remove()
