"""Whether the nulls can be trusted: further shifts of the labels, which are false by construction, must hardly be labelled.

A held-out shift moves all labels alike and takes their place; it is compared with as many other shifts, by the same p and q. Of
turns in longitude those that lie near it are left out, as turns near the label itself are no nulls of it: a score that is high over
a stretch of turns, as on smooth fields, must not be its own null here alone. It lies twice as far from the label as a turn must,
since what a label that is itself wide has in common with it nearer by is no false find. A feature
counts as labelled where any of the labels is, so that a rate also shows what many labels do to many features. Nominal are
`alpha` of the features; `gate` times as many are tolerated. Beyond that the record says `uncalibrated`, and no label is shown.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from aurorascope.atlas.decoys import q_values
from aurorascope.atlas.nulls import p_values
from aurorascope.atlas.settings import AtlasSettings


class Gate:
    """One kind of null over all labels.

    Args:
        against: of each held-out shift, the places of the shifts that it is compared with, held-out ones last. Where they are too
            few for p to reach `alpha`, the lowest p that there is takes its place, which makes the gate stricter.
        n_features: features.
        settings: `alpha` and `q`.
    """

    def __init__(self, against: Sequence[np.ndarray], n_features: int, settings: AtlasSettings) -> None:
        self._against = list(against)
        self._alphas = [max(settings.alpha, 1 / (1 + len(places))) for places in against]
        self._any_hf = np.zeros((len(against), n_features), bool)
        self._settings = settings
        self._n_low = self._n_pairs = 0

    def add(self, score_rf: np.ndarray, third_f: np.ndarray) -> None:
        """Count one label's scores under held-out shifts, each against those under other shifts.

        Args:
            score_rf: (shifts, features), held-out ones last.
            third_f: third of each feature by density; -1 for one that is never on.
        """
        alive, held_out_hf = third_f >= 0, score_rf[len(score_rf) - len(self._against) :]
        for any_f, score_f, places, alpha in zip(self._any_hf, held_out_hf, self._against, self._alphas, strict=True):
            null_rf = score_rf[places]
            is_low = (p_values(score_f, null_rf) <= alpha) & alive
            any_f |= is_low & (q_values(score_f, null_rf, third_f) <= self._settings.q)
            self._n_low += int(is_low.sum())
            self._n_pairs += int(alive.sum())

    def result(self, third_f: np.ndarray) -> dict[str, Any]:
        """Rates, and "calibrated" or "uncalibrated"; "not tried" where there was no held-out shift or no label.

        `rate` is the share of features that are on and are labelled by a held-out shift, `rate_p` that of pairs whose p alone is
        at most `nominal_p`.
        """
        alive, settings = third_f >= 0, self._settings
        n = len(self._any_hf) * int(alive.sum())
        nominal = {"nominal": settings.alpha, "tolerated": settings.gate * settings.alpha}
        nominal["nominal_p"] = float(np.mean(self._alphas)) if self._alphas else None
        if not n or not self._n_pairs:
            return {"verdict": "not tried", "n": 0, "rate": None, "rate_p": None, **nominal}
        rate = float(self._any_hf[:, alive].sum() / n)
        verdict = "calibrated" if rate <= settings.gate * settings.alpha else "uncalibrated"
        return {"verdict": verdict, "n": n, "rate": rate, "rate_p": self._n_low / self._n_pairs, **nominal}
