"""What a matching of two dictionaries found: pairs with their scores, and the scores that chance alone has."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from aurorascope.measures.stability.compare import share_alike

# A pair is above chance where its score is above that of so many of the pairs that chance alone matches.
QUANTILE = 0.95


@dataclass(frozen=True)
class Chance:
    """Scores of two dictionaries that have nothing to do with each other, matched in the same way.

    Attributes:
        scores: of the matched pairs, float64, at least one.
        n: how many of each could be matched.
        what: what was matched, in words.
    """

    scores: np.ndarray
    n: tuple[int, int]
    what: str

    @property
    def level(self) -> float:
        """The score that 95 % of them are not above."""
        return float(np.quantile(self.scores, QUANTILE))

    def content(self) -> dict[str, Any]:
        """What a record says of it."""
        mean, alike = float(self.scores.mean()), share_alike(self.scores, self.n)
        return {"what": self.what, "mean": mean, "level": self.level, "share_alike": alike}


@dataclass(frozen=True)
class Matched:
    """Latents of two dictionaries, matched one to one.

    Attributes:
        n: latents of each that could be matched.
        a: (m,) those of the first, ascending.
        b: (m,) those of the second that go with them.
        sign: (m,) int8, -1 where positive values of one go with negative ones of the other, else 1.
        score: (m,) float64, cosine or correlation, its size where features have signs.
        plain: (m,) float64, correlation about one mean of all places and hours; NaN of cosines.
        chance: None where there is none.
        reason: why there is none; empty where there is one.
        facts: of this kind of matching, for the record.
    """

    n: tuple[int, int]
    a: np.ndarray
    b: np.ndarray
    sign: np.ndarray
    score: np.ndarray
    plain: np.ndarray
    chance: Chance | None
    reason: str
    facts: dict[str, Any]

    def is_above(self) -> pd.Series:
        """Whether each pair's score is above that of chance; missing where there is no chance to compare with."""
        found = [pd.NA] * len(self.score) if self.chance is None else self.score > self.chance.level
        return pd.Series(found, dtype="boolean")

    def table(self) -> pd.DataFrame:
        """A row a matched pair, those of the first ascending."""
        return pd.DataFrame({
            "feature_a": self.a.astype(np.int32), "feature_b": self.b.astype(np.int32), "sign": self.sign.astype(np.int8),
            "score": self.score, "plain": self.plain, "is_above_chance": self.is_above(),
        })

    def content(self) -> dict[str, Any]:
        """What a record says of it; null, with the reason, where a share would be one of nothing."""
        m, has_chance = len(self.score), self.chance is not None
        n_above = int(self.is_above().sum()) if has_chance else None
        return {
            "n_features": list(self.n),
            "n_matched": m,
            "score_mean": float(self.score.mean()) if m else None,
            "share_alike": share_alike(self.score, self.n),
            "n_above_chance": n_above,
            "share_above_chance": n_above / m if has_chance else None,
            "chance": self.chance.content() if has_chance else None,
            "reason": self.reason,
            **self.facts,
        }


def above_chance(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of a table of matches that are above chance; none where there was no chance to compare with."""
    return table[table["is_above_chance"].fillna(False).astype(bool)]


def nothing_matched(n: tuple[int, int], most: int) -> str:
    """Why no pair of so many latents was matched, of which at most so many could be."""
    return "no feature of one of them is ever on" if min(n) == 0 else f"more than {most:,} features that could be matched"
