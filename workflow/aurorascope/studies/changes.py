"""What each arm adds to the block's output on one date, from the clean run alone: h' - h is never computed under another edit."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from aurorascope.backbone.splice import reconstruction
from aurorascope.blocks import BY_ID
from aurorascope.errors import UserError
from aurorascope.interventions import Edit, Region
from aurorascope.interventions.apply import changes_of
from aurorascope.interventions.block_edits import BlockEdits
from aurorascope.interventions.ids import FeatureId
from aurorascope.interventions.log import REFUSED, Log
from aurorascope.interventions.places import Place
from aurorascope.interventions.values import ROWS
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.studies.arms import Arm
from aurorascope.studies.keys import placebo_columns


@dataclass(frozen=True, eq=False)
class Added:
    """What is added to a block's output at dose 1.

    Attributes:
        tokens_t: tokens, ascending int64.
        change_td: what is added to each, float64.
        exposure: area mean of each edited feature over the region; empty where features are not what is changed.
        size: RMS of the change over the region / RMS(x - mean) over the block.
        norms_mean: mean over changed tokens of the change's norm / the token's; 0 where none changes.
        norms_max: the largest of these.
    """

    tokens_t: torch.Tensor
    change_td: torch.Tensor
    exposure: tuple[float, ...]
    size: float
    norms_mean: float
    norms_max: float

    @property
    def is_none(self) -> bool:
        """Whether nothing changes."""
        return len(self.tokens_t) == 0


class Changes:
    """The changes of one date.

    Args:
        block_id: the edited block.
        sae: its SAE.
        x_nd: the block's clean output.
        axes: latitudes and longitudes of the input.
        region: of the edit.
        edit_of: the edit of some features.
        features: the edited features.
        directions_kd: random directions of norm 1.
        difference_d: difference of means; None where there is none.
        placebo_degrees: how far east the placebo lies.
    """

    def __init__(
        self, block_id: str, sae: AuroraSAE, x_nd: torch.Tensor, axes: tuple[np.ndarray, np.ndarray], region: Region,
        edit_of: Callable[[tuple[FeatureId, ...]], Edit], features: tuple[FeatureId, ...], directions_kd: np.ndarray,
        difference_d: np.ndarray | None, placebo_degrees: float,
    ) -> None:
        self._block, self._sae, self._x_nd, self._axes, self._region = BY_ID[block_id], sae, x_nd, axes, region
        self._edit_of, self._directions_kd, self._difference_d = edit_of, directions_kd, difference_d
        self._place = Place.of(self._block, *axes)
        self._held_n = region.holds(self._place)
        self._degrees = placebo_degrees
        x = x_nd.double().cpu().numpy()
        self._norm_n = np.sqrt((x**2).sum(axis=1))
        self._spread = float(np.sqrt(((x - x.sum(axis=0) / len(x)) ** 2).sum(axis=1).sum() / len(x)))
        self.feature = self._edited(features)

    def of(self, arm: Arm) -> Added:
        """What an arm adds at dose 1.

        Raises:
            UserError: a token would be moved by more than 10 times its norm.
        """
        if arm.kind in ("clean", "clean_again"):
            return self._added(torch.zeros(0, dtype=torch.int64), torch.zeros((0, self._sae.d_model), dtype=torch.float64), ())
        if arm.kind in ("feature", "minus_feature"):
            found = self.feature
        elif arm.kind == "control":
            found = self._edited(arm.features)
        elif arm.kind == "placebo":
            found = self._moved()
        elif arm.kind == "reconstruction":
            found = self._reconstruction()
        else:
            found = self._along(self._directions_kd[arm.number] if arm.kind == "direction" else self._signed_difference())
        if abs(arm.dose) * found.norms_max > REFUSED:
            words = f"{abs(arm.dose) * found.norms_max:.3g} times in the arm {arm.name}"
            raise UserError("the study, edit", f"changes of at most {REFUSED:g} times a token's norm", words, "lower the value")
        return found

    def _edited(self, features: tuple[FeatureId, ...]) -> Added:
        site, log = BlockEdits(self._block, self._sae, [(0, self._edit_of(features), self._region)]), Log()
        site.prepare(*self._axes)
        with torch.no_grad(), torch.autocast(self._x_nd.device.type, enabled=False):
            tokens_t, change_td = changes_of(site, self._x_nd, 0, 0, log)
        return self._added(tokens_t, change_td, log.rows[0].exposure)

    def _added(self, tokens_t: torch.Tensor, change_td: torch.Tensor, exposure: tuple[float, ...]) -> Added:
        size_t = _norms(change_td)
        ratio_t = size_t / np.maximum(self._norm_n[tokens_t.cpu().numpy()], np.finfo(float).tiny)
        size = float(np.sqrt((size_t**2).sum() / self._held_n.sum())) / self._spread
        mean = float(ratio_t.sum() / len(ratio_t)) if len(ratio_t) else 0.0
        return Added(tokens_t, change_td, exposure, size, mean, float(ratio_t.max(initial=0)))

    def _along(self, direction_d: np.ndarray) -> Added:
        """The same tokens moved as far, but all in one direction."""
        size_t = torch.from_numpy(_norms(self.feature.change_td)).to(self.feature.change_td.device)
        direction = torch.from_numpy(direction_d).to(size_t.device)
        return self._added(self.feature.tokens_t, size_t[:, None] * direction, ())

    def _signed_difference(self) -> np.ndarray:
        """The difference of means, of norm 1, on the side that the feature's change is on."""
        total_d = self.feature.change_td.cpu().numpy().sum(axis=0)
        sign = -1.0 if (total_d * self._difference_d).sum() < 0 else 1.0
        return sign * self._difference_d / np.sqrt((self._difference_d**2).sum())

    def _moved(self) -> Added:
        """The feature's change, moved east by whole columns."""
        columns = self._place.grid.shape[2]
        steps = placebo_columns(columns, self._degrees)
        tokens_t, change_td = self.feature.tokens_t, self.feature.change_td
        moved_t = tokens_t // columns * columns + (tokens_t % columns + steps) % columns
        order = torch.argsort(moved_t)
        return self._added(moved_t[order], change_td[order], ())

    def _reconstruction(self) -> Added:
        tokens_t = torch.from_numpy(np.flatnonzero(self._held_n)).to(self._x_nd.device)
        x_td = self._x_nd[tokens_t].float()
        with torch.inference_mode(), torch.autocast(x_td.device.type, enabled=False):
            parts = [reconstruction(self._sae)(each).double() - each.double() for each in x_td.split(ROWS)]
        return self._added(tokens_t, torch.cat(parts), ())


def has_placebo(region: Region, block_id: str, axes: tuple[np.ndarray, np.ndarray], degrees: float) -> bool:
    """Whether a region that is moved east leaves itself: no token of it may lie in it still."""
    place = Place.of(BY_ID[block_id], *axes)
    held_lyx = region.holds(place).reshape(place.grid.shape)
    moved_lyx = np.roll(held_lyx, placebo_columns(place.grid.shape[2], degrees), axis=2)
    return not (held_lyx & moved_lyx).any()


def _norms(x_td: torch.Tensor) -> np.ndarray:
    return np.sqrt((x_td.cpu().numpy() ** 2).sum(axis=1))
