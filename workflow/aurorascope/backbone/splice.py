"""Put something else in the place of one block's output while Aurora runs: a reconstruction, a mean, an edited feature.

    with splice(model, BY_ID["encoder_s1_b5"], reconstruction(sae)):
        forecast = model(batch)

The output x becomes x + (f(x) - x). This form, and not f(x), is bit for bit x where f changes nothing, so that whatever a
forecast differs by comes from what f changed. For features: f(x) = x + (h' - h) @ W_dec, with h' the edited features.
"""

import contextlib
from collections.abc import Callable, Iterator

import torch
from aurora import AuroraAirPollution

from aurorascope.blocks import Block

Replacement = Callable[[torch.Tensor], torch.Tensor]


def reconstruction(sae: torch.nn.Module) -> Replacement:
    """What an SAE makes of each token, the first of the two tensors that it returns."""
    return lambda x_nd: sae(x_nd)[0]


def ablation(values: torch.Tensor) -> Replacement:
    """The same values whatever x is: (1,) or (d,) for every token, or (n_tokens, d) for each position its own."""
    return lambda x_nd: values.expand_as(x_nd)


@contextlib.contextmanager
def splice(model: AuroraAirPollution, block: Block, replace: Replacement) -> Iterator[None]:
    """Replace a block's output x by x + (replace(x) - x) in all forwards inside the `with`.

    Splices of several blocks may be nested; each sees what the earlier ones in forward order left. The hook sits on the
    block, so that the last block of the encoder's first stage also feeds the skip connection with what it was given.

    Args:
        model: the model.
        block: the block.
        replace: from the block's output, (n_tokens, d) float32 on the model's device, to what takes its place, the same
            shape. It is called once for each member of the batch, and never under autocast.

    Raises:
        ValueError: `replace` returned another shape.
    """

    def spliced(tokens_nd: torch.Tensor) -> torch.Tensor:
        x_nd = tokens_nd.float()
        x_hat_nd = replace(x_nd)
        if x_hat_nd.shape != x_nd.shape:
            raise ValueError(f"{block.hook}: expected {tuple(x_nd.shape)} in place of x, found {tuple(x_hat_nd.shape)}")
        return (x_nd + (x_hat_nd - x_nd)).to(tokens_nd.dtype)

    def fired(_module: torch.nn.Module, _args: tuple, output: torch.Tensor) -> torch.Tensor:
        # Aurora's autocast would also take hold of the replacement's products.
        with torch.autocast(output.device.type, enabled=False):
            return torch.stack([spliced(tokens_nd) for tokens_nd in output])

    handle = block.module(model).register_forward_hook(fired)
    try:
        yield
    finally:
        handle.remove()
