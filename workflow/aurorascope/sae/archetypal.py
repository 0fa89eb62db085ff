"""Archetypal top-k: directions are mixtures of the block's own tokens (Fel et al. 2025, arXiv 2502.12892, "RA-SAE").

With c_1, ..., c_h the directions of the centroids that k-means finds among the block's training tokens, latent j writes along

    u_j = sum_s a_js c_n(j,s) + l_j,    a_js >= 0, sum_s a_js = 1, |l_j| <= DELTA

a point of their convex hull, moved a little; `W_dec` has u_j / |u_j|. The paper mixes all centroids; here direction j begins at
centroid j and is mixed of it and those nearest to it, n(j, 1) = j first, so that a step costs what top-k's does at any width. Of
a direction only the ray counts, which is why centroids have unit length; the authors' own code has a trained factor for it
(overcomplete 0.3, `RelaxedArchetypalDictionary`, whose projections of a and l are those here). Latents are chosen as in top-k,
and that is the released form. The centroids follow from the activations alone, not from the seed.
"""

import torch

from aurorascope.sae.auxk import AuxK
from aurorascope.sae.objective import Parameters, Settings
from aurorascope.sae.topk import TopK

MIXED = 8
DELTA = 0.5
_LEAST = 1e-8
_ROWS = 1024


class Archetypal(TopK):
    """See the module; `target_l0` is k. Parameters `mix` (h, MIXED) and `relax` (h, d) are trained, and W_dec follows from them.

    `state["centroids"]` is (h, d), of unit length; `state["neighbours"]` (h, MIXED), places of those that each direction mixes;
    `state["lengths"]` (h, 1), |u|.
    """

    def __init__(self, parameters: Parameters, settings: Settings, auxk: AuxK | None = None) -> None:
        super().__init__(parameters, settings, auxk)
        self.state["centroids"] = self._zeros(self.h, self.d)
        self.state["neighbours"] = torch.zeros(parameters["mix"].shape, dtype=torch.int64, device=self.device)
        self.state["lengths"] = torch.ones(self.h, 1, dtype=self.wide, device=self.device)

    @staticmethod
    def extra_parameters(d_model: int, d_hidden: int) -> Parameters:
        """Each direction's own centroid alone, and nothing beside it."""
        mix = torch.zeros(d_hidden, min(MIXED, d_hidden))
        mix[:, 0] = 1
        return {"mix": mix, "relax": torch.zeros(d_hidden, d_model)}

    def anchor(self, centroids_hd: torch.Tensor) -> None:
        """Mix these centroids, (h, d) of unit length, from now on."""
        centroids, neighbours = self.state["centroids"], self.state["neighbours"]
        centroids.copy_(centroids_hd)
        for first in range(0, self.h, _ROWS):
            rows_md = centroids[first : first + _ROWS]
            # Of unit vectors the nearest have the largest product; each is its own first, whatever rounding says.
            near_mh = rows_md @ centroids.T
            near_mh[torch.arange(len(rows_md)), torch.arange(first, first + len(rows_md))] = torch.inf
            neighbours[first : first + _ROWS] = near_mh.argsort(dim=1, descending=True, stable=True)[:, : neighbours.shape[1]]
        self._write_decoder()

    def _end(self, n: int) -> None:
        super()._end(n)
        grad_hd, rows_hd = self.grads["W_dec"], self.parameters["W_dec"]
        # Along a direction nothing changes, since only the ray of u counts.
        along_h1 = torch.linalg.vecdot(grad_hd, rows_hd).unsqueeze(1)
        to_u_hd = grad_hd.addcmul_(along_h1, rows_hd, value=-1).div_(self.state["lengths"])
        self.grads["relax"].copy_(to_u_hd)
        for s, place_h in enumerate(self.state["neighbours"].T):
            self.grads["mix"][:, s] = torch.linalg.vecdot(to_u_hd, self.state["centroids"][place_h])
        grad_hd.zero_()

    def constrain(self) -> None:
        """Mixtures back to shares that sum to 1, `relax` to at most DELTA, and the decoder that they make."""
        mix, relax = self.parameters["mix"].relu_(), self.parameters["relax"]
        # What is a mixture of nothing is its own centroid again.
        mix[:, 0] += (mix.sum(1) < _LEAST).to(mix.dtype)
        mix.div_(mix.sum(1, keepdim=True))
        relax.mul_((DELTA / torch.linalg.vector_norm(relax, dim=1, keepdim=True).clamp_min_(_LEAST)).clamp_max_(1))
        self._write_decoder()

    def _write_decoder(self) -> None:
        u_hd = self.parameters["relax"].clone()
        for share_h, place_h in zip(self.parameters["mix"].T, self.state["neighbours"].T, strict=True):
            u_hd.addcmul_(share_h[:, None], self.state["centroids"][place_h])
        length_h1 = torch.linalg.vector_norm(u_hd, dim=1, keepdim=True).clamp_min_(_LEAST)
        self.state["lengths"].copy_(length_h1)
        torch.div(u_hd, length_h1, out=self.parameters["W_dec"])
