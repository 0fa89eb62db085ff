"""What attributions are compared with on one date: features put to their position means one by one, and the whole block at its mean."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from aurora import AuroraAirPollution

from aurorascope.attribution.entries import ROWS, Coding, entries_of
from aurorascope.attribution.usual import Usual
from aurorascope.attribution.value import Value
from aurorascope.backbone.replay import Replay
from aurorascope.backbone.splice import ablation, splice
from aurorascope.blocks import Block
from aurorascope.sae.aurora_sae import AuroraSAE


@dataclass(frozen=True, eq=False)
class Checked:
    """One block on one date.

    Attributes:
        exact_k: y with a feature at its position mean minus y, of each feature asked for; NaN where the forecast is not finite.
        at_mean: y with the block's output at its position mean minus y; NaN likewise.
        y: the clean y.
        floor: what one rounding of the forecast amounts to.
    """

    exact_k: np.ndarray
    at_mean: float
    y: float
    floor: float


def check_block(
    model: AuroraAirPollution, replay: Replay, block: Block, value: Value, y: float, sae: AuroraSAE, usual: Usual, features: np.ndarray
) -> Checked:
    """Ablate exactly.

    Args:
        model: the model, in eval mode.
        replay: of the date, advanced to the block.
        block: the block.
        value: what is attributed, with its clean forecast.
        y: of the clean forecast by `replay`.
        sae: the block's, on the model's device.
        usual: the block's.
        features: numbers of features, each once.
    """
    change_nk = changes(sae, usual, replay.output(block)[0].clone().float(), features)
    rows_kd, exact = Coding.of(sae).rows(sae, features), []
    for at in range(len(features)):
        tokens_t = torch.from_numpy(np.flatnonzero(change_nk[:, at]))
        change_t = torch.from_numpy(change_nk[tokens_t.numpy(), at]).to(rows_kd.device)
        with moved(model, block, tokens_t.to(rows_kd.device), change_t[:, None] * rows_kd[at]):
            exact.append(value.read(replay.forecast()) - y)
    with splice(model, block, ablation(usual.output().to(rows_kd.device))):
        at_mean = value.read(replay.forecast()) - y
    return Checked(np.array(exact, np.float64), at_mean, y, value.floor())


def changes(sae: AuroraSAE, usual: Usual, x_nd: torch.Tensor, features: np.ndarray) -> np.ndarray:
    """Position mean minus value, b - h, of some features at all tokens, (n_tokens, len(features)) float64."""
    found = []
    for first in range(0, len(x_nd), ROWS):
        x_td = x_nd[first : first + ROWS]
        found.append(usual.entries(first, first + len(x_td)).of(features) - entries_of(sae, x_td).of(features))
    return np.concatenate(found)


@contextlib.contextmanager
def moved(model: AuroraAirPollution, block: Block, tokens_t: torch.Tensor, change_td: torch.Tensor) -> Iterator[None]:
    """Add something to some tokens of a block's output in forwards of one member inside the `with`; the others keep their bits.

    Args:
        model: the model.
        block: the block.
        tokens_t: tokens, ascending int64.
        change_td: what is added to each, float64.
    """

    def edit(_module: torch.nn.Module, _args: tuple[object, ...], output: torch.Tensor) -> torch.Tensor:
        # The replay returns its output again.
        edited = output.clone()
        edited[0, tokens_t] = (output[0, tokens_t].double() + change_td).to(output.dtype)
        return edited

    handle = block.module(model).register_forward_hook(edit)
    try:
        yield
    finally:
        handle.remove()
