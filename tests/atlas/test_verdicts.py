"""Planted features get the verdicts that they were planted for, false labels are hardly ever given, and noise passes the gate."""

import functools

import numpy as np
import pytest
from aurorascope.atlas.bins import Bins
from aurorascope.atlas.counts import total_counts
from aurorascope.atlas.decoys import terciles
from aurorascope.atlas.evaluate import choose_and_score, score_split
from aurorascope.atlas.nulls import DATE_SHIFT, ROTATION, date_shifts, rotations
from aurorascope.atlas.settings import AtlasSettings
from aurorascope.atlas.splits import SELECT, TEST, make_splits
from aurorascope.atlas.verdicts import compare, pair_verdicts

from tests.atlas.planted import NAMES, World, entries_of, planted_features, planted_world

SETTINGS = AtlasSettings(rotations=19, date_shifts=24, held_out_nulls=6, least_label_blocks=4, alpha=0.05)


class Run:
    """The whole comparison of a world's features."""

    def __init__(self, world, h_tnf, folder, settings=SETTINGS):
        self.world, self.labels = world, world.labels(folder)
        self.entries = entries_of(h_tnf, world.plane.n, folder)
        self.splits = make_splits(world.times, settings)
        self.select, self.test = self.splits.of(SELECT), self.splits.of(TEST)
        self.bins = Bins.of(self.entries.peaks(self.select), settings)
        total = total_counts(self.entries, self.bins, self.select, world.plane.area_p)
        self.third_f = terciles(total.sum(axis=(0, 2)))
        which = range(len(world.masks))
        nulls = (rotations(world.plane.shape[1], settings), date_shifts(world.times, settings))
        self.compared = compare(self.entries, self.bins, self.labels, which, self.select, self.third_f, nulls, settings)
        self.verdict_lf = pair_verdicts(self.compared, ["ok"] * len(which), h_tnf.shape[2], settings)

    def of(self, label, feature):
        return self.verdict_lf[list(self.world.masks).index(label), NAMES.index(feature)]


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    world = planted_world()
    return Run(world, planted_features(world), tmp_path_factory.mktemp("planted"))


EXPECTED = [
    ("storm", "storm", "event"), ("storm", "weak storm", "event"), ("storm", "dilated", "event"),
    ("storm", "quarter turn", "unlabelled"), ("land", "land", "place"), ("belt", "season", "zonal/season"),
    *((label, feature, "unlabelled") for label in ("storm", "belt") for feature in ("latitude", "weekday", "window", "everywhere")),
    *(("land", feature, "unlabelled") for feature in ("latitude", "weekday", "window", "everywhere")),
    ("storm", "land", "unlabelled"), ("land", "storm", "unlabelled"), ("belt", "land", "unlabelled"),
]


@pytest.mark.parametrize("label, feature, verdict", EXPECTED)
def test_planted_features_get_their_verdict(planted, label, feature, verdict):
    assert planted.of(label, feature) == verdict
