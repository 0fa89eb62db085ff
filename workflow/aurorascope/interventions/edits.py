"""Edits: what becomes of features inside a region.

Each says for values v of its features, none below zero, what v' they have afterwards. The block's output x becomes
x + dose * (v' - v) @ W, with W the features' directions; what the SAE does not explain of x stays (`intervene`).
"""

import math
import re
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from aurora import Batch

from aurorascope.errors import UserError
from aurorascope.interventions.edit_base import At, Edit, FeatureEdit, Usually, check_number
from aurorascope.interventions.reference_values import Reference, Statistics

# Of a percentile: with a larger one no edit is meant.
_MOST_TIMES = 1e6
_TIMES_P99 = re.compile(r"(?:([0-9]*\.?[0-9]+)\s*\*\s*)?p99")


@dataclass(frozen=True, eq=False)
class Ablate(FeatureEdit):
    """v' = 0."""

    def edited(self, v_tf: torch.Tensor, at: At) -> torch.Tensor:
        """See `Edit`."""
        return torch.zeros_like(v_tf)


@dataclass(frozen=True, eq=False)
class Scale(FeatureEdit):
    """v' = factor * v.

    Attributes:
        factor: any number, negative ones too.
    """

    factor: float

    def __post_init__(self) -> None:
        """See `Edit`."""
        super().__post_init__()
        check_number(f"{self.name}, factor", self.factor)

    def edited(self, v_tf: torch.Tensor, at: At) -> torch.Tensor:
        """See `Edit`."""
        return self.factor * v_tf


@dataclass(frozen=True, eq=False)
class _Referring(FeatureEdit):
    """An edit that needs to know what the features usually are.

    Attributes:
        reference: what `reference` found on dates that one compares with.
    """

    reference: Reference | None = None

    def __post_init__(self) -> None:
        """See `Edit`."""
        super().__post_init__()
        if not (isinstance(self.reference, Reference) or (self.takes_released and self.reference is None)):
            _ask_for_reference(self.name, self.reference)


@dataclass(frozen=True, eq=False)
class Mean(_Referring):
    """v' = the feature's area mean over the globe, on the dates of the reference; without one, on the held-out dates of the SAE's suite."""

    @property
    def takes_released(self) -> bool:
        """See `FeatureEdit`."""
        return True

    def level_f(self, statistics: Usually, held_n: np.ndarray) -> np.ndarray:
        """See `Edit`."""
        return statistics.mean_f

    def edited(self, v_tf: torch.Tensor, at: At) -> torch.Tensor:
        """See `Edit`."""
        return at.level_f.expand_as(v_tf)


@dataclass(frozen=True, eq=False)
class PositionMean(_Referring):
    """v' = the feature's mean at each token over the dates of the reference."""

    def plane_nf(self, statistics: Statistics) -> np.ndarray:
        """See `Edit`."""
        return statistics.position_mean_nf()

    def edited(self, v_tf: torch.Tensor, at: At) -> torch.Tensor:
        """See `Edit`."""
        return at.plane_nf[at.tokens_t]


@dataclass(frozen=True, eq=False)
class Normal(_Referring):
    """v' = min(v, normal), with normal the feature's mean where it is on, in the region, on the dates of the reference.

    Where the feature is never on in the region on these dates, normal is 0.
    """

    def level_f(self, statistics: Statistics, held_n: np.ndarray) -> np.ndarray:
        """See `Edit`."""
        return np.nan_to_num(statistics.active_mean_in(held_n))

    def edited(self, v_tf: torch.Tensor, at: At) -> torch.Tensor:
        """See `Edit`."""
        return torch.minimum(v_tf, at.level_f)


@dataclass(frozen=True, eq=False)
class Gain(_Referring):
    """v' = v + (gain - 1) * max(v - normal, 0), with normal as in `Normal`: what exceeds normal is multiplied.

    Attributes:
        gain: 0 restores to normal, 1 changes nothing, more strengthens.
    """

    gain: float = 1.0

    def __post_init__(self) -> None:
        """See `Edit`."""
        super().__post_init__()
        check_number(f"{self.name}, gain", self.gain)

    def level_f(self, statistics: Statistics, held_n: np.ndarray) -> np.ndarray:
        """See `Edit`."""
        return np.nan_to_num(statistics.active_mean_in(held_n))

    def edited(self, v_tf: torch.Tensor, at: At) -> torch.Tensor:
        """See `Edit`."""
        return v_tf + (self.gain - 1) * (v_tf - at.level_f).clamp(min=0)


@dataclass(frozen=True, eq=False)
class Clamp(FeatureEdit):
    """v' = value, at every token of the region, on or off.

    Attributes:
        value: a number in the block's units, or a multiple of the feature's 99th percentile where it is on, as "2*p99".
        reference: whose percentile such a multiple is of; None for that of the held-out dates of the SAE's suite.
    """

    needs_sign: ClassVar[bool] = True

    value: float | str
    reference: Reference | None = None

    def __post_init__(self) -> None:
        """See `Edit`."""
        super().__post_init__()
        if isinstance(self.value, str):
            multiple = _TIMES_P99.fullmatch(self.value.strip())
            if not multiple or float(multiple[1] or 1) > _MOST_TIMES:
                raise UserError(f"{self.name}, value", 'a number, "p99" or a multiple such as "2*p99"', repr(self.value)[:80], "correct it")
            if not isinstance(self.reference, Reference | None):
                _ask_for_reference(f"{self.name} to {self.value!r}", self.reference)
        else:
            check_number(f"{self.name}, value", self.value)

    @property
    def takes_released(self) -> bool:
        """See `FeatureEdit`."""
        return isinstance(self.value, str)

    def level_f(self, statistics: Usually, held_n: np.ndarray) -> np.ndarray | None:
        """See `Edit`."""
        if not isinstance(self.value, str):
            return None
        never = [each for each, p99 in zip(statistics.ids, statistics.p99_f, strict=True) if math.isnan(p99)]
        if never:
            raise UserError(
                f"{self.name} to {self.value!r}", f"features that are on somewhere on the {statistics.dates}", f"{never[0]} never on",
                "give a number, or a reference of more dates",
            )
        return float(_TIMES_P99.fullmatch(self.value.strip())[1] or 1) * statistics.p99_f

    def edited(self, v_tf: torch.Tensor, at: At) -> torch.Tensor:
        """See `Edit`."""
        return torch.full_like(v_tf, self.value) if at.level_f is None else at.level_f.expand_as(v_tf)


@dataclass(frozen=True, eq=False)
class Donor(FeatureEdit):
    """v' = the feature's value at the same place in another input, or at a place so many degrees to the west of it.

    Attributes:
        source: a date `YYYY-MM-DD` of the run in `results` (its batch of 12 UTC), a batch of Aurora's, which is then run up to
            the block, or the block's output, (n_tokens, d).
        dlon: degrees east that the other input's values are moved by, a multiple of a token's width at this block.
    """

    source: str | Batch | torch.Tensor | np.ndarray
    dlon: float = 0.0

    def __post_init__(self) -> None:
        """See `Edit`."""
        super().__post_init__()
        check_number(f"{self.name}, dlon", self.dlon)
        if not isinstance(self.source, str | Batch | torch.Tensor | np.ndarray):
            raise UserError(f"{self.name}, source", "a date, a batch or a block's output", type(self.source).__name__, "give one of these")

    def edited(self, v_tf: torch.Tensor, at: At) -> torch.Tensor:
        """See `Edit`."""
        return at.plane_nf[at.tokens_t]


@dataclass(frozen=True, eq=False)
class Add(Edit):
    """x becomes x + dose * amount * direction, whatever the features are.

    Attributes:
        direction: (d,), in the block's units.
        amount: one number for all tokens of the region, or one for each token of the block, (n_tokens,).
    """

    direction: torch.Tensor | np.ndarray
    amount: float | np.ndarray | torch.Tensor = 1.0

    def __post_init__(self) -> None:
        """See `Edit`."""
        super().__post_init__()
        for name, array, dims in (("direction", self.direction, (1,)), ("amount", self.amount, (0, 1))):
            if np.ndim(array) not in dims or not torch.as_tensor(array).isfinite().all():
                expected = f"finite numbers of {' or '.join(map(str, dims))} dimensions"
                raise UserError(f"Add, {name}", expected, f"shape {np.shape(array)}", "correct it")

    def edited(self, v_tf: torch.Tensor, at: At) -> torch.Tensor:
        """See `Edit`; what is added counts as one feature that was off."""
        if at.plane_nf is not None:
            return at.plane_nf[at.tokens_t]
        return torch.full_like(v_tf, float(self.amount))


def _ask_for_reference(name: str, found: Any) -> None:
    raise UserError(
        name, "reference=, what features usually are", "none" if found is None else type(found).__name__,
        "give reference=aurorascope.interventions.reference(model, {block: sae}, features, batches)",
    )
