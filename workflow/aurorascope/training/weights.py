"""What tokens weigh in training: the area of their cells, and whether a label is over them."""

from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True, eq=False)
class Labelled:
    """Which training tokens are under a label.

    A token under it weighs `times` as much as another, 1 on average over all training tokens. A batch may be a whole snapshot, so
    that none can be drawn more often: this has the same expectation.

    Attributes:
        mask_sp: (n_snapshots, tokens of a latent level) bool; all levels lie under the same labels.
        times: above 0.
    """

    mask_sp: np.ndarray
    times: float


class TokenWeights:
    """Weights of rows, 1 on average over all training rows.

    Args:
        n_tokens: tokens of a snapshot.
        area_n: (n_tokens,) cell area of each token, 1 on average; None where it does not matter.
        labelled: what is under a label; None where none matters.
        device: where weights are wanted.
    """

    def __init__(self, n_tokens: int, area_n: np.ndarray | None, labelled: Labelled | None, device: torch.device) -> None:
        self._n_tokens, self._device = n_tokens, device
        self._area_n = None if area_n is None else torch.from_numpy(area_n.astype(np.float32)).to(device)
        self._mask_sp = None
        if labelled is not None:
            self._mask_sp = torch.from_numpy(labelled.mask_sp)
            self._ordinary = 1 / (1 + (labelled.times - 1) * _share(labelled.mask_sp, area_n))
            self._times = labelled.times

    def of(self, rows: torch.Tensor | int | None) -> torch.Tensor | None:
        """Weights of rows, (n,) float32; None where all weigh 1.

        Args:
            rows: place of each among the rows of all snapshots; or the snapshot that they are, whole and in order, which only a label
                needs to know.
        """
        area_n = self._area_n
        if isinstance(rows, torch.Tensor) and area_n is not None:
            area_n = area_n[(rows % self._n_tokens).to(self._device)]
        if self._mask_sp is None:
            return area_n
        weight_n = torch.where(self._is_under(rows), self._times * self._ordinary, self._ordinary).to(self._device)
        return weight_n if area_n is None else weight_n * area_n

    def _is_under(self, rows: torch.Tensor | int) -> torch.Tensor:
        n_places = self._mask_sp.shape[1]
        if isinstance(rows, torch.Tensor):
            return self._mask_sp[rows // self._n_tokens, rows % self._n_tokens % n_places]
        return self._mask_sp[rows].repeat(self._n_tokens // n_places)


def _share(mask_sp: np.ndarray, area_n: np.ndarray | None) -> float:
    """Share of all tokens that is under the label, by area where areas are given, float64."""
    by_place_p = mask_sp.mean(axis=0, dtype=np.float64)
    if area_n is None:
        return float(by_place_p.mean())
    area_lp = area_n.reshape(-1, len(by_place_p)).astype(np.float64)
    return float((area_lp * by_place_p).sum() / area_lp.sum())
