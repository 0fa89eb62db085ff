"""Scores of all labels against both kinds of nulls, and what follows: verdicts of pairs, and the gate."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from aurorascope.atlas.bins import Bins
from aurorascope.atlas.counts import Variant, count, total_counts
from aurorascope.atlas.decoys import q_values
from aurorascope.atlas.entries import Entries
from aurorascope.atlas.gate import Gate
from aurorascope.atlas.nulls import DATE_SHIFT, ROTATION, Nulls, p_values, verdict_of, z_values
from aurorascope.atlas.scores import choose
from aurorascope.atlas.settings import AtlasSettings
from aurorascope.atlas.token_labels import TokenLabels


@dataclass(frozen=True)
class Compared:
    """All pairs against the nulls of one kind, (labels, features) each; NaN where a label was not compared.

    Attributes:
        p_lf: empirical p.
        z_lf: standard deviations above the nulls' mean; NaN where they do not vary.
        q_lf: share of false ones among what scores as high.
        gate: what held-out shifts said.
    """

    p_lf: np.ndarray
    z_lf: np.ndarray
    q_lf: np.ndarray
    gate: dict[str, Any]

    def beats(self, settings: AtlasSettings) -> np.ndarray:
        """Where a score is beyond the nulls."""
        return (self.p_lf <= settings.alpha) & (self.q_lf <= settings.q)


def compare(
    entries: Entries, bins: Bins, labels: TokenLabels, which: Sequence[int], select: np.ndarray, third_f: np.ndarray,
    nulls: Sequence[Nulls], settings: AtlasSettings,
) -> dict[str, Compared]:
    """Compare every label with its shifts, on `select`, with the same statistic at the same thresholds for all.

    Args:
        entries: of the features, by the places of the labels' times.
        bins: their bins.
        labels: the labels.
        which: places of the labels to be compared.
        select: snapshots that choose.
        third_f: third of each feature by density; -1 for one that is never on.
        nulls: of both kinds; one that is too coarse is left out.
        settings: `alpha`, `q` and the bins.
    """
    n_labels, n_features = len(labels.ids), entries.n_features
    usable = [each for each in nulls if not each.reason]
    some = spaced(select, settings.null_snapshots)
    total = total_counts(entries, bins, some, labels.plane.area_p)
    arrays = {
        each.kind: tuple(np.full((n_labels, n_features), np.nan) for _ in range(3))
        for each in usable
    }
    gates = {each.kind: Gate(each.against, n_features, settings) for each in usable}
    at, fold = np.arange(len(labels.times)), settings.bins // settings.null_bins
    for label in which if usable else ():
        variants = [Variant(label)]
        for each in usable:
            variants += [_variant(each.kind, label, shift) for shift in (*each.shifts, *each.held_out)]
        scores_vf = np.empty((len(variants), n_features))

        def keep(place: int, counts: Any, scores_vf: np.ndarray = scores_vf) -> None:
            scores_vf[place] = choose(counts).f1_f

        count(entries, bins, labels, variants, some, at, total, keep, fold)
        real_f, first = scores_vf[0], 1
        for each in usable:
            score_rf = scores_vf[first : first + len(each.shifts) + len(each.held_out)]
            first += len(score_rf)
            null_rf = score_rf[: len(each.shifts)]
            p_lf, z_lf, q_lf = arrays[each.kind]
            p_lf[label], z_lf[label] = p_values(real_f, null_rf), z_values(real_f, null_rf)
            q_lf[label] = q_values(real_f, null_rf, third_f)
            gates[each.kind].add(score_rf, third_f)
    return {kind: Compared(*found, gates[kind].result(third_f)) for kind, found in arrays.items()}


def spaced(snapshots: np.ndarray, most: int) -> np.ndarray:
    """At most so many of some snapshots, evenly spaced."""
    if len(snapshots) <= most:
        return snapshots
    return snapshots[np.linspace(0, len(snapshots) - 1, most).round().astype(np.int64)]


def pair_verdicts(
    compared: dict[str, Compared], status: Sequence[str], which: Sequence[int], n_features: int, settings: AtlasSettings
) -> np.ndarray:
    """The word for each pair, (labels, features) array of strings.

    A label that is not "ok" has its status as the word, one that was not compared though it is, "weak"; where a kind of null is too
    coarse, all the others have "too_coarse".
    """
    words = np.full((len(status), n_features), "too_coarse", dtype="<U16")
    if ROTATION in compared and DATE_SHIFT in compared:
        words[:] = "weak"
        found = verdict_of(compared[ROTATION].beats(settings), compared[DATE_SHIFT].beats(settings))
        words[list(which)] = found[list(which)]
    for label, word in enumerate(status):
        if word != "ok":
            words[label] = word
    return words


def _variant(kind: str, label: int, shift: Any) -> Variant:
    return Variant(label, cells=shift) if kind == ROTATION else Variant(label, source=shift)
