"""BatchTopK: a batch of n tokens keeps its k n largest ReLU pre-activations (Bussmann, Leask & Nanda 2024, arXiv 2412.06410).

The threshold that this amounts to is one number a batch, half-way between the least that is kept and the largest that is
not, so that rounding does not decide. It comes from the whole batch where that has at most `SAMPLE` tokens, and else from
that many tokens evenly spread over it, always the same, so that neither the micro-batch nor its size matters. Where fewer
than k n are positive, all that are positive stay. Inference uses the running mean of these thresholds: the published form is
a JumpReLU with one threshold for all.
"""

import numpy as np
import torch

from aurorascope.sae.auxk import AuxK
from aurorascope.sae.objective import Parameters, Settings
from aurorascope.sae.selecting import Selecting
from aurorascope.sae.selection import Chosen, above

SAMPLE = 2048
_RATE = 0.01


class BatchTopK(Selecting):
    """See the module; `target_l0` is k.

    `state["threshold"]` is the running mean, float64; `state["n_seen"]` the number of batches in it.
    """

    def __init__(self, parameters: Parameters, settings: Settings, auxk: AuxK | None = None) -> None:
        super().__init__(parameters, settings, auxk)
        self.state["threshold"] = torch.zeros((), dtype=torch.float64, device=self.device)
        self.state["n_seen"] = torch.zeros((), dtype=torch.int64, device=self.device)
        self._least, self._middle = self._zeros(), self._zeros()

    def _begin(self, x_nd: torch.Tensor, centre_d: torch.Tensor) -> None:
        super()._begin(x_nd, centre_d)
        n = min(len(x_nd), SAMPLE)
        places = torch.linspace(0, len(x_nd) - 1, n, device=self.device).round_().long()
        found = []
        for part in places.split(self.rows):
            found.append(self._encode(self._centred(x_nd[part], centre_d), self._f_nh).relu().flatten())
        values = torch.cat(found)
        n_kept = min(max(1, round(self.kept() * n)), n * self.h)
        least, below = _border(values, n_kept)
        self._middle = (least + below) / 2
        # The middle of two neighbours in bfloat16 would round to one of them.
        self._least = self._middle if self.dtype == self.wide else least

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


def _border(values: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The k-th largest of values that are not negative, and the largest below that, 0 for none; values may be reordered."""
    if values.dtype == torch.bfloat16:
        values = values.float()
    if values.device.type == "cpu":
        # More than ten times as fast as kthvalue.
        array = values.numpy()
        array.partition(len(array) - k)
        least = array[len(array) - k]
        below = array.max(where=array < least, initial=0)
        return torch.from_numpy(np.stack([least, below])).unbind()
    # On a GPU, kthvalue has no deterministic form.
    least = values.topk(k, sorted=False).values.min()
    return least, values.mul_(values < least).amax()
