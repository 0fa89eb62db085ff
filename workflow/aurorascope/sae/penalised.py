"""What architectures with an L1 penalty share: its weight, which follows L0 where a target is given."""

import torch

from aurorascope.sae.auxk import AuxK
from aurorascope.sae.control import follow
from aurorascope.sae.objective import Objective, Parameters, Settings, Terms


class Penalised(Objective):
    """An objective whose sparsity term is a sum over latents; `state["sparsity"]` is the term's weight."""

    def __init__(self, parameters: Parameters, settings: Settings, auxk: AuxK | None = None) -> None:
        super().__init__(parameters, settings, auxk)
        self.state["sparsity"] = torch.tensor(settings.sparsity, dtype=self.wide, device=self.device)
        self.state["excess"] = torch.zeros_like(self.state["sparsity"])
        self._penalty = self._zeros()

    def compute(self, x_nd: torch.Tensor, weight_n: torch.Tensor | None = None) -> Terms:
        """See `Objective`; the weight of the penalty moves afterwards, where a target is given."""
        terms = super().compute(x_nd, weight_n)
        if self.settings.target_l0 is not None:
            weight, before = self.state["sparsity"], self.state["excess"]
            follow(weight, before, terms.l0, self.settings.target_l0, self.settings.n_steps)
        return terms

    def _clear(self) -> None:
        super()._clear()
        self._penalty.zero_()

    def _sparsity(self, n: int) -> torch.Tensor:
        return self._penalty / n
