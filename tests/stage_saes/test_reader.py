"""The stores of a stage's blocks as one: which snapshot lies where, in what units, and in which order an epoch takes them."""

import numpy as np
import pytest
from aurorascope.activations.feed import ResidentFeed, StreamFeed, epoch_order, snapshot_order
from aurorascope.activations.paths import StorePaths
from aurorascope.activations.reader import StoreReader
from aurorascope.errors import UserError
from aurorascope.stage_saes.reader import StageReader
from tiny import claim, make_store

from tests.stage_saes.stages import D_MODEL, NAMES, TRAIN, make_stage


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return make_stage(tmp_path_factory.mktemp("results"))


@pytest.fixture(scope="module")
def readers(results):
    return [StoreReader(StorePaths.of(results / "scratch", name, "train").manifest) for name in NAMES]


def test_blocks_alternate_in_the_units_of_their_own_mean_and_spread(readers):
    reader = StageReader(readers, normalise=True)
    assert (reader.n_blocks, reader.n_snapshots, reader.n_tokens, reader.d_model) == (2, 8, readers[0].n_tokens, D_MODEL)
    for place in range(reader.n_snapshots):
        one = readers[place % 2]
        raw = one.read([place // 2])[0].astype(np.float64)
        mean, variance = one.moments()["mean"], one.moments()["m2"].sum() / one.moments()["n"][0] / D_MODEL
        assert np.allclose(reader.read([place])[0], (raw - mean) / np.sqrt(variance), rtol=0, atol=1e-5)


def test_moments_are_those_of_all_values(readers):
    for normalise in (False, True):
        reader = StageReader(readers, normalise)
        values = reader.read(range(reader.n_snapshots)).astype(np.float64).reshape(-1, D_MODEL)
        moments = reader.moments()
        assert float(moments["n"][0]) == len(values)
        assert np.allclose(moments["mean"], values.mean(axis=0), rtol=1e-6, atol=1e-5)
        assert np.allclose(moments["m2"], ((values - values.mean(axis=0)) ** 2).sum(axis=0), rtol=1e-5)
    # Normalised, every block is centred and the mean variance is one.
    assert np.allclose(moments["mean"], 0, atol=1e-12) and np.isclose(moments["m2"].sum() / moments["n"][0] / D_MODEL, 1, rtol=1e-6)


@pytest.mark.parametrize("kind", [ResidentFeed, StreamFeed])
def test_feeds_give_what_it_reads(readers, kind):
    import torch

    reader = StageReader(readers, normalise=True)
    order = np.array([5, 0, 3])
    found = list(kind(reader, torch.device("cpu")).snapshots(order))
    for place, x_nd in zip(order.tolist(), found, strict=True):
        assert np.array_equal(x_nd.numpy(), reader.read([place])[0])


def test_a_constant_block_is_not_divided_by_zero(tmp_path):
    """It has no spread; its mean is taken away."""

    def values(block_id, index):
        return np.full((24, D_MODEL), 7.0, np.float32)

    results = make_stage(tmp_path, values)
    readers = [StoreReader(StorePaths.of(results / "scratch", name, "train").manifest) for name in NAMES]
    reader = StageReader(readers, normalise=True)
    assert reader.scale_b == [1.0, 1.0] and np.all(reader.read([0, 1]) == 0)


def test_one_block_alone_has_the_order_it_always_had():
    for n in (1, 7):
        assert np.array_equal(snapshot_order(3, 2, n, 1), epoch_order(3, 2, n))


def test_the_blocks_of_a_snapshot_follow_one_another_each_once():
    order = snapshot_order(0, 0, 40, 4).reshape(10, 4)
    assert np.array_equal(order[:, 0] // 4, epoch_order(0, 0, 10))
    assert (order // 4 == order[:, :1] // 4).all() and (np.sort(order % 4, axis=1) == np.arange(4)).all()
    assert len({tuple(row) for row in (order % 4).tolist()}) > 1, "every snapshot has its blocks in the same order"
    assert not np.array_equal(order, snapshot_order(0, 1, 40, 4).reshape(10, 4))


@pytest.mark.parametrize("change", [{"checkpoint": "another"}, {"dtype": "float32"}, {"d_model": 8}])
def test_stores_that_differ_in_more_than_their_block_are_refused(tmp_path, readers, change):
    other = StoreReader(make_store(tmp_path / "scratch" / "activations" / NAMES[1] / "train", claim(TRAIN, NAMES[1], **change)))
    with pytest.raises(UserError, match="as .* has it"):
        StageReader([readers[0], other], normalise=True)


def test_stores_of_other_snapshots_are_refused(tmp_path, readers):
    other = StoreReader(make_store(tmp_path / "scratch" / "activations" / NAMES[1] / "train", claim(range(3, 6), NAMES[1])))
    with pytest.raises(UserError, match="the 4 snapshots"):
        StageReader([readers[0], other], normalise=True)
