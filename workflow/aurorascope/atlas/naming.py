"""Which label a feature is shown with, if any: what must hold of its best pair, in the order in which it is asked."""

from dataclasses import dataclass

import numpy as np

from aurorascope.atlas.baselines import Baseline
from aurorascope.atlas.nulls import VERDICTS
from aurorascope.atlas.score import Labelled
from aurorascope.atlas.settings import AtlasSettings

# How the ids of labels begin that mean nothing and show what chance and place alone can do.
CONTROL = "control_"
_BEYOND = tuple(word for word in VERDICTS.values() if word != "unlabelled")


@dataclass(frozen=True)
class Name:
    """What is said of one feature.

    Attributes:
        top: place of the label with the highest F1 on `select`, of those beyond a null that have `least_f1` there and are no
            controls; where there is none, of all; -1 where no label could be scored.
        runner_up: the one with the highest F1 on `test` besides, of those beyond a null if the first is; -1 where there is none.
        margin: F1 on `test` above the runner-up's; NaN without one.
        verdict: the word of the best pair.
        label: id of the label it is shown with, else empty.
        reason: "labelled", or the first thing that did not hold: "never on", "no label", "too_coarse", "uncalibrated", "unlabelled"
            (within a null), "weak" (no label that a feature follows, or too low an F1 on `test`), "control", "tracks ..." (a baseline
            is as good), "ambiguous".
    """

    top: int
    runner_up: int
    margin: float
    verdict: str
    label: str
    reason: str


def name_features(labelled: Labelled, ids: tuple[str, ...], density_f: np.ndarray, settings: AtlasSettings) -> list[Name]:
    """What is said of each feature."""
    which = np.array([label for label, word in enumerate(labelled.status) if word == "ok"], np.int64)
    if not len(which):
        return [Name(-1, -1, float("nan"), "no label", "", "no label") for _ in density_f]
    select_lf, test_lf = (np.stack([labelled.scores[split][label].f1_f for label in which]) for split in ("select", "test"))
    # Where nothing was compared no gate was tried, and every pair is weak.
    uncalibrated = bool(labelled.followed) and any(each.gate["verdict"] != "calibrated" for each in labelled.compared.values())
    beyond_lf = np.isin(labelled.verdict_lf[which], _BEYOND)
    is_control_l = np.array([ids[label].startswith(CONTROL) for label in which])
    candidate_lf = beyond_lf & (select_lf >= settings.least_f1) & ~is_control_l[:, None]
    names = []
    for feature, density in enumerate(density_f):
        # Labels that are on nearly everywhere have the highest F1 and are within their nulls: they name nothing.
        is_candidate = bool(candidate_lf[:, feature].any())
        best = int(np.where(candidate_lf[:, feature] | (not is_candidate), select_lf[:, feature], -1.0).argmax())
        others = np.flatnonzero((beyond_lf[:, feature] | (not is_candidate)) & (np.arange(len(which)) != best))
        second = int(others[test_lf[others, feature].argmax()]) if len(others) else -1
        margin = float(test_lf[best, feature] - test_lf[second, feature]) if len(others) else float("nan")
        top, f1 = int(which[best]), float(test_lf[best, feature])
        verdict = str(labelled.verdict_lf[top, feature])
        if density == 0:
            verdict = reason = "never on"
        elif verdict == "too_coarse":
            reason = verdict
        elif uncalibrated:
            reason = "uncalibrated"
        elif verdict not in _BEYOND:
            reason = verdict
        elif is_control_l[best]:
            reason = "control"
        elif f1 < settings.least_f1:
            reason = "weak"
        elif not labelled.gain_lf[top, feature] > 0:
            reason = f"tracks {described(best_baseline(labelled.baselines[top]))}"
        elif margin < settings.least_margin:
            reason = "ambiguous"
        else:
            reason = "labelled"
        label = ids[top] if reason == "labelled" else ""
        names.append(Name(top, int(which[second]) if len(others) else -1, margin, verdict, label, reason))
    return names


def best_baseline(baselines: list[Baseline]) -> Baseline:
    """The competitor with the highest F1 on `test`; of equal ones the first."""
    return max(baselines, key=lambda each: each.f1_test)


def described(baseline: Baseline) -> str:
    """How a competitor is called: a variable by its name and side, others by their kind."""
    return baseline.name if baseline.kind == "variable" else baseline.kind
