"""Adam, followed by the constraint that keeps every decoder row at unit norm."""

import torch

from aurorascope.sae.objective import Parameters

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
        self._adam = torch.optim.Adam(list(parameters.values()), lr=lr, fused=True)
        for tensor in parameters.values():
            self._adam.state[tensor] = {
                "step": torch.zeros((), dtype=torch.float32, device=tensor.device),
                "exp_avg": torch.zeros_like(tensor),
                "exp_avg_sq": torch.zeros_like(tensor),
            }

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
        for name, tensor in self.parameters.items():
            tensor.grad = grads[name]
        self._adam.param_groups[0]["lr"] = self.lr * factor
        self._adam.step()
        rows_hd.div_(torch.linalg.vector_norm(rows_hd, dim=1, keepdim=True).clamp_min_(_MIN_NORM))

    def moments(self) -> dict[str, torch.Tensor]:
        """Step counts and both moments by name, the tensors themselves: what a checkpoint keeps and revival clears."""
        return {
            f"{kind}.{name}": self._adam.state[tensor][kind]
            for name, tensor in self.parameters.items()
            for kind in ("step", "exp_avg", "exp_avg_sq")
        }
