"""What a first SAE leaves out, read as a store is."""

import numpy as np
import pytest
import torch
from aurorascope.activations.feed import ResidentFeed, StreamFeed
from aurorascope.activations.reader import StoreReader
from aurorascope.boosting.reader import ResidualReader
from aurorascope.sae.opening import open_sae

from tests.boosting.folder import BLOCK, CPU, D


@pytest.fixture(scope="module")
def opened(made):
    sae, record = open_sae(made.results / "saes" / f"sae_{BLOCK}.json")
    store = StoreReader(made.store("train"))
    return sae, record, store, ResidualReader(store, sae, record["sha256"])


def test_residuals_are_what_the_sae_leaves_out(opened):
    sae, _, store, reader = opened
    x = store.read()
    with torch.inference_mode():
        left = x - sae(torch.from_numpy(x))[0].numpy()
    found = reader.read()
    np.testing.assert_allclose(found, left, rtol=0, atol=1e-5)
    assert found.dtype == np.float32 and 0.05 < np.abs(found).mean() < np.abs(x - x.mean()).mean()
    assert np.array_equal(reader.read([4, 1]), found[[4, 1]])


def test_moments_are_those_of_the_residuals(opened):
    reader = opened[3]
    rows = reader.read().reshape(-1, D).astype(np.float64)
    found = reader.moments()
    assert found["n"].tolist() == [len(rows)]
    np.testing.assert_allclose(found["mean"], rows.mean(0), rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(found["m2"], ((rows - rows.mean(0)) ** 2).sum(0), rtol=1e-9)


@pytest.mark.parametrize("kind", [ResidentFeed, StreamFeed])
def test_feeds_give_them_as_they_are(opened, kind):
    """Nothing is rounded or scaled on the way to a training."""
    reader = opened[3]
    order = np.array([3, 0, 5])
    for index, x_nd in zip(order, kind(reader, CPU).snapshots(order), strict=True):
        assert np.array_equal(x_nd.numpy(), reader.stored(int(index)))


def test_the_digest_follows_from_store_and_sae(made, opened):
    """Checkpoints of another store's or another SAE's residuals are not resumed from."""
    sae, record, store, reader = opened
    other = StoreReader(made.store("held_out"))
    digests = {ResidualReader(*each).manifest["sha256"] for each in ((store, sae, "0" * 64), (other, sae, record["sha256"]))}
    assert len(digests | {reader.manifest["sha256"]}) == 3
    assert ResidualReader(store, sae, record["sha256"]).manifest == reader.manifest
