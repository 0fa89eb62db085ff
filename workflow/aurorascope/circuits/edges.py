"""Edges: what becomes of the outcome through a node of a later block when a node of an earlier block is put to its position mean.

With g the clean gradient of the outcome at the later block B, a feature j of it carries q_j = sum over tokens of (W_j . g_t) h_tj, and its
error q = sum of g_t . e_t, where W_j . g_t and g_t are constants and h and e follow from B's output. One backward from B to the earlier
block A gives dq_j/dx_A, and with it all edges that end in j:

    edge_ij = sum over tokens of (b_ti - h_ti) (W_i . dq_j/dx_A,t)        in units of the outcome, to first order

Summed over all features of B and its error, edges of i are the effect of i on the outcome through B: all of it where every path from A to
the outcome leads through B. They are total: what lies between A and B plays along.

The sign of an edge is that of a change of the outcome. Whether i raises j, whatever j does to the outcome, is said by

    influence_ij = sum over tokens of |b_ti - h_ti| (W_i . dm_j/dx_A,t),   m_j = sum over tokens of |W_j . g_t| h_tj

which is below 0 where i holds j down.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
import torch

from aurorascope.circuits.clean_block import CleanBlock
from aurorascope.circuits.usual import tiles
from aurorascope.features.forward import encode
from aurorascope.sae.active import Active
from aurorascope.sae.architectures import RELEASED
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.sae.feature_ids import FeatureId


class Pull(Protocol):
    """The graph between two blocks, as `backbone.gradients.Stretch` is."""

    def pull(self, v_nd: torch.Tensor) -> torch.Tensor:
        """v^T dx_B/dx_A, (n_tokens, d) of A, for v of the shape of B's output."""


def feature_edges(stretch: Pull, first: CleanBlock, first_ids: Sequence[FeatureId], later: CleanBlock, later_ids: Sequence[FeatureId]) -> np.ndarray:
    """Edges from features, and the error, of one block to features of a later one: one backward for each of these.

    Returns:
        (later features, features of the first block and last its error) float64.
    """
    found = [_effects(first, first_ids, stretch.pull(v_nd)) for v_nd in _heads(later, later_ids, sized=False)]
    return np.array(found).reshape(len(later_ids), len(first_ids) + 1)


def influences(stretch: Pull, first: CleanBlock, first_ids: Sequence[FeatureId], later: CleanBlock, later_ids: Sequence[FeatureId]) -> np.ndarray:
    """How much features of one block raise those of a later one, (later features, features) float64; one backward for each later feature."""
    change_nf = np.abs(first.change_nf[:, first.site.places(first_ids)])
    rows_fd = first.site.directions(first_ids)
    found = [_summed(change_nf, rows_fd, stretch.pull(v_nd)) for v_nd in _heads(later, later_ids, sized=True)]
    return np.array(found).reshape(len(later_ids), len(first_ids))


def error_edges(stretch: Pull, first: CleanBlock, first_ids: Sequence[FeatureId], later: CleanBlock) -> np.ndarray:
    """Edges to the error of a later block, (features of the first block and last its error,) float64."""
    return _effects(first, first_ids, stretch.pull(_error_head(later.site.sae, later.x_nd, later.g_nd)))


def through(stretch: Pull, first: CleanBlock, first_ids: Sequence[FeatureId], later: CleanBlock) -> np.ndarray:
    """Effects through all of a later block, its features and its error, (features of the first block and last its error,) float64."""
    return _effects(first, first_ids, stretch.pull(later.g_nd))


def own_effects(block: CleanBlock, ids: Sequence[FeatureId]) -> np.ndarray:
    """Effects of features of a block, and last of its error, on the outcome itself, float64."""
    return _effects(block, ids, block.g_nd)


def _heads(later: CleanBlock, ids: Sequence[FeatureId], *, sized: bool) -> Iterator[torch.Tensor]:
    """For each feature, the gradient of its q, or of its m, at the block's output."""
    pulls_nf, columns_fd = later.pulls(ids), later.site.readings(ids)
    is_on_nf = torch.from_numpy(later.size_nf[:, later.site.places(ids)] > 0).to(pulls_nf.device)
    weight_nf = torch.where(is_on_nf, pulls_nf.abs() if sized else pulls_nf, 0.0)
    sae = later.site.sae
    if RELEASED[sae.architecture].by_encoder:
        for at in range(len(ids)):
            yield weight_nf[:, at, None] * columns_fd[at]
        return
    for (latent, _), weight_n in zip(ids, weight_nf.T, strict=True):
        yield _pulled(sae, later.x_nd, lambda h_th, at: (weight_n[at] * h_th[:, latent]).sum())  # noqa: B023


def _error_head(sae: AuroraSAE, x_nd: torch.Tensor, g_nd: torch.Tensor) -> torch.Tensor:
    """Gradient of sum(g . e) at the block's output: g, without what goes through the features."""
    if not RELEASED[sae.architecture].by_encoder:
        return g_nd - _pulled(sae, x_nd, lambda h_th, at: (g_nd[at] * (h_th @ sae.W_dec)).sum())
    found = []
    with torch.inference_mode():
        for at in tiles(len(x_nd)):
            features, g_td = encode(sae, x_nd[at]), g_nd[at]
            if isinstance(features, Active):
                values = features.of_product(g_td, sae.W_dec, 1.0)
                through_td = Active(values, features.columns, features.ends, features.h).times(sae.W_enc.T.contiguous())
            else:
                through_td = torch.where(features != 0, g_td @ sae.W_dec.T, 0.0) @ sae.W_enc.T
            found.append(g_td - through_td)
    return torch.cat(found).clone()


def _pulled(sae: AuroraSAE, x_nd: torch.Tensor, outcome: Callable[[torch.Tensor, slice], torch.Tensor]) -> torch.Tensor:
    """Gradient at the block's output of the sum over tiles of an outcome of their features."""
    found = []
    for at in tiles(len(x_nd)):
        x_td = x_nd[at].detach().clone().requires_grad_()
        with torch.enable_grad():
            y = outcome(sae.encode(x_td), at)
        found.append(torch.autograd.grad(y, x_td)[0])
    return torch.cat(found)


def _effects(first: CleanBlock, ids: Sequence[FeatureId], pulled_nd: torch.Tensor) -> np.ndarray:
    """What the outcome changes by, to first order, where features of a block, and last its error, become their position means."""
    features = _summed(first.change_nf[:, first.site.places(ids)], first.site.directions(ids), pulled_nd)
    error = 0.0
    for at in tiles(len(pulled_nd)):
        error += float((first.error_nd[at].double() * pulled_nd[at].double()).cpu().numpy().sum())
    return np.append(features, error)


def _summed(change_nf: np.ndarray, rows_fd: torch.Tensor, pulled_nd: torch.Tensor) -> np.ndarray:
    """Sum over tokens of change times row . gradient, (features,) float64, in the order of tokens."""
    total_f = np.zeros(change_nf.shape[1])
    for at in tiles(len(pulled_nd)):
        total_f += (change_nf[at] * (pulled_nd[at] @ rows_fd.T).double().cpu().numpy()).sum(axis=0)
    return total_f
