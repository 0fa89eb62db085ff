"""Directions that need no autoencoder, as features: principal components, and the difference of a label's means.

Each component is two features, its positive and its negative part about the mean; the difference of means of a label (DiffMean) is
one, read from the mean of the tokens without the label. They are scored as the autoencoder's features are.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from aurorascope.atlas.parts import NOT_COUNTED, OFF, ON
from aurorascope.atlas.token_labels import TokenLabels

_ROWS = 1 << 13


@dataclass(frozen=True)
class Directions:
    """Directions of one block's activations.

    Attributes:
        mean_d: (d,) float64, area-weighted mean on the split that chooses.
        axes_dk: (d, k) float64, leading eigenvectors of the covariance, each with its largest entry positive.
        diff_dl: (d, labels) float64, difference of a label's means of unit norm, zeros where there is none.
        off_ld: (labels, d) float64, mean without the label.
        rms: float, root of the mean squared distance of tokens from their mean.
    """

    mean_d: np.ndarray
    axes_dk: np.ndarray
    diff_dl: np.ndarray
    off_ld: np.ndarray
    rms: float

    @property
    def n_features(self) -> int:
        """2 k + labels."""
        return 2 * self.axes_dk.shape[1] + self.diff_dl.shape[1]

    def features(self, x_nd: torch.Tensor) -> torch.Tensor:
        """Positive parts, negative parts, differences of means: (n, 2 k + labels) float32, none negative."""
        to = {"dtype": x_nd.dtype, "device": x_nd.device}
        axes_dk, diff_dl = (torch.as_tensor(each, **to) for each in (self.axes_dk, self.diff_dl))
        p_nk = (x_nd - torch.as_tensor(self.mean_d, **to)) @ axes_dk
        offset_l = torch.as_tensor(np.einsum("ld,dl->l", self.off_ld, self.diff_dl), **to)
        return torch.cat([p_nk, -p_nk, x_nd @ diff_dl - offset_l], dim=1).relu_()


def find_directions(
    snapshots: Iterator[torch.Tensor], places: np.ndarray, labels: TokenLabels, n_components: int
) -> Directions:
    """From one pass over the snapshots that choose, in float64, snapshot after snapshot.

    Args:
        snapshots: activations, each (levels * tokens of the plane, d).
        places: place of each among the labels' times.
        labels: the labels.
        n_components: components, at most d.
    """
    plane, n_labels, total = labels.plane, len(labels.ids), None
    weight = np.zeros((1 + 2 * n_labels, 1))
    area_p = plane.area_p / plane.area_p.sum()
    for place, x_nd in zip(places, snapshots, strict=True):
        if total is None:
            d = x_nd.shape[1]
            total, second_dd = np.zeros((len(weight), d)), np.zeros((d, d))
            shift = x_nd[: plane.n].double().mean(dim=0).cpu().numpy()
        row_rp = np.concatenate([np.ones((1, plane.n)), _sides(labels, int(place))]) * area_p
        for level in range(plane.n_levels):
            for first in range(0, plane.n, _ROWS):
                at = slice(first, min(first + _ROWS, plane.n))
                x_md = x_nd[level * plane.n + at.start : level * plane.n + at.stop].cpu().double().numpy() - shift
                total += row_rp[:, at] @ x_md
                second_dd += (x_md * area_p[at, None]).T @ x_md
        weight[:, 0] += plane.n_levels * row_rp.sum(axis=1)
    mean_rd = total / np.where(weight > 0, weight, 1)
    centred = second_dd / weight[0, 0] - np.outer(mean_rd[0], mean_rd[0])
    values, vectors = np.linalg.eigh(centred)
    axes_dk = vectors[:, ::-1][:, :n_components]
    axes_dk = axes_dk * np.sign(axes_dk[np.abs(axes_dk).argmax(axis=0), np.arange(axes_dk.shape[1])])
    on_ld, off_ld = mean_rd[1::2], mean_rd[2::2]
    is_known = ((weight[1::2] > 0) & (weight[2::2] > 0)).astype(float)
    diff_ld = (on_ld - off_ld) * is_known
    norm = np.linalg.norm(diff_ld, axis=1, keepdims=True)
    diff_ld = np.divide(diff_ld, norm, out=np.zeros_like(diff_ld), where=norm > 0)
    return Directions(mean_rd[0] + shift, axes_dk, diff_ld.T, off_ld + shift, float(np.sqrt(max(values.sum(), 0.0))))


def classes(labels: TokenLabels, place: int) -> np.ndarray:
    """Class of every token of the plane for each label at one time, (labels, tokens) uint8."""
    parts, counts = labels.parts_at(place)
    kind = np.full((len(labels.ids), labels.plane.n), OFF, np.uint8)
    some = parts.kind != OFF
    kind[np.repeat(np.arange(len(counts)), counts)[some], parts.token[some]] = parts.kind[some]
    return kind


def _sides(labels: TokenLabels, place: int) -> np.ndarray:
    """Whether each token is on for a label, and whether it is off, label after label, (2 * labels, tokens) float64."""
    kind = classes(labels, place)
    both = np.stack([kind == ON, (kind != ON) & (kind != NOT_COUNTED)], axis=1)
    return both.reshape(-1, kind.shape[1]).astype(np.float64)
