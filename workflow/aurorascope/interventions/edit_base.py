"""What all edits have in common: their block, region and dose, and how they turn values of features into others."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from aurorascope.errors import UserError
from aurorascope.interventions.ids import Asked, Features, read_features
from aurorascope.interventions.reference_values import Statistics
from aurorascope.interventions.regions import Region
from aurorascope.interventions.released import Released

Usually = Statistics | Released


@dataclass(frozen=True, eq=False)
class At:
    """What an edit needs to know of the tokens whose features it changes.

    Attributes:
        tokens_t: their numbers in the block, (tokens,) int64.
        level_f: one number for each feature, as `FeatureEdit.level_f` gave it; None for edits that need none.
        plane_nf: one number for each token of the block and feature; None for edits that need none.
    """

    tokens_t: torch.Tensor
    level_f: torch.Tensor | None
    plane_nf: torch.Tensor | None


@dataclass(frozen=True, eq=False, kw_only=True)
class Edit:
    """Base of all edits.

    Attributes:
        block: the block's id; needed where several SAEs are given.
        where: the region of this edit, inside that of `intervene`; None for all of it.
        dose: how much of the change is made; negative for its opposite.
    """

    block: str | None = None
    where: Region | None = None
    dose: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what no block could make sense of."""
        check_number(f"{self.name}, dose", self.dose)
        if not (self.where is None or isinstance(self.where, Region)):
            raise UserError(f"{self.name}, where", "a region", repr(self.where), "give a region, such as Disk(52, -78, km=1500)")

    @property
    def name(self) -> str:
        """What messages call it."""
        return type(self).__name__

    def edited(self, v_tf: torch.Tensor, at: At) -> torch.Tensor:
        """New values, (tokens, features) float64, of values of the same shape."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class FeatureEdit(Edit):
    """Base of edits of features.

    Attributes:
        features: a feature's number, or (number, sign), or a list of these. Of an SAE that tells signs apart, a number without
            a sign stands for both features, each edited on its own.
        needs_sign: whether such a number is refused there, since both features would cancel.
    """

    needs_sign: ClassVar[bool] = False

    features: Features

    def __post_init__(self) -> None:
        """See `Edit`."""
        super().__post_init__()
        self.asked()

    def asked(self) -> tuple[Asked, ...]:
        """The features that it names."""
        return read_features(self.name, self.features)

    @property
    def takes_released(self) -> bool:
        """Whether it takes what a suite's SAE says of its features where it has no reference."""
        return False

    def level_f(self, statistics: Usually | None, held_n: np.ndarray) -> np.ndarray | None:
        """One number for each feature, from statistics of these features in the reference and the tokens that the region may hold."""
        return None

    def plane_nf(self, statistics: Usually | None) -> np.ndarray | None:
        """One number for each token of the block and feature."""
        return None


def check_number(where: str, value: Any) -> None:
    """Refuse what is no finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not math.isfinite(value):
        raise UserError(where, "a finite number", repr(value), "correct it")
