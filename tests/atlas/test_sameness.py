"""A small suite's atlas has the same bytes whatever the order of snapshots, torch's threads, and whether activations are kept.

Threads are those of the atlas. An Aurora forward differs in its last bits with another number of threads, which is why
`compute.threads` is part of a store's claim; and a live store's snapshots are the stored ones, float16 and all, since they are encoded
as a dump encodes them and compared by digest.
"""

import copy

import numpy as np
import pandas as pd
import pytest
import torch
from aurorascope.activations.live import LiveReader
from aurorascope.activations.opening import open_reader
from aurorascope.activations.paths import StorePaths
from aurorascope.atlas import score
from aurorascope.atlas.encoding import Source
from aurorascope.atlas.read import TABLES
from aurorascope.measures.atlas.make import make_atlas

from tests.atlas import whole

pytestmark = pytest.mark.slow
NAMES = (*(f"{table}.parquet" for table in TABLES), "summary.json")
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def suite(tmp_path_factory, _demo_yaml):
    """Results with stores, an SAE and an atlas; configurations that dump and that keep nothing; the atlas's bytes."""
    folder, threads = tmp_path_factory.mktemp("whole"), torch.get_num_threads()
    checkpoint, results = folder / "aurora.ckpt", folder / "results"
    dump, live = (whole.config_of(copy.deepcopy(_demo_yaml), checkpoint, mode) for mode in ("dump", "live"))
    whole.make_inputs(dump, results, checkpoint)
    whole.fill_stores(dump, results)
    manifest = StorePaths.of(results / "scratch", whole.BLOCK, "train").manifest
    whole.verb("train_sae", dump, "--block", whole.BLOCK, "--manifest", manifest, "--results", results)
    yield results, dump, live, scored(dump, results, folder / "first")
    torch.set_num_threads(threads)


def scored(config, results, out, threads=1):
    """Bytes of the block's atlas by name."""
    torch.set_num_threads(threads)
    make_atlas(config, whole.BLOCK, results, out, CPU)
    return {name: (out / name).read_bytes() for name in NAMES}


def test_the_suite_is_one_whose_atlas_has_something_to_say(suite, tmp_path):
    """Scores, badges and overlaps, not a table of blanks that is always the same."""
    (tmp_path / "features.parquet").write_bytes(suite[3]["features.parquet"])
    features = pd.read_parquet(tmp_path / "features.parquet")
    alive = features[features["density"] > 0]
    assert len(alive) > 15 and alive["f1_test"].nunique() > 10 and alive["lock"].nunique() > 8
    assert alive["badges"].nunique() > 3 and alive["badges"].str.contains("lock").any()


@pytest.mark.parametrize("threads", [1, 2])
def test_order_and_threads_change_no_byte(suite, tmp_path, monkeypatch, threads):
    """Snapshots are encoded from the last to the first."""
    results, dump, _, expected = suite
    orders, encode = [], score.encode_entries

    def from_the_last(sae, source, places, *more):
        orders.append(places[::-1].tolist())
        return encode(sae, source, places[::-1], *more)

    monkeypatch.setattr(score, "encode_entries", from_the_last)
    assert scored(dump, results, tmp_path, threads) == expected
    assert orders[0] == [5, 4, 3, 2, 1, 0]


def test_an_activation_that_differs_is_seen(suite, tmp_path, monkeypatch):
    """The comparison can fail: a thousandth more in one snapshot is another atlas."""
    results, dump, _, expected = suite
    real = score.encode_entries

    def encode(sae, source, places, *more):
        def snapshots(at):
            for place, x_nd in zip(at.tolist(), source.snapshots(at), strict=True):
                yield x_nd * 1.001 if place == 2 else x_nd

        return real(sae, Source(source.times, snapshots), places, *more)

    monkeypatch.setattr(score, "encode_entries", encode)
    found = scored(dump, results, tmp_path)
    assert all(found[name] != expected[name] for name in NAMES)


def test_live_and_dumped_atlases_are_the_same(suite, tmp_path):
    """Stores filled without chunks, each snapshot from Aurora whenever it is read: the values of the dump to the bit."""
    results, dump, live, expected = suite
    whole.copy_without_stores(results, tmp_path / "results")
    whole.fill_stores(live, tmp_path / "results")
    kept, computed = (StorePaths.of(each / "scratch", whole.BLOCK, "train") for each in (results, tmp_path / "results"))
    assert computed.absent.is_file() and not list(computed.folder.glob("store.zarr/activation/c/**/*"))
    assert len(list(kept.folder.glob("store.zarr/activation/c/*"))) == len(whole.TRAIN)
    assert kept.manifest.read_bytes() == computed.manifest.read_bytes()
    reader, again = open_reader(kept.manifest, dump), open_reader(computed.manifest, live, CPU)
    assert isinstance(again, LiveReader) and not isinstance(reader, LiveReader)
    stored_nd = reader.stored(3)
    assert stored_nd.dtype == np.float16
    np.testing.assert_array_equal(stored_nd, again.stored(3))
    assert scored(live, tmp_path / "results", tmp_path / "atlas") == expected
