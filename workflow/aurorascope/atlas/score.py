"""One block's atlas: its features scored against all labels, and compared with nulls and with what needs no autoencoder."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from aurorascope.atlas.anomalies import Anomalies, sum_anomalies
from aurorascope.atlas.baselines import Baseline
from aurorascope.atlas.bins import Bins
from aurorascope.atlas.counts import total_counts
from aurorascope.atlas.decoys import terciles
from aurorascope.atlas.encoding import Source, area_means, encode_entries, scale_of
from aurorascope.atlas.entries import Entries
from aurorascope.atlas.evaluate import PlaneBaselines, Scores, choose_and_score, score_directions, score_split
from aurorascope.atlas.linear import find_directions
from aurorascope.atlas.nulls import Nulls, date_shifts, rotations
from aurorascope.atlas.scores import Choice
from aurorascope.atlas.settings import AtlasSettings
from aurorascope.atlas.splits import DROPPED, SELECT, TEST, Splits, make_splits
from aurorascope.atlas.token_labels import TokenLabels
from aurorascope.atlas.verdicts import Compared, compare, pair_verdicts
from aurorascope.errors import UserError
from aurorascope.sae.aurora_sae import AuroraSAE


@dataclass(frozen=True)
class Labelled:
    """Scores against labels; lists and first axes have one entry a label.

    Attributes:
        status: "ok", "too_rare", or "constant" where a label is nowhere or everywhere.
        followed: places of the labels that are "ok" and that a feature has `least_f1` for on `select`; the others have no nulls.
        choices: where each feature is read.
        scores: by split, "select", "test" and, where given, "held_out".
        nulls: rotations and date shifts.
        compared: by kind of null.
        verdict_lf: words.
        baselines: the best of each kind; empty for a label that no feature follows.
        gain_lf: F1 on `test` above the best baseline's; NaN where there is none.
        rule: which dates climatologies are of.
    """

    status: tuple[str, ...]
    followed: tuple[int, ...]
    choices: list[Choice]
    scores: dict[str, list[Scores]]
    nulls: tuple[Nulls, Nulls]
    compared: dict[str, Compared]
    verdict_lf: np.ndarray
    baselines: list[list[Baseline]]
    gain_lf: np.ndarray
    rule: str


@dataclass(frozen=True)
class Scored:
    """All that the tables and the summary are made of.

    Attributes:
        settings: of the atlas.
        labels: on the training dates.
        splits: which dates choose and which test.
        used: places of the snapshots in use, ascending.
        entries: of the features, under their places.
        bins: of the features.
        density_f: share of the area, over all levels, that each feature is on for; on `select`, or on all dates in use.
        anomalies: sums that position means come from, of `test`, or of all dates in use.
        mean_sf: area mean of each feature in each snapshot in use.
        labelled: None where there are too few dates.
    """

    settings: AtlasSettings
    labels: TokenLabels
    splits: Splits
    used: np.ndarray
    entries: Entries
    bins: Bins
    density_f: np.ndarray
    anomalies: Anomalies
    mean_sf: np.ndarray
    labelled: Labelled | None


def score_features(
    sae: AuroraSAE, train: Source, labels: TokenLabels, settings: AtlasSettings, folder: Path, *,
    held_out: tuple[Source, TokenLabels] | None = None, on_plane: PlaneBaselines | None = None,
) -> Scored:
    """Score one block's features.

    The dates that choose are read once more than the others, for the directions that features compete with. With too few dates
    nothing is scored against labels, and `splits.reason` says so.

    Args:
        sae: the autoencoder, on the device that is to encode.
        train: activations of the training dates.
        labels: labels of all training dates, those included that no split uses, on the block's tokens.
        settings: of the atlas.
        folder: for scratch files, which end with the process.
        held_out: activations and labels of held-out dates, reported third.
        on_plane: what competes with features and is the same for all blocks on these tokens; None for climatologies alone.

    Raises:
        UserError: activations and labels are of different times.
    """
    for source, its_labels in ((train, labels), *([held_out] if held_out else [])):
        if tuple(source.times) != its_labels.times:
            raise UserError(
                "labels of the atlas", f"the activations' {len(source.times)} times", f"{len(its_labels.times)}, or others",
                "make the labels again",
            )
    # So that sums of products of floats are the same however many threads there are for the rest.
    with threadpool_limits(limits=1, user_api="blas"):
        splits = make_splits(train.times, settings)
        used = np.flatnonzero(splits.split != DROPPED)
        chosen = used if splits.reason else splits.of(SELECT)
        plane, n_components = labels.plane, min(settings.components, sae.d_model)
        directions = find_directions(train.snapshots(chosen), chosen, labels, n_components)
        scale = scale_of(directions.rms)
        entries, linear = encode_entries(sae, train, used, plane, folder, scale, None if splits.reason else directions)
        bins = Bins.of(entries.peaks(chosen), settings)
        whole = float(plane.area_p.sum()) * plane.n_levels * len(chosen)
        density_f = total_counts(entries, bins, chosen, plane.area_p).sum(axis=(0, 2)) / whole
        of = used if splits.reason else splits.of(TEST)
        block = np.unique(splits.block[of], return_inverse=True)[1]
        anomalies = sum_anomalies(entries, of, block, labels.field_tlp[of], plane.area_p, folder)
        labelled = None
        if not splits.reason:
            third_f = terciles(density_f)
            on_plane = PlaneBaselines(None, folder) if on_plane is None else on_plane
            labelled = _label(entries, linear, n_components, bins, third_f, labels, splits, on_plane, settings)
            if held_out is not None:
                source, its_labels = held_out
                places = np.arange(len(source.times))
                its_entries, _ = encode_entries(sae, source, places, its_labels.plane, folder, scale)
                every = range(len(labels.ids))
                labelled.scores["held_out"] = score_split(its_entries, bins, its_labels, places, every, labelled.choices)
        mean_sf = area_means(entries, used, plane.area_p)
        return Scored(settings, labels, splits, used, entries, bins, density_f, anomalies, mean_sf, labelled)


def _label(
    entries: Entries, linear: Entries, n_components: int, bins: Bins, third_f: np.ndarray, labels: TokenLabels, splits: Splits,
    on_plane: PlaneBaselines, settings: AtlasSettings,
) -> Labelled:
    """Score all labels, and compare those that are neither too rare nor constant, and that a feature follows at all."""
    select, test, every = splits.of(SELECT), splits.of(TEST), range(len(labels.ids))
    choices, at_select = choose_and_score(entries, bins, labels, select, every)
    scores = {"select": at_select, "test": score_split(entries, bins, labels, test, every, choices)}
    status = tuple(label_status(labels, label, splits, settings) for label in every)
    which = [label for label in every if status[label] == "ok"]
    # No feature could be named by another, whatever its nulls and competitors score.
    followed = [label for label in which if choices[label].f1_f.max(initial=0.0) >= settings.least_f1]
    nulls = (rotations(labels.plane, settings), date_shifts(labels.times, settings))
    compared = compare(entries, bins, labels, followed, select, third_f, nulls, settings)
    directions = score_directions(linear, n_components, labels, followed, select, test, settings)
    others, rule = on_plane.score(labels, which, select, test, splits.block, settings)
    others = [found for label, found in zip(which, others, strict=True) if label in followed]
    baselines: list[list[Baseline]] = [[] for _ in every]
    gain_lf = np.full((len(labels.ids), entries.n_features), np.nan)
    for label, found in zip(followed, [a + b for a, b in zip(directions, others, strict=True)], strict=True):
        baselines[label] = found
        gain_lf[label] = scores["test"][label].f1_f - max(each.f1_test for each in found)
    verdict_lf = pair_verdicts(compared, status, followed, entries.n_features, settings)
    return Labelled(status, tuple(followed), choices, scores, nulls, compared, verdict_lf, baselines, gain_lf, rule)


def label_status(labels: TokenLabels, label: int, splits: Splits, settings: AtlasSettings) -> str:
    """Whether a label can be scored: "constant" where it is on nowhere or everywhere on a split, "too_rare", or "ok"."""
    rare = False
    for split in (SELECT, TEST):
        snapshots = splits.of(split)
        on, not_counted = labels.areas(label, snapshots)
        if on == 0 or on + not_counted == int(labels.plane.area_p.sum()) * len(snapshots):
            return "constant"
        n_objects = labels.n_objects(label, snapshots)
        n_blocks = len(np.unique(splits.block[snapshots[n_objects > 0]]))
        rare |= int(n_objects.sum()) < settings.least_objects or n_blocks < settings.least_label_blocks
    return "too_rare" if rare else "ok"
