"""The edits of one block: checked before any forward, and prepared for the grid of an input before Aurora computes anything of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from aurorascope.blocks import Block
from aurorascope.errors import UserError
from aurorascope.interventions.edit_base import Edit, FeatureEdit, Usually
from aurorascope.interventions.edits import Add, Donor
from aurorascope.interventions.ids import FeatureId, read_features, resolve_features
from aurorascope.interventions.places import Place
from aurorascope.interventions.regions import Active, Region
from aurorascope.interventions.released import Released
from aurorascope.interventions.values import ROWS, Values
from aurorascope.sae.architectures import RELEASED
from aurorascope.sae.aurora_sae import AuroraSAE


@dataclass(frozen=True, eq=False)
class Prepared:
    """One edit on one grid.

    Attributes:
        masks: tokens of each part of its region that depends on the place alone, (n_tokens,) bool.
        held_n: tokens that its region may hold whatever the features are, (n_tokens,) bool.
        level_f: one number for each of its features, float64, if the edit needs that.
        plane_nf: one for each token of the block and feature, float64, if the edit needs that.
    """

    masks: dict[Region, np.ndarray]
    held_n: np.ndarray
    level_f: torch.Tensor | None
    plane_nf: torch.Tensor | None


@dataclass(frozen=True, eq=False)
class OneEdit:
    """One edit of a block.

    Attributes:
        place: its place in the list that was given to `intervene`.
        edit: the edit.
        region: its whole region.
        ids: its features; none for `Add`.
        columns: where these are among `BlockEdits.values`.
        rows_fd: what one unit of each adds to the block's output, (features, d) float64; for `Add` the direction, (1, d).
    """

    place: int
    edit: Edit
    region: Region
    ids: tuple[FeatureId, ...]
    columns: list[int]
    rows_fd: torch.Tensor


class BlockEdits:
    """All edits of one block, in the order given.

    Args:
        block: the block.
        sae: its SAE, on the model's device.
        edits: place in the list that was given, edit, and whole region of each.

    Attributes:
        edits: the edits.
        values: the features that they and their regions need.
        asked: features of each `Active` that names some.
        prepared: each edit on the grid of the last `prepare`.
        tokens_t: tokens that any edit may touch, ascending, int64, on the model's device.
        area_n: area of each token, (n_tokens,) int64.

    Raises:
        UserError: a feature that the SAE or an edit's reference does not have, one that lacks its sign, or a direction of another width.
    """

    def __init__(self, block: Block, sae: AuroraSAE, edits: Sequence[tuple[int, Edit, Region]]) -> None:
        self.block, self._sae = block, sae
        self.asked: dict[Region, tuple[FeatureId, ...]] = {}
        self._usually: dict[int, Usually | None] = {}
        ids = [self._ids_of(edit) for _, edit, _ in edits]
        for _, edit, region in edits:
            self.asked |= {leaf: self._ids_of_active(leaf, edit) for leaf in region.leaves() if isinstance(leaf, Active)}
        self.values = Values(sae, tuple(dict.fromkeys(each for some in (*ids, *self.asked.values()) for each in some)))
        self.edits = [self._one(*given, mine) for given, mine in zip(edits, ids, strict=True)]
        self._donors: dict[int, tuple[Place | None, torch.Tensor]] = {}
        self._axes: tuple[np.ndarray, np.ndarray] | None = None
        self.prepared: list[Prepared] = []

    def _one(self, place: int, edit: Edit, region: Region, ids: tuple[FeatureId, ...]) -> OneEdit:
        columns = [self.values.ids.index(each) for each in ids]
        if isinstance(edit, Add):
            if len(edit.direction) != self._sae.d_model:
                found = f"({len(edit.direction)},)"
                raise UserError(f"{self._name(edit)}, direction", f"({self._sae.d_model},)", found, "give one of this block's output")
            return OneEdit(place, edit, region, ids, columns, self._tensor(edit.direction)[None])
        found = OneEdit(place, edit, region, ids, columns, self.values.rows_fd[columns])
        self._usually[place] = self._statistics(found)
        return found

    def _name(self, edit: Edit) -> str:
        return f"{edit.name} at {self.block.id}"

    def _tensor(self, array: np.ndarray | torch.Tensor | None) -> torch.Tensor | None:
        return None if array is None else torch.as_tensor(array, dtype=torch.float64, device=self._sae.b_dec.device)

    def _ids_of(self, edit: Edit) -> tuple[FeatureId, ...]:
        if not isinstance(edit, FeatureEdit):
            return ()
        signed = RELEASED[self._sae.architecture].signed
        bare = [feature for feature, sign in edit.asked() if sign is None]
        if signed and edit.needs_sign and bare:
            fix = f"name ({bare[0]}, 1) or ({bare[0]}, -1)"
            raise UserError(self._name(edit), "a sign for each feature, since this SAE's have two", str(bare[0]), fix)
        return resolve_features(self._name(edit), edit.asked(), self._sae.d_hidden, signed)

    def _ids_of_active(self, leaf: Active, edit: Edit) -> tuple[FeatureId, ...]:
        where = f"Active at {self.block.id}"
        if leaf.features is not None:
            return resolve_features(where, read_features(where, leaf.features), self._sae.d_hidden, RELEASED[self._sae.architecture].signed)
        if isinstance(edit, Add):
            raise UserError(where, "features, since a direction has none of its own", "none", "name them: Active([7])")
        return ()

    def _statistics(self, one: OneEdit) -> Usually | None:
        """Those of the edit's features, if it refers to any: of its reference, or else what the SAE's suite says."""
        found = getattr(one.edit, "reference", None)
        if found is not None:
            usual = found[self.block.id].of(self._name(one.edit), one.ids)
            usual.check_weights(self._name(one.edit), self._sae)
            return usual
        if isinstance(one.edit, FeatureEdit) and one.edit.takes_released:
            return Released.of(self._name(one.edit), self.block.id, self._sae, one.ids)
        return None

    def give_donor(self, one: OneEdit, place: Place | None, x_nd: torch.Tensor) -> None:
        """The block's output that a `Donor` takes values from, and where its tokens lie if that is known."""
        if x_nd.ndim != 2 or x_nd.shape[1] != self._sae.d_model:
            expected = f"an output of this block, (n_tokens, {self._sae.d_model})"
            raise UserError(self._name(one.edit), expected, str(tuple(x_nd.shape)), "give that of one date")
        values, device = Values(self._sae, one.ids), self._sae.b_dec.device
        self._donors[one.place] = place, torch.cat([values.of(x_rd.to(device)) for x_rd in x_nd.split(ROWS)])

    def prepare(self, lat: np.ndarray, lon: np.ndarray) -> None:
        """Find the tokens of all regions on the grid of an input, (lat,) and (lon,) in degrees.

        Raises:
            UserError: no token lies in a region, or a reference, label, donor or amount is of another grid.
        """
        if self._axes is not None and np.array_equal(self._axes[0], lat) and np.array_equal(self._axes[1], lon):
            return
        place = Place.of(self.block, lat, lon)
        self.prepared = [self._prepare(one, place) for one in self.edits]
        held_n = np.logical_or.reduce([each.held_n for each in self.prepared])
        self.tokens_t = torch.from_numpy(np.flatnonzero(held_n)).to(self._sae.b_dec.device)
        self.area_n, self._axes = place.area_n, (lat, lon)

    def _prepare(self, one: OneEdit, place: Place) -> Prepared:
        edit, region, n = one.edit, one.region, place.grid.n_tokens
        held_n = region.holds(place)
        if not held_n.any():
            raise UserError(
                f"the region of {self._name(edit)}", f"at least one of its {n} tokens, {_spacing(place)} apart", f"none in {region}",
                "make the region larger, take a time at which its label holds, or a block of a finer stage",
            )
        level_f, plane_nf = None, None
        if isinstance(edit, FeatureEdit):
            statistics = self._usually[one.place]
            if statistics is not None:
                statistics.check_place(self._name(edit), place)
            level_f, plane_nf = edit.level_f(statistics, held_n), edit.plane_nf(statistics)
        if isinstance(edit, Donor):
            plane_nf = self._donated(one, place)
        if isinstance(edit, Add) and np.ndim(edit.amount):
            plane_nf = torch.as_tensor(edit.amount)[:, None]
            if len(plane_nf) != n:
                expected = f"one number, or one for each of {n} tokens"
                raise UserError(f"{self._name(edit)}, amount", expected, str(len(plane_nf)), "correct it")
        masks = {leaf: leaf.holds(place) for leaf in region.leaves() if not isinstance(leaf, Active)}
        return Prepared(masks, held_n, self._tensor(level_f), self._tensor(plane_nf))

    def _donated(self, one: OneEdit, place: Place) -> torch.Tensor:
        """The donor's values at each token, moved east."""
        where, dlon, (source, v_nf) = self._name(one.edit), one.edit.dlon, self._donors[one.place]
        is_same = source is None or (np.array_equal(source.lat, place.lat) and np.array_equal(source.lon, place.lon))
        if not is_same or len(v_nf) != place.grid.n_tokens:
            expected = f"{place.grid.n_tokens} tokens on the batch's grid"
            raise UserError(where, expected, f"{len(v_nf)} on another", "take a donor on the same grid")
        # Of columns that are not equally wide none but the shift by nothing is whole.
        width = place.plane.width * 360 / place.plane.n_lon
        columns = round(dlon / width) if width else 0
        if not np.isclose(dlon, columns * width, rtol=1e-9, atol=1e-6):
            only = f"a multiple of {width:g}, a token's width in degrees" if width else "0, since this block's columns are not equally wide"
            raise UserError(f"{where}, dlon", only, f"{dlon:g}", "correct it")
        return v_nf.reshape(*place.grid.shape, -1).roll(columns, dims=2).reshape(len(v_nf), -1)


def _spacing(place: Place) -> str:
    """Mean size of a token, in words."""
    cells = place.plane.n_lat / place.plane.shape[0], place.plane.n_lon / place.plane.shape[1]
    steps = abs(place.lat[1] - place.lat[0]), place.lon[1] - place.lon[0]
    return " x ".join(f"{size * step:.3g}" for size, step in zip(cells, steps, strict=True)) + " degrees"
