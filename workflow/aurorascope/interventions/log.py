"""What an intervention did: which tokens each edit touched, how strong the features were there, and how large the change was."""

import dataclasses
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aurorascope.interventions.ids import FeatureId

if TYPE_CHECKING:
    import pandas as pd

# A change of this many times a token's norm is warned of, and one of that many is refused.
WARNED, REFUSED = 1.0, 10.0


class InterventionWarning(UserWarning):
    """An intervention that did nothing, or more than the model's norms leave linear."""


@dataclass(frozen=True)
class LogRow:
    """One edit in one forward.

    Attributes:
        block: id of the block.
        edit: place of the edit in the list that was given, from 0.
        kind: class of the edit.
        step: `batch.metadata.rollout_step` of the forward's input: 0 for the first.
        member: place in the batch.
        in_region: tokens of the region, before any `Active`.
        touched: tokens that the edit changed.
        features: number and sign of each feature; none for `Add`.
        exposure: area mean of each feature's value over the region before all edits of this block.
        size: RMS(change) over the region / RMS(x - mean) over the block's tokens, both of tokens' Euclidean norms; the mean is that
            of all tokens.
        norms_mean: mean over the touched tokens of the norm of the change / the token's norm; 0 where none is touched.
        norms_max: the largest of these.
    """

    block: str
    edit: int
    kind: str
    step: int
    member: int
    in_region: int
    touched: int
    features: tuple[FeatureId, ...]
    exposure: tuple[float, ...]
    size: float
    norms_mean: float
    norms_max: float


@dataclass(eq=False)
class Log:
    """What all edits did, forward by forward.

    Attributes:
        rows: in the order in which edits were made.
        steps: steps of the forwards that ran, whether edited or not, in their order.
        warned: what was warned of on leaving the `with`.
        norms_max: by block id, the most that all its edits together moved a token by, in norms of that token.
    """

    rows: list[LogRow] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    warned: list[str] = field(default_factory=list)
    norms_max: dict[str, float] = field(default_factory=dict)

    def table(self) -> "pd.DataFrame":
        """One row an edit and forward; columns as the attributes of `LogRow`."""
        import pandas as pd

        names = [each.name for each in dataclasses.fields(LogRow)]
        return pd.DataFrame([[getattr(row, name) for name in names] for row in self.rows], columns=names)

    def warn(self, edits: Iterable[tuple[int, str, str]], stacklevel: int) -> None:
        """Say which edits, each (place, words, block id), touched no token, and where norms were left.

        Args:
            edits: all edits.
            stacklevel: as of `warnings.warn`, seen from here.
        """
        ran = ", ".join(map(str, dict.fromkeys(self.steps)))
        for place, words, block_id in edits:
            mine = [row for row in self.rows if row.edit == place]
            if any(row.touched for row in mine):
                continue
            if not self.steps:
                why = "no forward of this model ran"
            elif not mine:
                why = f"forwards ran of the steps {ran} alone"
            else:
                why = f"in its region of {mine[0].in_region} tokens it changes nothing (steps {ran})"
            self.warned.append(f"{words} at {block_id} touched no token: {why}. What it does is untested.")
        self.warned += [
            f"the edits at {block_id} moved a token by {most:.3g} times its norm: the model's norms leave no such response linear"
            for block_id, most in self.norms_max.items()
            if most > WARNED
        ]
        for line in self.warned:
            warnings.warn(line, InterventionWarning, stacklevel=stacklevel + 1)
