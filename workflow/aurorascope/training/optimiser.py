"""Adam, followed by the constraint that keeps every decoder row at unit norm."""

import torch

from aurorascope.sae.objective import Parameters

_BETA1, _BETA2, _EPS = 0.9, 0.999, 1e-8
_MIN_NORM = 1e-8


class Adam:
    """Adam (Kingma & Ba 2015, algorithm 1; torch's fused form, one pass over each tensor) on one SAE's parameters, in place.

    Args:
        parameters: the parameters, W_dec (h, d) among them.
        lr: learning rate.
        project: take the part along each decoder row out of the row's gradient first, before the moments see it (Bricken et
            al. 2023): the row's norm is fixed, so that Adam's moments should not remember what cannot be followed.
    """

    def __init__(self, parameters: Parameters, lr: float, project: bool = False) -> None:
        self.parameters, self.lr, self.project = parameters, lr, project
        tensors = list(parameters.values())
        self._m, self._v = ([torch.zeros_like(tensor) for tensor in tensors] for _ in range(2))
        self._steps = [torch.zeros((), dtype=torch.float32, device=tensor.device) for tensor in tensors]

    def step(self, grads: Parameters, factor: float = 1.0) -> None:
        """One update with the given gradients, which may be changed, then decoder rows back to unit norm.

        Args:
            grads: gradient of each parameter.
            factor: what the schedule multiplies the learning rate by.
        """
        rows_hd = self.parameters["W_dec"]
        if self.project:
            grad_hd = grads["W_dec"]
            along_h1 = torch.linalg.vecdot(grad_hd, rows_hd).unsqueeze(1)
            grad_hd.addcmul_(along_h1, rows_hd, value=-1)
        torch._foreach_add_(self._steps, 1)
        # What torch.optim.Adam(fused=True) calls; that class imports a compiler with its first step, 2 s and 300 MB a process.
        torch._fused_adam_(
            list(self.parameters.values()), [grads[name] for name in self.parameters], self._m, self._v, [], self._steps,
            lr=self.lr * factor, beta1=_BETA1, beta2=_BETA2, weight_decay=0.0, eps=_EPS, amsgrad=False, maximize=False,
        )
        rows_hd.div_(torch.linalg.vector_norm(rows_hd, dim=1, keepdim=True).clamp_min_(_MIN_NORM))

    def moments(self) -> dict[str, torch.Tensor]:
        """Step counts and both moments by name, the tensors themselves: what a checkpoint keeps and revival clears."""
        found = {}
        for name, step, m, v in zip(self.parameters, self._steps, self._m, self._v, strict=True):
            found |= {f"step.{name}": step, f"exp_avg.{name}": m, f"exp_avg_sq.{name}": v}
        return found
