"""Group bias adaptation: firing rates are reached by moving thresholds, never by a penalty (Chen et al. 2025, arXiv 2506.14002).

f = z H(z - theta) with z = (x - b_dec) W_enc; loss = MSE. theta, the paper's bias with its sign turned, has no gradient. A latent
belongs to one of `GROUPS` groups, whose latents are to fire at one rate p_k, half that of the group before (`rates`). `UPDATES`
times in a training, where n tokens came since the last time and a latent was on for m of them, it moves by

    theta <- clamp(theta + STEP r min(max((m - n p_k) / max(n p_k, 1), -1), 1), 0, r),

r being its largest value since, or where it was never on the mean of its group's, and no less than theta. The paper adds STEP r
where m > n p_k, and takes STEP times the group's mean where a latent hardly fires; what lies between stays. Here rates move from
both sides, since they are to add up to `target_l0`; docs/decisions.md says what was checked and what else differs.
"""

import torch

from aurorascope.sae.auxk import AuxK
from aurorascope.sae.objective import Objective, Parameters, Settings

GROUPS = 10
# The paper's highest rate.
TOP = 0.5
RATIO = 0.5
STEP = 0.01
UPDATES = 1000


class BiasAdapted(Objective):
    """See the module.

    The first latents are to fire most often. `state` has what was seen since the last move: the number of tokens `n_seen`, and
    (h,) for each latent the tokens that it was `on` for and its largest value, `peak`.
    """

    def __init__(self, parameters: Parameters, settings: Settings, auxk: AuxK | None = None) -> None:
        super().__init__(parameters, settings, auxk)
        self._rates_h = torch.tensor(rates(settings.target_l0, self.h), dtype=torch.float64, device=self.device)
        # Whole numbers, which float32 would round above 16 million.
        n_seen, on_h = (torch.zeros(shape, dtype=torch.float64, device=self.device) for shape in ((), self.h))
        self.state |= {"n_seen": n_seen, "on": on_h, "peak": self._zeros(self.h)}

    @staticmethod
    def extra_parameters(d_model: int, d_hidden: int) -> Parameters:
        """The thresholds theta; their gradient is always zero."""
        return {"threshold": torch.zeros(d_hidden)}

    def _encode(self, xc_nd: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
        return torch.mm(xc_nd.to(self.dtype), self._weights["W_enc"], out=out[: len(xc_nd)])

    def _activate(self, z_nh: torch.Tensor) -> torch.Tensor:
        return z_nh.mul_(z_nh > self.parameters["threshold"])

    def _to_latents(
        self, r_nd: torch.Tensor, f_nh: torch.Tensor, weight_n: torch.Tensor | None, n: int
    ) -> torch.Tensor:
        peak_h = self.state["peak"]
        torch.maximum(peak_h, f_nh.amax(0).to(self.wide), out=peak_h)
        return super()._to_latents(r_nd, f_nh, weight_n, n)

    def _end(self, n: int) -> None:
        # Not the sum of dz: there is no bias but theta's.
        self.grads["W_dec"].add_(self._grad_dh.T)
        self.state["on"].add_(self.on_h)
        self.state["n_seen"].add_(n)

    def constrain(self) -> None:
        """Move the thresholds, at every n_steps / UPDATES-th step."""
        t, n_steps = round(self.progress * self.settings.n_steps), self.settings.n_steps
        if t * UPDATES // n_steps == (t - 1) * UPDATES // n_steps:
            return
        n_seen, on_h, peak_h = (self.state[name] for name in ("n_seen", "on", "peak"))
        theta_h = self.parameters["threshold"]
        size_h = torch.where(on_h > 0, peak_h, torch.maximum(_group_means(peak_h, on_h > 0), theta_h))
        expected_h = self._rates_h * n_seen
        # Over at least one token: in a share of less than one, a latent that fires at its rate would be far above it or at nothing.
        excess_h = on_h.sub(expected_h).div_(expected_h.clamp_(min=1)).clamp_(-1, 1)
        theta_h.add_(excess_h.to(self.wide).mul_(size_h), alpha=STEP).clamp_(min=0)
        torch.minimum(theta_h, size_h, out=theta_h)
        for seen in (n_seen, on_h, peak_h):
            seen.zero_()

    def release(self) -> Parameters:
        """The four tensors and theta; b_enc is zero."""
        return {
            **super().release(), "b_enc": torch.zeros_like(self.parameters["b_enc"]), "threshold": self.parameters["threshold"].clone()
        }


def rates(target_l0: float, h: int) -> list[float]:
    """Share of tokens that each of h latents is to fire for, group by group from the highest; they add up to the target.

    Each group's rate is half that of the group before. Where the first would be above `TOP`, it is that, and the others fall
    more slowly: by the one ratio with which all add up.
    """
    group_h = [group for group, part in enumerate(torch.arange(h).tensor_split(GROUPS)) for _ in part]
    top, ratio = target_l0 / sum(RATIO**group for group in group_h), RATIO
    if top > TOP:
        top, low, high = TOP, RATIO, 1.0
        for _ in range(60):
            ratio = (low + high) / 2
            is_low = sum(top * ratio**group for group in group_h) < target_l0
            low, high = (ratio, high) if is_low else (low, ratio)
    return [top * ratio**group for group in group_h]


def _group_means(peak_h: torch.Tensor, is_on_h: torch.Tensor) -> torch.Tensor:
    """For each latent, the mean of its group's peaks, over those that fired; 0 where none did."""
    groups = zip(peak_h.tensor_split(GROUPS), is_on_h.tensor_split(GROUPS), strict=True)
    return torch.cat([(peak_g.sum() / is_on_g.sum().clamp_(min=1)).expand(len(peak_g)) for peak_g, is_on_g in groups])
