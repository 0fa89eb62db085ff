"""What needs no autoencoder is scored as it should be: variables by thresholds, climatologies out of sample, directions by hand."""

import numpy as np
import pytest
import torch
from aurorascope.atlas.baselines import Variables, climatology, rank_scores
from aurorascope.atlas.entries import Entries
from aurorascope.atlas.evaluate import PlaneBaselines, score_directions
from aurorascope.atlas.linear import classes, find_directions
from aurorascope.atlas.parts import ON
from aurorascope.atlas.settings import AtlasSettings

from tests.atlas.planted import planted_world

SETTINGS = AtlasSettings()


@pytest.fixture(scope="module")
def world():
    return planted_world(3, 48)


@pytest.fixture(scope="module")
def labels(world, tmp_path_factory):
    return world.labels(tmp_path_factory.mktemp("labels"))


def test_a_rank_orders_as_the_variable_does():
    """A threshold on the score is one on the variable, upwards or downwards; rarest values score highest."""
    values = np.random.default_rng(0).gumbel(size=(6, 50)).astype(np.float32)
    scores = rank_scores(values, np.array([0, 1, 4]))
    for sign, order in ((0, np.sort(values.reshape(-1))), (1, np.sort(values.reshape(-1))[::-1])):
        by_value = dict(zip(values.reshape(-1).tolist(), scores[sign].reshape(-1).tolist(), strict=True))
        ranked = [by_value[value] for value in order.tolist()]
        assert ranked == sorted(ranked)
    inside = values[[0, 1, 4]].reshape(-1)
    share = (inside[None, :] >= inside[:, None]).mean(axis=1)
    np.testing.assert_allclose(scores[0, [0, 1, 4]].reshape(-1), share**-0.5, rtol=1e-6)


def test_climatology_leaves_its_own_block_out(world, labels):
    select, test = np.arange(0, 24), np.arange(24, 48)
    block = np.arange(48) // 6
    share, rule = climatology(labels, 0, np.arange(48), select, block)
    assert rule == "season"
    for at in (0, 9, 30):
        others = [place for place in select if block[place] != block[at]]
        np.testing.assert_allclose(share[at], world.shares("storm")[others].mean(axis=0), rtol=1e-6)
    _, rule = climatology(labels, 0, test, select[:12], block)
    assert rule == "all dates"


def test_directions_are_means_and_eigenvectors_by_hand(labels):
    rng, n = np.random.default_rng(1), labels.plane.n
    places = np.array([2, 5, 30])
    x = rng.standard_normal((3, 4 * n, 6)) @ rng.standard_normal((6, 6)) + 5
    found = find_directions((torch.from_numpy(each) for each in x), places, labels, 4)
    weight = np.tile(labels.plane.area_p, 4).astype(float)
    mean = np.average(x.reshape(-1, 6), axis=0, weights=np.tile(weight, 3))
    np.testing.assert_allclose(found.mean_d, mean, rtol=1e-12)
    centred = x.reshape(-1, 6) - mean
    covariance = (centred * np.tile(weight, 3)[:, None]).T @ centred / weight.sum() / 3
    assert found.rms == pytest.approx(np.sqrt(np.trace(covariance)))
    np.testing.assert_allclose(
        np.diag(found.axes_dk.T @ covariance @ found.axes_dk), np.linalg.eigvalsh(covariance)[::-1][:4], rtol=1e-9
    )
    kind = np.stack([np.tile(classes(labels, at)[0], 4) for at in places])
    on, off = (np.average(x[side], axis=0, weights=np.tile(weight, (3, 1))[side]) for side in (kind == ON, kind == 0))
    np.testing.assert_allclose(found.diff_dl[:, 0], (on - off) / np.linalg.norm(on - off), rtol=1e-9)
    h = found.features(torch.from_numpy(x[0])).numpy()
    np.testing.assert_allclose(h[:, 8], np.maximum((x[0] - off) @ found.diff_dl[:, 0], 0), atol=1e-9)
    np.testing.assert_allclose(h[:, :4] - h[:, 4:8], (x[0] - mean) @ found.axes_dk, atol=1e-9)


def test_the_variable_that_makes_a_label_is_its_best_baseline(world, labels, tmp_path):
    """The label is a threshold on the wind: its F1 is all but 1, high side; land is its own climatology."""
    wind = world.plane.total(world.fields["storm"] * world.area_y[:, None]) / world.plane.area_p.reshape(world.plane.shape)
    values = np.stack([np.random.default_rng(0).random((48, world.plane.n)), wind.reshape(48, -1)], axis=1).astype(np.float32)
    linear = Entries(2 + len(labels.ids), 4, world.plane.n, 48, tmp_path)
    for at in range(48):
        linear.add_features(at, [torch.from_numpy(np.random.default_rng(at).random((linear.n_tokens, 5), np.float32))], signed=False)
    block = np.arange(48) // 6
    select, test = np.flatnonzero(block % 2 == 0), np.flatnonzero(block % 2 == 1)
    directions = score_directions(linear, 1, labels, [0, 1], select, test, SETTINGS)
    on_plane = PlaneBaselines(Variables(("noise", "wind"), values), tmp_path)
    others, rule = on_plane.score(labels, [0, 1], select, test, block, SETTINGS)
    assert on_plane.score(labels, [0, 1], select, test, block, SETTINGS)[0] is others
    assert on_plane.score(labels, [1], select, test, block, SETTINGS) == (others[1:], rule)
    storm, land = ({each.kind: each for each in a + b} for a, b in zip(directions, others, strict=True))
    assert set(storm) == {"pca", "diff_mean", "climatology", "variable"}
    assert storm["variable"].name == "wind high" and storm["variable"].f1_test > 0.85
    assert storm["climatology"].f1_test < 0.3
    assert land["climatology"].f1_test > 0.99 and land["variable"].f1_test < 0.8
