"""Planted features get the verdicts that they were planted for, false labels are hardly ever given, and noise passes the gate."""

import numpy as np
import pytest
from aurorascope.atlas.bins import Bins
from aurorascope.atlas.counts import total_counts
from aurorascope.atlas.decoys import terciles
from aurorascope.atlas.evaluate import choose_and_score, score_split
from aurorascope.atlas.nulls import DATE_SHIFT, ROTATION, date_shifts, rotations
from aurorascope.atlas.settings import AtlasSettings
from aurorascope.atlas.splits import SELECT, TEST, make_splits
from aurorascope.atlas.verdicts import compare, pair_verdicts, spaced

from tests.atlas.planted import COARSE, FINE, NAMES, entries_of, planted_features, planted_world

SETTINGS = AtlasSettings(rotations=19, date_shifts=24, held_out_nulls=6, least_label_blocks=4)
N_NAMED = len(NAMES)


class Run:
    """The whole comparison of a world's features."""

    def __init__(self, world, h_tnf, folder, settings=SETTINGS):
        turns = rotations(world.plane, settings)
        self.world, self.labels = world, world.labels(folder, shifts=(*turns.shifts, *turns.held_out))
        self.entries = entries_of(h_tnf, world.plane.n, folder)
        self.splits = make_splits(world.times, settings)
        self.select, self.test = self.splits.of(SELECT), self.splits.of(TEST)
        self.bins = Bins.of(self.entries.peaks(self.select), settings)
        total = total_counts(self.entries, self.bins, self.select, world.plane.area_p)
        self.which = range(len(world.masks))
        nulls = (turns, date_shifts(world.times, settings))
        third_f = terciles(total.sum(axis=(0, 2)))
        self.compared = compare(self.entries, self.bins, self.labels, self.which, self.select, third_f, nulls, settings)
        self.verdict_lf = pair_verdicts(self.compared, ["ok"] * len(self.which), self.which, h_tnf.shape[2], settings)

    def of(self, label, feature):
        return self.verdict_lf[list(self.world.masks).index(label), NAMES.index(feature)]

    def scores(self):
        choices, select = choose_and_score(self.entries, self.bins, self.labels, self.select, self.which)
        return select, score_split(self.entries, self.bins, self.labels, self.test, self.which, choices)


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    world = planted_world()
    return Run(world, planted_features(world), tmp_path_factory.mktemp("planted"))


EXPECTED = [
    ("storm", "storm", "event"), ("storm", "weak storm", "event"), ("storm", "dilated", "event"),
    ("storm", "quarter turn", "unlabelled"), ("land", "land", "place"), ("belt", "season", "zonal/season"),
    *((label, feature, "unlabelled") for label in ("storm", "land", "belt")
      for feature in ("latitude", "weekday", "window", "everywhere")),
    ("storm", "land", "unlabelled"), ("land", "storm", "unlabelled"), ("belt", "land", "unlabelled"),
]


@pytest.mark.parametrize("label, feature, verdict", EXPECTED)
def test_planted_features_get_their_verdict(planted, label, feature, verdict):
    assert planted.of(label, feature) == verdict


def test_noise_beside_planted_features_is_not_labelled(planted):
    assert (planted.verdict_lf[:, N_NAMED:] != "unlabelled").any(axis=0).mean() <= 0.075
    assert {each.gate["verdict"] for each in planted.compared.values()} == {"calibrated"}


def test_p_has_its_floor_and_both_nulls_are_reported(planted):
    rotation, shift = planted.compared[ROTATION], planted.compared[DATE_SHIFT]
    assert rotation.p_lf.min() == 1 / 20 and shift.p_lf.min() == 1 / 25
    storm = NAMES.index("storm")
    assert rotation.z_lf[0, storm] > 10 and shift.z_lf[0, storm] > 10
    # Land has one mask on all dates: its shifts in time are the label itself.
    assert shift.p_lf[1].min() == 1


def test_a_dense_feature_scores_no_more_than_the_base_rate(planted):
    """What is on everywhere, at values that say nothing, has the F1 of a label that is always given."""
    _, test = planted.scores()
    for scores in test:
        assert scores.f1_f[NAMES.index("everywhere")] <= 2 * scores.base / (1 + scores.base) + 0.01
        assert scores.auroc_f[NAMES.index("everywhere")] == pytest.approx(0.5, abs=0.02)


def test_planted_features_score_what_they_should_on_dates_that_did_not_choose(planted):
    select, test = planted.scores()
    storm, dilated = NAMES.index("storm"), NAMES.index("dilated")
    assert test[0].f1_f[storm] > 0.75 > test[0].f1_f[dilated] > 0.3
    assert test[1].f1_f[NAMES.index("land")] > 0.95 and test[2].f1_f[NAMES.index("season")] > 0.95
    assert test[0].f1_f[storm] == pytest.approx(select[0].f1_f[storm], abs=0.05)
    assert test[0].average_f[storm] / test[0].base > 10


def test_a_label_turned_away_labels_hardly_anything(tmp_path):
    """All masks 156 degrees further east: features that follow the true ones follow none of these."""
    world = planted_world(1, 128)
    features = planted_features(world, 1, 30)
    run = Run(world.turned(39), features, tmp_path)
    # A belt turned is itself.
    assert (run.verdict_lf[:2] != "unlabelled").any(axis=0).mean() <= 0.075
    assert run.of("belt", "season") == "zonal/season" and run.of("storm", "storm") == "unlabelled"


def noise_rates(seed, folder, block, n_features):
    world = planted_world(seed, 96, block)
    run = Run(world, planted_features(world, seed, n_features)[:, :, N_NAMED:], folder)
    assert {each.gate["verdict"] for each in run.compared.values()} == {"calibrated"}
    low = [each.gate["rate_p"] / each.gate["nominal_p"] for each in run.compared.values()]
    return (run.verdict_lf != "unlabelled").any(axis=0).mean(), low


def check_noise(seeds, folder, block, n_features=40):
    """No feature follows anything: at most the nominal rate is labelled, and p alone is as often low as it says."""
    labelled, low = zip(*(noise_rates(seed, folder, block, n_features) for seed in seeds), strict=True)
    # On 15 by 8 tokens features that follow one weather by chance are many at once.
    assert np.mean(labelled) <= 0.05 and (max(labelled) <= 0.075 or block == COARSE)
    assert np.mean(low) <= 1.5 and np.max(low) > 0


@pytest.mark.parametrize("block, n_features", [(FINE, 80), (COARSE, 160)])
def test_red_noise_passes_the_gate(tmp_path, block, n_features):
    check_noise(range(3), tmp_path, block, n_features)


@pytest.mark.soak
@pytest.mark.parametrize("block, n_features", [(FINE, 40), (COARSE, 160)])
def test_red_noise_passes_the_gate_whatever_the_seed(tmp_path, block, n_features):
    check_noise(range(100, 120), tmp_path, block, n_features)


def test_turns_by_cells_tell_the_same_where_tokens_are_few(tmp_path):
    """15 columns of tokens, 12 turns by whole ones: by cells of the grid there are enough, and they say what they should."""
    world = planted_world(4, 160, COARSE)
    run = Run(world, planted_features(world, 4, 20), tmp_path)
    assert rotations(world.plane, SETTINGS).rule == "cells"
    assert run.of("storm", "storm") == "event" and run.of("land", "land") == "place"
    assert {run.of(*pair) for pair in (("storm", "quarter turn"), ("storm", "land"), ("land", "storm"), ("storm", "window"))} == {"unlabelled"}
    assert (run.verdict_lf[:, N_NAMED:] != "unlabelled").any(axis=0).mean() <= 0.075


def test_a_null_that_is_too_coarse_gives_no_verdict(tmp_path):
    """Five turns by cells are 170 degrees and more: no word but that."""
    settings = AtlasSettings(rotations=19, date_shifts=24, held_out_nulls=2, least_degrees=170.0)
    world = planted_world(2, 64)
    run = Run(world, planted_features(world, 2, 2), tmp_path, settings)
    assert list(run.compared) == [DATE_SHIFT] and (run.verdict_lf == "too_coarse").all()


def test_nulls_are_compared_on_dates_spread_evenly():
    assert spaced(np.arange(10, 200), 4).tolist() == [10, 73, 136, 199]
    assert spaced(np.arange(3), 4).tolist() == [0, 1, 2]
