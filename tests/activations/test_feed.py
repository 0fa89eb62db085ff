import threading
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import torch
from aurorascope.activations.feed import ResidentFeed, StoreReader, StreamFeed, epoch_order, open_feed
from aurorascope.errors import UserError
from hypothesis import given
from hypothesis import strategies as st
from tiny import D_MODEL, claim, make_store

CPU = torch.device("cpu")
DAYS = range(3, 9)


@pytest.fixture(scope="module", params=["float16", "float32"])
def reader(tmp_path_factory, request):
    return StoreReader(make_store(tmp_path_factory.mktemp("store"), claim(DAYS, dtype=request.param)))


@pytest.fixture(scope="module")
def table(reader):
    """All rows decoded by the published formula, (snapshots, n_tokens, d)."""
    stored = np.stack([reader.stored(i).astype(np.float32) for i in range(reader.n_snapshots)])
    return torch.from_numpy(stored * reader.scale[:, None] + reader.offset[:, None])


def test_resident_and_streamed_feeds_give_the_same(reader, table):
    """From memory or from disk, snapshots have the same bits in the order asked for."""
    order = np.array([4, 0, 0, 5, 2])
    feeds = [list(kind(reader, CPU).snapshots(order)) for kind in (ResidentFeed, StreamFeed)]
    for index, resident, streamed in zip(order, *feeds, strict=True):
        assert resident.dtype == torch.float32 and resident.shape == (24, D_MODEL)
        assert torch.equal(resident, streamed)
        assert torch.equal(resident, table[index])


def test_feeds_can_be_read_again(reader):
    """Using a batch, even in place, does not change the next reading."""
    feed = ResidentFeed(reader, CPU)
    first = next(feed.snapshots(np.array([1])))
    copy = first.clone()
    first.mul_(0)
    assert torch.equal(next(feed.snapshots(np.array([1]))), copy)


@pytest.mark.parametrize("kind", [ResidentFeed, StreamFeed])
def test_batches_may_be_kept(reader, table, kind):
    """A consumer that keeps batches, or a part of one, while others are read and dropped finds them unchanged."""
    feed, order = kind(reader, CPU), np.array([0, 1, 2, 3, 4, 5] * 3)
    kept, parts = [], []
    for place, x_nd in enumerate(feed.snapshots(order)):
        if place % 3 == 0:
            kept.append((place, x_nd))
        elif place % 3 == 1:
            parts.append((place, x_nd[5:7], x_nd.numpy()[0]))
        else:
            x_nd.fill_(-1)
    assert all(torch.equal(x_nd, table[order[place]]) for place, x_nd in kept)
    for place, rows, first in parts:
        assert torch.equal(rows, table[order[place]][5:7])
        np.testing.assert_array_equal(first, table[order[place]][0])


def test_memory_of_batches_let_go_is_used_again(reader):
    """However many batches, no more than two are in memory."""
    feed = StreamFeed(reader, CPU)
    places = {x_nd.data_ptr() for x_nd in feed.snapshots(np.arange(6).repeat(5))}
    assert len(places) <= 2


@pytest.mark.parametrize("block", [1, 7, 150, 10**6])
def test_decoding_by_blocks_changes_nothing(reader, table, monkeypatch, block):
    """However many values are decoded at a time, in snapshots and in rows."""
    monkeypatch.setattr("aurorascope.activations.feed._BLOCK", block)
    for feed in (ResidentFeed(reader, CPU), StreamFeed(reader, CPU)):
        assert torch.equal(torch.stack(list(feed.snapshots(np.arange(6)))), table)
    order = epoch_order(3, 1, 6 * 24)
    rows = torch.cat(list(ResidentFeed(reader, CPU).rows(order, 50)))
    assert torch.equal(rows, table.flatten(0, 1)[torch.from_numpy(order)])


class Computed(StoreReader):
    """Gives snapshots that no file holds, as Aurora would, and notes who asks."""

    parallel = False

    def __init__(self, path):
        super().__init__(path)
        self.threads = []

    def stored(self, index):
        self.threads.append(threading.get_ident())
        return np.full((self.n_tokens, self.d_model), index, self.manifest["dtype"])


def test_feeds_work_on_any_reader(reader):
    """A reader that computes its snapshots and is not parallel is asked by one thread alone, by both feeds and `read`."""
    computed, order = Computed(reader.paths.manifest), np.array([3, 1, 1])
    expected = [float(i) * reader.scale[i] + reader.offset[i] for i in order]
    for kind in (ResidentFeed, StreamFeed):
        for x_nd, values in zip(kind(computed, CPU).snapshots(order), expected, strict=True):
            np.testing.assert_array_equal(x_nd, np.broadcast_to(values, (24, D_MODEL)))
    np.testing.assert_array_equal(computed.read([3], [0])[0, 0], expected[0])
    assert set(computed.threads) == {threading.get_ident()}
    assert len(computed.threads) == 6 + 3 + 1


def test_a_consumer_that_stops_leaves_no_thread(reader):
    """After the first snapshot, as golden vectors do."""
    next(StreamFeed(reader, CPU).snapshots(np.arange(6).repeat(50)))
    assert not [t for t in threading.enumerate() if t.name.startswith("aurorascope-read")]


@pytest.mark.parametrize("batch", [1, 7, 24, 1000])
def test_rows_cover_every_row_once(reader, table, batch):
    """An epoch of rows is every token of every snapshot once, in the order given, in batches of the size asked for."""
    n = reader.n_snapshots * reader.n_tokens
    order = epoch_order(0, 0, n)
    batches = list(ResidentFeed(reader, CPU).rows(order, batch))
    assert [len(b) for b in batches[:-1]] == [batch] * (len(batches) - 1)
    rows = torch.cat(batches)
    assert sorted(order.tolist()) == list(range(n))
    assert torch.equal(rows, table.flatten(0, 1)[torch.from_numpy(order)])


def test_streamed_rows_are_refused(reader):
    """Rows across the year need the year in memory, and the message says what to set instead."""
    with pytest.raises(UserError, match=r"sae\.shuffle.*set sae\.shuffle: snapshots"):
        list(StreamFeed(reader, CPU).rows(np.arange(3), 1))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_bits_of_the_cpu(reader, table):
    """Resident there, resident in host memory, and streamed."""
    cuda, order = torch.device("cuda"), epoch_order(0, 0, 6 * 24)
    feeds = [ResidentFeed(reader, cuda), ResidentFeed(reader, cuda, CPU), StreamFeed(reader, cuda)]
    for feed in feeds:
        assert torch.equal(torch.stack(list(feed.snapshots(np.arange(6)))).cpu(), table)
    for feed in feeds[:2]:
        assert torch.equal(torch.cat(list(feed.rows(order, 50))).cpu(), table.flatten(0, 1)[torch.from_numpy(order)])


@pytest.mark.parametrize(("available", "kind"), [(10**12, ResidentFeed), (1000, StreamFeed)])
def test_feed_is_resident_where_memory_allows(reader, monkeypatch, available, kind):
    """Data that do not fit in 40 % of the free memory are streamed."""

    class Memory:
        def __init__(self):
            self.available = available

    monkeypatch.setattr("psutil.virtual_memory", Memory)
    assert type(open_feed(reader, CPU)) is kind


def test_feed_streams_what_does_not_fit_in_its_job(reader, monkeypatch):
    """A job of 1 MiB on a large node has no room, whatever the node has free."""
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "1")
    assert type(open_feed(reader, CPU)) is StreamFeed


@pytest.mark.parametrize(("job", "kind"), [(None, StreamFeed), ("7", ResidentFeed)])
def test_a_jobs_own_memory_may_hold_more_of_it(reader, monkeypatch, job, kind):
    """Data of half of what is left: too much where others may take it at the same moment, not within a SLURM job."""
    needed = reader.n_snapshots * reader.n_tokens * reader.d_model * np.dtype(reader.manifest["dtype"]).itemsize
    used = (1 << 20) - 2 * needed
    monkeypatch.setattr(psutil.Process, "memory_info", lambda _self: SimpleNamespace(rss=used))
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "1")
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    if job:
        monkeypatch.setenv("SLURM_JOB_ID", job)
    assert type(open_feed(reader, CPU)) is kind


def test_feed_finds_a_chunk_altered_since(tmp_path):
    """A chunk altered between opening and reading is refused, not trained on."""
    reader = StoreReader(make_store(tmp_path, claim([3, 4])))
    path = reader.paths.chunk(1)
    path.write_bytes(bytes(path.stat().st_size))
    feed = StreamFeed(reader, CPU)
    next(feed.snapshots(np.array([0])))
    with pytest.raises(UserError, match="blake3"):
        list(feed.snapshots(np.array([0, 1])))


@given(st.integers(0, 10**9), st.integers(0, 100), st.integers(1, 400))
def test_order_of_an_epoch_is_a_permutation(seed, epoch, n):
    """Each item comes once, and asking again gives the same order."""
    order = epoch_order(seed, epoch, n)
    assert sorted(order.tolist()) == list(range(n))
    assert (epoch_order(seed, epoch, n) == order).all()


def test_order_depends_on_seed_and_epoch():
    """Seeds and epochs all have their own order, and seed 0 epoch 1 is not seed 1 epoch 0."""
    orders = {tuple(epoch_order(seed, epoch, 50)) for seed in range(8) for epoch in range(8)}
    assert len(orders) == 64


def test_order_is_the_published_one():
    """The order of seed 0, epoch 0 is fixed: published SAEs depend on it."""
    assert epoch_order(0, 0, 8).tolist() == np.random.default_rng([1, 0, 0]).permutation(8).tolist()
