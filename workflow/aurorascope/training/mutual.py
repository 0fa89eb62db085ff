"""Mutual feature regularisation: two SAEs are trained side by side and drawn to like directions (Marks et al. 2024, arXiv 2411.01220).

What both find on their own, from other initial weights, should be more of the data than what one of them finds. To the sum of both
SAEs' losses comes

    weight * (1 - (MMCS(A, B) + MMCS(B, A)) / 2),    MMCS(A, B) = mean over rows a of A of the largest cos(a, b) over rows b of B

over the rows of both W_dec, and the gradient goes to both: for unit rows, d cos(a, b) / d a = b - cos(a, b) a. Losses are means over
tokens and channels of squared errors, where a recipe centres and scales in units of the data's variance, so a weight is a share of
that: it is what two dictionaries at right angles to one another would cost. Features with signs have |cos|, a direction and its
opposite being one feature.

The authors' code (lyezene/mutual-feature-regularization, `utils/sae_trainer.py`, `calculate_consensus_loss`) takes MMCS in one
direction, of tied weights, as a mean over the pairs of two or more SAEs of growing sizes. Which row is nearest is looked up every few
steps here (`steps_between`), since that is a product of (h, d) and (d, h); cosines and gradients are those of each step. The second
SAE is dropped at the end.
"""

import math

import torch

from aurorascope.streams import Stream, generator

ROWS = 1024
_LEAST_STEPS = 10
_OUT_OF_REACH = 1 << 31


def seed_beside(seed: int) -> int:
    """Seed of the second SAE: far from what anybody configures, lest it be the first of another seed."""
    return int(generator(Stream.SEED_BESIDE, seed).integers(_OUT_OF_REACH, 2 * _OUT_OF_REACH))


def steps_between(n_latents: int, batch_rows: int) -> int:
    """Steps from one look-up of the nearest to the next, at least ten: so many that it costs a step at most a quarter of a product."""
    return max(_LEAST_STEPS, math.ceil(4 * n_latents / batch_rows))


class Mutual:
    """What draws two dictionaries together.

    Args:
        weight: of the penalty.
        every: steps from one look-up of the nearest to the next, `steps_between`.
        n_latents: rows of each dictionary, h.
        is_signed: whether features may be negative.
        device: where they are trained.

    Attributes:
        nearest_2h: (2, h) int64, of each row of the first its nearest of the second, and the other way round, when last looked up.
    """

    def __init__(self, weight: float, every: int, n_latents: int, is_signed: bool, device: torch.device) -> None:
        self._weight, self._every, self._is_signed = weight, every, is_signed
        self.nearest_2h = torch.zeros(2, n_latents, dtype=torch.int64, device=device)

    def add_gradients(self, step: int, rows_2: tuple[torch.Tensor, torch.Tensor], grads_2: tuple[torch.Tensor, torch.Tensor]) -> None:
        """Add the penalty's gradients to those of both W_dec.

        Args:
            step: number of the step, from 1.
            rows_2: W_dec of both, (h, d), rows of unit norm.
            grads_2: gradients of both, added to.
        """
        if (step - 1) % self._every == 0:
            self.nearest_2h.copy_(self._look_up(*rows_2))
        for one, other in ((0, 1), (1, 0)):
            a_hd, nearest_h = rows_2[one], self.nearest_2h[one]
            b_hd = rows_2[other].index_select(0, nearest_h)
            cos_h1 = torch.linalg.vecdot(a_hd, b_hd).unsqueeze(1)
            factor_h1 = torch.full_like(cos_h1, -self._weight / (2 * len(a_hd)))
            if self._is_signed:
                factor_h1.mul_(cos_h1.sign())
            along_h1 = factor_h1 * cos_h1
            grads_2[one].addcmul_(factor_h1, b_hd).addcmul_(along_h1, a_hd, value=-1)
            grads_2[other].index_add_(0, nearest_h, torch.mul(factor_h1, a_hd).addcmul_(along_h1, b_hd, value=-1))

    def likeness(self, a_hd: torch.Tensor, b_hd: torch.Tensor) -> float:
        """(MMCS(A, B) + MMCS(B, A)) / 2 of two dictionaries with rows of unit norm, all of them, the dead included."""
        of_a_h, of_b_h = self._look_up(a_hd, b_hd)
        pairs = ((a_hd, b_hd[of_a_h]), (b_hd, a_hd[of_b_h]))
        cos_2h = torch.stack([torch.linalg.vecdot(one.double(), other.double()) for one, other in pairs])
        return float((cos_2h.abs() if self._is_signed else cos_2h).mean())

    def _look_up(self, a_hd: torch.Tensor, b_hd: torch.Tensor) -> torch.Tensor:
        """As `nearest_2h`."""
        found_2h = torch.zeros_like(self.nearest_2h)
        of_a_h, of_b_h = found_2h
        largest_h = torch.full((len(b_hd),), -torch.inf, dtype=b_hd.dtype, device=b_hd.device)
        for start in range(0, len(a_hd), ROWS):
            cos_kh = a_hd[start : start + ROWS] @ b_hd.T
            if self._is_signed:
                cos_kh.abs_()
            torch.argmax(cos_kh, 1, out=of_a_h[start : start + ROWS])
            # Several times faster than the largest of each column.
            cos_hk = cos_kh.T.contiguous()
            places_h = cos_hk.argmax(1)
            here_h = cos_hk.gather(1, places_h[:, None]).squeeze(1)
            of_b_h.copy_(torch.where(here_h > largest_h, places_h + start, of_b_h))
            torch.maximum(largest_h, here_h, out=largest_h)
        return found_2h
