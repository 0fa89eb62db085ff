"""Choose where features are read on `select`, and score them there on any split; the same for what competes with them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aurorascope.atlas.baselines import Baseline, Variables, best_of, plane_entries
from aurorascope.atlas.bins import Bins
from aurorascope.atlas.counts import Counts, Use, Variant, count, total_counts
from aurorascope.atlas.entries import Entries
from aurorascope.atlas.scores import Choice, at_choice, choose, ranking
from aurorascope.atlas.settings import AtlasSettings
from aurorascope.atlas.token_labels import TokenLabels


@dataclass(frozen=True)
class Scores:
    """Scores of one label's features on one split, at the thresholds chosen.

    Attributes:
        precision_f: share by area of what is above the threshold, (features,).
        recall_f: share of objects.
        f1_f: of both.
        auroc_f: in the chosen level pool.
        average_f: average precision in it.
        base: share of the counted area where the label is on.
        n_objects: objects.
    """

    precision_f: np.ndarray
    recall_f: np.ndarray
    f1_f: np.ndarray
    auroc_f: np.ndarray
    average_f: np.ndarray
    base: float
    n_objects: int

    @classmethod
    def of(cls, counts: Counts, choice: Choice) -> "Scores":
        """From the counts of the split."""
        area = counts.on_area + counts.off_area
        base = counts.on_area / area if area else 0.0
        return cls(*at_choice(counts, choice), *ranking(counts, choice.pool_f), base, counts.n_objects)


def choose_and_score(
    entries: Entries, bins: Bins, labels: TokenLabels, select: np.ndarray, which: Sequence[int]
) -> tuple[list[Choice], list[Scores]]:
    """The best threshold and level pool of every feature for some labels on `select`, and the scores there."""
    choices, scores = [], []

    def keep(_: int, counts: Counts) -> None:
        choices.append(choose(counts))
        scores.append(Scores.of(counts, choices[-1]))

    _count(entries, bins, labels, select, which, keep)
    return choices, scores


def score_split(
    entries: Entries, bins: Bins, labels: TokenLabels, snapshots: np.ndarray, which: Sequence[int], choices: Sequence[Choice]
) -> list[Scores]:
    """Scores of some labels on another split, at what was chosen."""
    scores: list[Scores] = []
    _count(entries, bins, labels, snapshots, which, lambda place, counts: scores.append(Scores.of(counts, choices[place])))
    return scores


def _count(entries: Entries, bins: Bins, labels: TokenLabels, snapshots: np.ndarray, which: Sequence[int], use: Use) -> None:
    total = total_counts(entries, bins, snapshots, labels.plane.area_p)
    variants = [Variant(label) for label in which]
    count(entries, bins, labels, variants, snapshots, np.arange(len(labels.times)), total, use)


def score_directions(
    linear: Entries, n_components: int, labels: TokenLabels, which: Sequence[int], select: np.ndarray, test: np.ndarray,
    settings: AtlasSettings,
) -> list[list[Baseline]]:
    """The best component, and the difference of means, for some labels.

    Args:
        linear: entries of the directions, by the places of the labels' times.
        n_components: of them, principal components, two features each; then one a label.
        labels: the labels.
        which: places of the labels.
        select: snapshots that choose.
        test: snapshots that scores are reported on.
        settings: the bins.
    """
    found = []
    pca = [f"component {place % n_components + 1}{'+-'[place // n_components]}" for place in range(2 * n_components)]
    for place, (at_select, at_test) in enumerate(_f1_pairs(linear, labels, which, select, test, settings)):
        own = 2 * n_components + which[place]
        found.append([
            best_of("pca", pca, at_select[: len(pca)], at_test[: len(pca)]),
            Baseline("diff_mean", labels.ids[which[place]], float(at_select[own]), float(at_test[own])),
        ])
    return found


class PlaneBaselines:
    """The best climatology and variable for labels: the same for all blocks on the same tokens, and so found once.

    Args:
        variables: input variables on the labels' times; None for none.
        folder: for scratch files.

    Attributes:
        variables: those.
    """

    def __init__(self, variables: Variables | None, folder: Path) -> None:
        self.variables, self._folder = variables, folder
        self._asked: tuple = ()
        self._found: tuple[list[list[Baseline]], str] = ([], "none")

    def score(
        self, labels: TokenLabels, which: Sequence[int], select: np.ndarray, test: np.ndarray, block: np.ndarray,
        settings: AtlasSettings,
    ) -> tuple[list[list[Baseline]], str]:
        """The best of each kind for some labels, and which dates climatologies are of; what was asked for last is kept.

        Args:
            labels: the labels.
            which: places of the labels.
            select: snapshots that choose.
            test: snapshots that scores are reported on.
            block: block of dates of each of the labels' times.
            settings: the bins.
        """
        asked = (labels, tuple(which), select.tobytes(), test.tobytes(), block.tobytes(), settings)
        if self._asked[1:] != asked[1:] or self._asked[0] is not labels:
            self._found, self._asked = self._score(labels, which, select, test, block, settings), asked
        return self._found

    def _score(
        self, labels: TokenLabels, which: Sequence[int], select: np.ndarray, test: np.ndarray, block: np.ndarray,
        settings: AtlasSettings,
    ) -> tuple[list[list[Baseline]], str]:
        names = [] if self.variables is None else [f"{name} {side}" for name in self.variables.names for side in ("high", "low")]
        flat = Entries(len(labels.ids) + len(names), 1, labels.plane.n, len(labels.times), self._folder)
        times, found = np.sort(np.concatenate([select, test])), []
        rule = plane_entries(labels, times, select, block, self.variables, flat, self._folder)
        for place, (at_select, at_test) in enumerate(_f1_pairs(flat, labels, which, select, test, settings)):
            own, first = which[place], len(labels.ids)
            found.append([Baseline("climatology", rule, float(at_select[own]), float(at_test[own]))])
            if names:
                found[-1].append(best_of("variable", names, at_select[first:], at_test[first:]))
        return found, rule


def _f1_pairs(
    entries: Entries, labels: TokenLabels, which: Sequence[int], select: np.ndarray, test: np.ndarray, settings: AtlasSettings
) -> list[tuple[np.ndarray, np.ndarray]]:
    bins = Bins.of(entries.peaks(select), settings)
    choices: list[Choice] = []
    at_test: list[np.ndarray] = []
    _count(entries, bins, labels, select, which, lambda _, counts: choices.append(choose(counts)))
    _count(entries, bins, labels, test, which, lambda place, counts: at_test.append(at_choice(counts, choices[place])[2]))
    return [(choice.f1_f, f1_f) for choice, f1_f in zip(choices, at_test, strict=True)]
