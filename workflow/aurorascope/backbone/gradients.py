"""Gradients of something that a forecast says, at the outputs of chosen blocks.

    with graph_from(model, first) as start, hear_gradients(model, blocks, receive):
        pull_back(y_of(model(batch)), start)

The graph begins at one block's output: nothing before it is recorded, and no parameter has a gradient. One forward and one backward
serve all blocks after it. `between` keeps the graph from one block's output to a later one's for many backwards.

With and without `model.configure_activation_checkpointing()`. Aurora's own checkpoints lie one in the other: the backbone, its stages
and its blocks, so that each block is computed three more times. Inside `graph_from` those of blocks hold, which keeps one output a block
and computes each once more, and not those around them; nor that of the decoder, whose backward comes first, so that it would be
computed again at once for the same memory. Whatever is computed again fires hooks again; gradients come to the first outputs alone.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from aurora import AuroraAirPollution, Batch
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import CheckpointWrapper

from aurorascope.backbone.hooks import stopped_after
from aurorascope.blocks import Block

Receive = Callable[[Block, torch.Tensor, torch.Tensor], None]
"""Called with a block, its output and the gradient there, both (n_tokens, d) float32, when the gradient arrives; never under autocast."""


class Start:
    """Where a graph begins.

    Attributes:
        block: the block.
    """

    def __init__(self, block: Block) -> None:
        self.block = block
        self._leaf: torch.Tensor | None = None

    @property
    def output(self) -> torch.Tensor:
        """The block's output that the graph begins with, (1, n_tokens, d), a leaf.

        Raises:
            ValueError: no forward has come to the block.
        """
        if self._leaf is None:
            raise ValueError(f"{self.block.hook}: no forward came to this block inside graph_from")
        return self._leaf

    def begin(self, output: torch.Tensor) -> torch.Tensor:
        """A leaf with the values of an output; the first is the one that has gradients."""
        # Not shared: what a replay knows was computed in inference mode.
        leaf = output.detach().clone().requires_grad_()
        if self._leaf is None:
            self._leaf = leaf
        return leaf


@contextlib.contextmanager
def graph_from(
    model: AuroraAirPollution, block: Block, replace: Callable[[torch.Tensor], torch.Tensor] | None = None
) -> Iterator[Start]:
    """Record a graph from a block's output on, in one forward inside the `with`; backwards belong inside, too.

    Args:
        model: the model, in eval mode. Parameters have no gradients inside, and afterwards those that they had.
        block: the block.
        replace: what is put in the place of its output (n_tokens, d), the same shape; None for nothing.

    Yields:
        The start, whose `output` is there once the block has run.

    Raises:
        ValueError: an output that is not (1, n_tokens, d).
    """
    start = Start(block)

    def fired(_module: torch.nn.Module, _args: tuple[Any, ...], output: torch.Tensor) -> torch.Tensor:
        _check(block, output)
        if replace is not None:
            with torch.no_grad(), torch.autocast(output.device.type, enabled=False):
                output = replace(output[0].float())[None].to(output.dtype)
        return start.begin(output)

    with _without_gradients(model), _blocks_again(model), torch.enable_grad():
        handle = block.module(model).register_forward_hook(fired)
        try:
            yield start
        finally:
            handle.remove()


@contextlib.contextmanager
def hear_gradients(model: AuroraAirPollution, blocks: Iterable[Block], receive: Receive) -> Iterator[None]:
    """Hand on the first output of each block, and its gradient, in the one forward and its backward inside the `with`.

    The output is let go once its gradient has come. In a `graph_from`; blocks before its start are heard in vain.

    Args:
        model: the model.
        blocks: those to listen to.
        receive: see `Receive`; called in the order in which gradients come, the last block first.
    """
    heard: set[Block] = set()

    def listener(block: Block) -> Callable[..., None]:
        def fired(_module: torch.nn.Module, _args: tuple[Any, ...], output: torch.Tensor) -> None:
            if block in heard or not output.requires_grad:
                return
            heard.add(block)
            _check(block, output)
            waiting = [output.detach()]

            def arrived(gradient: torch.Tensor) -> None:
                # A second backward through the same graph is nobody's here.
                if waiting:
                    with torch.no_grad(), torch.autocast(gradient.device.type, enabled=False):
                        receive(block, waiting.pop()[0].float(), gradient[0].float())

            tensor_handles.append(output.register_hook(arrived))

        return fired

    tensor_handles: list[Any] = []
    handles = [block.module(model).register_forward_hook(listener(block)) for block in blocks]
    try:
        yield
    finally:
        for handle in (*handles, *tensor_handles):
            handle.remove()


def pull_back(y: torch.Tensor, start: Start) -> torch.Tensor:
    """Gradient of a number at a graph's start, (n_tokens, d) float32; the graph is gone afterwards.

    Raises:
        ValueError: the number does not come from the start.
    """
    if not y.requires_grad:
        raise ValueError(f"{start.block.hook}: the number does not depend on this block's output")
    return torch.autograd.grad(y, start.output)[0][0].float()


class Stretch:
    """The graph from one block's output to a later one's.

    Args:
        start: where it begins.
        x_end: the later block's output, (1, n_tokens, d).

    Attributes:
        x_start_nd: the first block's output, (n_tokens, d).
        x_end_nd: the later block's, (n_tokens of it, d of it).
    """

    def __init__(self, start: Start, x_end: torch.Tensor) -> None:
        self._start, self._end = start, x_end
        self.x_start_nd, self.x_end_nd = start.output.detach()[0], x_end.detach()[0]

    def pull(self, v_nd: torch.Tensor) -> torch.Tensor:
        """v^T dx_end/dx_start: the gradient of sum(v * x_end) at the start, (n_tokens, d) float32. The graph stays for the next.

        Args:
            v_nd: of the shape of `x_end_nd`.
        """
        (found,) = torch.autograd.grad(self._end, self._start.output, v_nd[None].to(self._end.dtype), retain_graph=True)
        return found[0].float()


@contextlib.contextmanager
def between(
    model: AuroraAirPollution, forecast: Callable[[], Batch], start: Block, end: Block
) -> Iterator[Stretch]:
    """Run a forward that ends once `end` has run, and keep its graph from `start`'s output: many backwards, one forward.

    Args:
        model: the model, in eval mode.
        forecast: runs the model, whole or from what a replay knows: `lambda: model(batch)`.
        start: the earlier block.
        end: the later one.

    Yields:
        The stretch, for use inside the `with`.

    Raises:
        ValueError: `end` is not later than `start`, or does not depend on it.
    """
    if end.depth_index <= start.depth_index:
        raise ValueError(f"{end.hook} is not later than {start.hook}")
    found: list[torch.Tensor] = []

    def fired(_module: torch.nn.Module, _args: tuple[Any, ...], output: torch.Tensor) -> None:
        _check(end, output)
        found.append(output)

    with graph_from(model, start) as begun:
        handle = end.module(model).register_forward_hook(fired)
        try:
            with stopped_after(model, end):
                forecast()
        finally:
            handle.remove()
        if not found or not found[0].requires_grad:
            raise ValueError(f"{end.hook} does not depend on {start.hook}")
        yield Stretch(begun, found.pop())


def _check(block: Block, output: Any) -> None:
    if not isinstance(output, torch.Tensor) or output.ndim != 3 or output.shape[0] != 1:
        found = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
        raise ValueError(f"{block.hook}: expected an output (1, n_tokens, width), found {found}")


@contextlib.contextmanager
def _without_gradients(model: torch.nn.Module) -> Iterator[None]:
    """No parameter requires a gradient inside."""
    wanted = [parameter for parameter in model.parameters() if parameter.requires_grad]
    try:
        for parameter in wanted:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in wanted:
            parameter.requires_grad_(True)


@contextlib.contextmanager
def _blocks_again(model: torch.nn.Module) -> Iterator[None]:
    """Where blocks are computed again for a backward, what holds them is not, nor the decoder."""
    backbone = model.backbone
    stages = [*backbone.encoder_layers, *backbone.decoder_layers]
    are_again = all(isinstance(block, CheckpointWrapper) for stage in stages for block in stage.blocks)
    whole = (backbone, *stages, getattr(model, "decoder", None))
    outer = [each for each in whole if are_again and isinstance(each, CheckpointWrapper)]
    before = [each.checkpoint_fn for each in outer]
    try:
        for each in outer:
            each.checkpoint_fn = _at_once
        yield
    finally:
        for each, function in zip(outer, before, strict=True):
            each.checkpoint_fn = function


def _at_once(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return function(*args, **kwargs)
