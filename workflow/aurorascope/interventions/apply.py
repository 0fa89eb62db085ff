"""Make the edits of a block in its output, touching only the tokens of their regions, and log what was done."""

from collections.abc import Callable

import numpy as np
import torch

from aurorascope.errors import UserError
from aurorascope.interventions.block_edits import BlockEdits, OneEdit, Prepared
from aurorascope.interventions.edit_base import At, FeatureEdit
from aurorascope.interventions.log import REFUSED, Log, LogRow
from aurorascope.interventions.regions import Active, Region
from aurorascope.interventions.values import ROWS


def apply_edits(site: BlockEdits, output: torch.Tensor, step: int, log: Log) -> torch.Tensor:
    """A block's output, (batch, n_tokens, d), after all its edits; the same tensor where they change nothing.

    To gradients, what is added is constant.

    Raises:
        UserError: a token would be moved by more than 10 times its norm.
        ValueError: the output is not of the prepared grid; Aurora's structure has changed.
    """
    n = len(site.area_n)
    if output.ndim != 3 or output.shape[1] != n:
        raise ValueError(f"{site.block.hook}: expected an output (batch, {n}, width), found {tuple(output.shape)}")
    edited = output
    for member in range(len(output)):
        with torch.no_grad():
            tokens_t, change_td = changes_of(site, output[member].detach(), step, member, log)
        if len(tokens_t):
            if edited is output:
                # Others may hold the output: a replay returns it again.
                edited = output.clone()
            edited[member, tokens_t] = (output[member, tokens_t].double() + change_td).to(output.dtype)
    return edited


class _Sums:
    """What one edit did to one member of a batch, summed over tokens in their order."""

    def __init__(self, n_features: int) -> None:
        self.touched, self.area, self.square, self.norms, self.most = 0, 0, 0.0, 0.0, 0.0
        self.exposure_f = np.zeros(n_features)

    def add(self, v_tf: np.ndarray, area_t: np.ndarray, size_t: np.ndarray, norm_t: np.ndarray, is_changed_t: np.ndarray) -> None:
        """Tokens of the region: values, areas, norms of the change and of the token, and whether it changed."""
        self.exposure_f += (area_t[:, None] * v_tf).sum(axis=0)
        self.area += int(area_t.sum())
        self.square += float((size_t**2).sum())
        moved = _ratio(size_t[is_changed_t], norm_t[is_changed_t])
        self.touched += len(moved)
        self.norms += float(moved.sum())
        self.most = max(self.most, float(moved.max(initial=0)))


def changes_of(site: BlockEdits, x_nd: torch.Tensor, step: int, member: int, log: Log) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens that change, ascending, and what is added to each, (tokens, d) float64; what was done is logged.

    Args:
        site: the edits, prepared for the input's grid.
        x_nd: the block's output for one member, without gradients and outside of autocast.
        step: step of the rollout, for the log.
        member: place in the batch, for the log.
        log: what gains a row an edit.

    Raises:
        UserError: a token would be moved by more than 10 times its norm.
    """
    sums = [_Sums(len(one.ids)) for one in site.edits]
    tokens, changes, most = [], [], 0.0
    for tokens_t in site.tokens_t.split(ROWS):
        x_td = x_nd[tokens_t]
        norm_t = _norms(x_td.double())
        change_td, is_changed_t = _edit(site, x_td, tokens_t, norm_t, sums)
        most = max(most, float(_ratio(_norms(change_td), norm_t).max(initial=0)))
        tokens.append(tokens_t[is_changed_t])
        changes.append(change_td[is_changed_t])
    log.norms_max[site.block.id] = max(log.norms_max.get(site.block.id, 0.0), most)
    if most > REFUSED:
        raise UserError(
            f"the edits at {site.block.id}", f"changes of at most {REFUSED:g} times a token's norm", f"{most:.3g} times at step {step}",
            "lower the dose or the value",
        )
    spread = _spread(x_nd)
    for one, found, prepared in zip(site.edits, sums, site.prepared, strict=True):
        log.rows.append(_row(site, one, found, int(prepared.held_n.sum()), spread, step, member))
    return torch.cat(tokens), torch.cat(changes)


def _row(site: BlockEdits, one: OneEdit, found: _Sums, in_region: int, spread: float, step: int, member: int) -> LogRow:
    return LogRow(
        block=site.block.id, edit=one.place, kind=one.edit.name, step=step, member=member, in_region=in_region, touched=found.touched,
        features=one.ids, exposure=tuple(map(float, found.exposure_f / found.area)),
        size=float(np.sqrt(found.square / in_region) / spread) if spread > 0 else float("nan"),
        norms_mean=found.norms / found.touched if found.touched else 0.0, norms_max=found.most,
    )


def _edit(
    site: BlockEdits, x_td: torch.Tensor, tokens_t: torch.Tensor, norm_t: np.ndarray, sums: list[_Sums]
) -> tuple[torch.Tensor, torch.Tensor]:
    """What is added to some tokens, and which of them change."""
    v_tf = site.values.of(x_td)
    now_tf, change_td = v_tf.clone(), torch.zeros_like(x_td, dtype=torch.float64)
    is_changed_t = torch.zeros(len(x_td), dtype=torch.bool, device=x_td.device)
    places_t = tokens_t.cpu().numpy()
    for one, prepared, found in zip(site.edits, site.prepared, sums, strict=True):
        has_features = isinstance(one.edit, FeatureEdit)
        # A direction counts as one feature that is off everywhere.
        before_tf = now_tf[:, one.columns] if has_features else now_tf.new_zeros((len(x_td), 1))
        held_t = prepared.held_n[places_t]
        mask_tf = one.region.narrow(_mask_of(site, one, prepared, v_tf, places_t))
        after_tf = one.edit.edited(before_tf, At(tokens_t, prepared.level_f, prepared.plane_nf))
        delta_tf = torch.where(torch.from_numpy(mask_tf).to(x_td.device), one.edit.dose * (after_tf - before_tf), 0.0)
        if has_features:
            now_tf[:, one.columns] = before_tf + delta_tf
        added_td, moves_t = delta_tf @ one.rows_fd, (delta_tf != 0).any(dim=1)
        change_td += added_td
        is_changed_t |= moves_t
        exposed_tf = v_tf[:, one.columns].cpu().numpy()[held_t]
        found.add(exposed_tf, site.area_n[places_t][held_t], _norms(added_td)[held_t], norm_t[held_t], moves_t.cpu().numpy()[held_t])
    return change_td, is_changed_t


def _mask_of(
    site: BlockEdits, one: OneEdit, prepared: Prepared, v_tf: torch.Tensor, places_t: np.ndarray
) -> Callable[[Region], np.ndarray]:
    """Which of some tokens lie in a part of a region, by their values before any edit: see `Region.narrow`."""

    def mask_of(leaf: Region) -> np.ndarray:
        if not isinstance(leaf, Active):
            return prepared.masks[leaf][places_t][:, None]
        if leaf.features is None:
            return (v_tf[:, one.columns] > 0).cpu().numpy()
        asked = [site.values.ids.index(each) for each in site.asked[leaf]]
        return (v_tf[:, asked] > 0).any(dim=1, keepdim=True).cpu().numpy()

    return mask_of


def _norms(x_td: torch.Tensor) -> np.ndarray:
    return torch.linalg.vector_norm(x_td, dim=1).cpu().numpy()


def _ratio(size_t: np.ndarray, norm_t: np.ndarray) -> np.ndarray:
    """Sizes in norms of tokens; infinite for a change of a token that is zero, 0 for tokens that were not finite before."""
    ratio_t = np.divide(size_t, norm_t, out=np.where(size_t > 0, np.inf, 0.0), where=norm_t > 0)
    return np.where(np.isfinite(norm_t), ratio_t, 0.0)


def _spread(x_nd: torch.Tensor) -> float:
    """RMS of the distance of tokens from their mean, whatever the number of threads."""
    parts = x_nd.split(ROWS)
    mean_d = sum(part.sum(dim=0, dtype=torch.float64) for part in parts) / len(x_nd)
    squares = [((part.double() - mean_d) ** 2).sum(dim=1).cpu().numpy() for part in parts]
    return float(np.sqrt(np.concatenate(squares).sum() / len(x_nd)))
