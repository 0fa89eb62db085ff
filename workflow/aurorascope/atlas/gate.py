"""Whether the nulls can be trusted: further shifts of the labels, which are false by construction, must hardly be labelled.

Each held-out shift takes the label's place and is compared with the same nulls, by the same p and q. What it may label is
`alpha` of the pairs; `gate` times as many are tolerated. Beyond that the record says `uncalibrated`, and no label is shown.
"""

from dataclasses import dataclass

import numpy as np

from aurorascope.atlas.decoys import q_values
from aurorascope.atlas.nulls import p_values
from aurorascope.atlas.settings import AtlasSettings


@dataclass
class Gate:
    """Counts of one kind of null over labels and held-out shifts.

    Attributes:
        n: pairs of a feature that is on and a held-out shift.
        n_low_p: those whose p is at most alpha.
        n_labelled: those of them whose q is low enough, too.
    """

    n: int = 0
    n_low_p: int = 0
    n_labelled: int = 0

    def add(self, held_out_rf: np.ndarray, null_rf: np.ndarray, third_f: np.ndarray, settings: AtlasSettings) -> None:
        """Count one label's held-out shifts, (shifts, features) scores, against its nulls."""
        alive = third_f >= 0
        for score_f in held_out_rf:
            low = (p_values(score_f, null_rf) <= settings.alpha) & alive
            labelled = low & (q_values(score_f, null_rf, third_f) <= settings.q)
            self.n += int(alive.sum())
            self.n_low_p += int(low.sum())
            self.n_labelled += int(labelled.sum())

    def result(self, settings: AtlasSettings) -> dict[str, float | int | str | None]:
        """Rates and the verdict: "calibrated", "uncalibrated", or "not tried" where there was no held-out shift."""
        if not self.n:
            return {"verdict": "not tried", "n": 0, "rate_p": None, "rate_labelled": None}
        rate_p, rate = self.n_low_p / self.n, self.n_labelled / self.n
        verdict = "calibrated" if rate <= settings.gate * settings.alpha else "uncalibrated"
        return {"verdict": verdict, "n": self.n, "rate_p": rate_p, "rate_labelled": rate}
