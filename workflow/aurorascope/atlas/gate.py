"""Whether the nulls can be trusted: further shifts of the labels, which are false by construction, must hardly be labelled.

A held-out shift moves all labels alike and takes their place; it is compared with the same nulls, by the same p and q. A feature
counts as labelled where any of the labels is, so that a rate also shows what many labels do to many features. Nominal are
`alpha` of the features; `gate` times as many are tolerated. Beyond that the record says `uncalibrated`, and no label is shown.
"""

from typing import Any

import numpy as np

from aurorascope.atlas.decoys import q_values
from aurorascope.atlas.nulls import p_values
from aurorascope.atlas.settings import AtlasSettings


class Gate:
    """One kind of null over all labels.

    Args:
        n_held_out: held-out shifts.
        n_features: features.
    """

    def __init__(self, n_held_out: int, n_features: int) -> None:
        self._any_hf = np.zeros((n_held_out, n_features), bool)
        self._n_low = self._n_pairs = 0

    def add(self, held_out_hf: np.ndarray, null_rf: np.ndarray, third_f: np.ndarray, settings: AtlasSettings) -> None:
        """Count one label's scores under held-out shifts, (shifts, features), against those under its nulls."""
        alive = third_f >= 0
        for any_f, score_f in zip(self._any_hf, held_out_hf, strict=True):
            is_low = (p_values(score_f, null_rf) <= settings.alpha) & alive
            any_f |= is_low & (q_values(score_f, null_rf, third_f) <= settings.q)
            self._n_low += int(is_low.sum())
            self._n_pairs += int(alive.sum())

    def result(self, third_f: np.ndarray, settings: AtlasSettings) -> dict[str, Any]:
        """Rates, and "calibrated" or "uncalibrated"; "not tried" where there was no held-out shift or no label.

        `rate` is the share of features that are on and are labelled by a held-out shift, `rate_p` that of pairs whose p alone is
        at most alpha.
        """
        alive = third_f >= 0
        n = len(self._any_hf) * int(alive.sum())
        nominal = {"nominal": settings.alpha, "tolerated": settings.gate * settings.alpha}
        if not n or not self._n_pairs:
            return {"verdict": "not tried", "n": 0, "rate": None, "rate_p": None, **nominal}
        rate = float(self._any_hf[:, alive].sum() / n)
        verdict = "calibrated" if rate <= settings.gate * settings.alpha else "uncalibrated"
        return {"verdict": verdict, "n": n, "rate": rate, "rate_p": self._n_low / self._n_pairs, **nominal}
