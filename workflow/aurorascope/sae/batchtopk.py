"""BatchTopK: a batch of n tokens keeps its k n largest ReLU pre-activations (Bussmann, Leask & Nanda 2024, arXiv 2412.06410).

The threshold that this amounts to is one number a batch, half-way between the least that is kept and the largest that is
not, so that rounding does not decide. It comes from the whole batch where that has at most `SAMPLE` tokens, and else from
that many tokens evenly spread over it, always the same, so that neither the micro-batch nor its size matters. Where fewer
than k n are positive, all that are positive stay. Inference uses the running mean of these thresholds: the published form is
a JumpReLU with one threshold for all.
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch

from aurorascope.sae.auxk import AuxK
from aurorascope.sae.objective import Parameters, Settings
from aurorascope.sae.selecting import Selecting
from aurorascope.sae.selection import Chosen, above

SAMPLE = 2048
_RATE = 0.01
_GUESSED_ROWS = 32


class BatchTopK(Selecting):
    """See the module; `target_l0` is k.

    `state["threshold"]` is the running mean, float64; `state["n_seen"]` the number of batches in it.
    """

    def __init__(self, parameters: Parameters, settings: Settings, auxk: AuxK | None = None) -> None:
        super().__init__(parameters, settings, auxk)
        self.state["threshold"] = torch.zeros((), dtype=torch.float64, device=self.device)
        self.state["n_seen"] = torch.zeros((), dtype=torch.int64, device=self.device)
        self._least, self._middle = self._zeros(), self._zeros()
        self._is_encoded = False

    def _begin(self, x_nd: torch.Tensor, centre_d: torch.Tensor) -> None:
        super()._begin(x_nd, centre_d)
        n = min(len(x_nd), SAMPLE)
        places = torch.linspace(0, len(x_nd) - 1, n, device=self.device).round_().long()
        n_kept = min(max(1, round(self.kept() * n)), n * self.h)

        def encoded() -> Iterator[torch.Tensor]:
            for part in places.split(self.rows):
                yield self._encode(self._centred(x_nd[part], centre_d), self._f_nh)

        if self._is_exact:
            least, below = _border_of_large(encoded, n_kept, n * self.h)
            # One micro-batch, all of which was sampled: its pre-activations are there.
            self._is_encoded = len(x_nd) <= min(self.rows, SAMPLE)
        else:
            least, below = _border(torch.cat([z_nh.relu().flatten() for z_nh in encoded()]), n_kept)
        self._middle = (least + below) / 2
        # The middle of two neighbours in bfloat16 would round to one of them.
        self._least = self._middle if self.dtype == self.wide else least

    def _encode(self, xc_nd: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
        if self._is_encoded:
            self._is_encoded = False
            return out[: len(xc_nd)]
        return super()._encode(xc_nd, out)

    def _end(self, n: int) -> None:
        super()._end(n)
        if self.progress < self.settings.growth:
            # Thresholds of fewer latents say nothing about the final one.
            self.state["threshold"].copy_(self._middle)
            return
        seen = self.state["n_seen"].add_(1)
        rate = torch.clamp(1 / seen.double(), min=_RATE)
        self.state["threshold"].lerp_(self._middle.double(), rate)

    def _choose(self, z_nh: torch.Tensor) -> Chosen:
        return above(z_nh, float(self._least.numpy()))

    def _mask(self, z_nh: torch.Tensor) -> torch.Tensor:
        return z_nh.relu_().mul_(z_nh >= self._least)

    def release(self) -> Parameters:
        """The four tensors and the threshold, the same for every latent."""
        threshold = self.state["threshold"].float()
        return {**super().release(), "threshold": threshold.expand(self.h).clone()}


def _border_of_large(encoded: Callable[[], Iterator[torch.Tensor]], k: int, n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """As `_border`, of the n elements of all matrices that `encoded` gives, on the CPU, where what is negative counts as zero.

    Few of them need to be looked at: those above a guess from some rows of the first matrix. What the guess is changes
    no result, and where it was too high all are.
    """
    guess, found = None, []
    for z_nh in encoded():
        if guess is None:
            guess = _guess(z_nh, k / n)
        found.append(above(z_nh, guess)[1])
    values = np.concatenate(found)
    least, below = _two(values, k)
    if below == 0 and guess > 0:
        values = np.concatenate([above(z_nh, 0)[1] for z_nh in encoded()])
        least, below = _two(values, k)
    return torch.from_numpy(np.stack([least, below])).unbind()


def _guess(z_nh: torch.Tensor, share: float) -> float:
    """About what twice this share of all elements reaches, from some rows evenly spread."""
    some = z_nh[:: max(1, len(z_nh) // _GUESSED_ROWS)].numpy().flatten()
    place = max(0, len(some) - 1 - round(2 * share * len(some)))
    return max(0.0, float(np.partition(some, place)[place]))


def _two(values: np.ndarray, k: int) -> tuple[np.floating, np.floating]:
    """The k-th largest of positive values, and the largest below that; 0 for none; values are reordered."""
    zero = values.dtype.type(0)
    if len(values) < k:
        return zero, zero
    values.partition(len(values) - k)
    least = values[len(values) - k]
    return least, values.max(where=values < least, initial=0)


def _border(values: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The k-th largest of values that are not negative, and the largest below that, 0 for none; values may be reordered."""
    if values.dtype == torch.bfloat16:
        values = values.float()
    if values.device.type == "cpu":
        # More than ten times as fast as kthvalue.
        return torch.from_numpy(np.stack(_two(values.numpy(), k))).unbind()
    # On a GPU, kthvalue has no deterministic form.
    least = values.topk(k, sorted=False).values.min()
    return least, values.mul_(values < least).amax()
