"""Writing beside the next forward: the same bytes, bounded memory, errors at once."""

import threading
import time

import numpy as np
import pytest
import torch
from aurorascope.activations.manifest import publish
from aurorascope.activations.paths import StorePaths
from aurorascope.activations.pipeline import Pipeline, snapshot_bytes
from aurorascope.activations.writer import StoreWriter
from aurorascope.blocks import BY_ID
from aurorascope.errors import UserError
from tiny import claim, grid, tokens

from tests.activations.stores import DAYS, content_of

NAMES = ("encoder_s0_b0", "encoder_s1_b0", "encoder_s2_b0", "decoder_s0_b0", "decoder_s2_b5")


def writers_on(folder):
    return {BY_ID[n]: StoreWriter(StorePaths(folder / n), claim(DAYS, n), grid(n)) for n in NAMES}


def values(writer, index):
    return tokens(writer.claim["snapshots"][index], writer.grid.n_tokens, writer.claim["d_model"])


def submit_all(pipeline, writers):
    for index in range(len(DAYS)):
        for block, writer in writers.items():
            pipeline.submit(block, index, torch.from_numpy(values(writer, index)))


def contents(folder):
    return {name: content_of(folder / name) for name in NAMES}


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Bytes of the stores written one snapshot after the other, without any pipeline."""
    folder = tmp_path_factory.mktemp("alone")
    for writer in writers_on(folder).values():
        for index in range(len(DAYS)):
            writer.add(index, values(writer, index))
        writer.finish()
        publish(writer.paths)
    return contents(folder)


@pytest.mark.parametrize("n_threads", [1, 2, 4, None])
def test_bytes_do_not_depend_on_the_number_of_writers(tmp_path, alone, n_threads):
    writers = writers_on(tmp_path)
    with Pipeline(writers, n_threads) as pipeline:
        submit_all(pipeline, writers)
    for writer in writers.values():
        assert writer.missing == set()
        writer.finish()
        publish(writer.paths)
    assert contents(tmp_path) == alone


class Recorder:
    """Stands for a StoreWriter; what it does with a snapshot is given."""

    def __init__(self, name, work=lambda index, tokens_nd: None):
        self.grid, self.claim, self.work = grid(name), {"d_model": 6}, work
        self.seen = []

    def add(self, index, tokens_nd):
        self.work(index, tokens_nd)
        self.seen.append((index, threading.current_thread().name, float(tokens_nd[0, 0])))


def recorders(work=lambda index, tokens_nd: None):
    return {BY_ID[name]: Recorder(name, work) for name in NAMES}


def blank(writer):
    return torch.zeros(writer.grid.n_tokens, 6)


def test_each_block_has_one_thread_and_keeps_its_order():
    writers = recorders(lambda index, tokens_nd: time.sleep(0.001 * (index % 3)))
    with Pipeline(writers, 3) as pipeline:
        for index in range(12):
            for block, writer in writers.items():
                pipeline.submit(block, index, blank(writer))
    for writer in writers.values():
        assert [index for index, _, _ in writer.seen] == list(range(12))
        assert len({name for _, name, _ in writer.seen}) == 1
    assert len({name for writer in writers.values() for _, name, _ in writer.seen}) == 3


def test_what_is_submitted_may_be_changed_afterwards():
    """The model may write into the tensor that its hook handed out."""
    gate = threading.Event()
    writers = recorders(lambda index, tokens_nd: gate.wait(10))
    with Pipeline(writers, 1) as pipeline:
        for index in range(2):
            given = torch.full((24, 6), float(index))
            pipeline.submit(BY_ID["encoder_s2_b0"], index, given)
            given.fill_(99)
        gate.set()
    assert [value for _, _, value in writers[BY_ID["encoder_s2_b0"]].seen] == [0.0, 1.0]


@pytest.mark.parametrize("n_threads", [1, 4])
def test_no_more_than_two_snapshots_are_under_way(n_threads):
    """However slow the disk; and the producer goes on as soon as there is room."""
    gate = threading.Semaphore(0)
    writers = recorders(lambda index, tokens_nd: gate.acquire(timeout=20))
    two = 2 * sum(snapshot_bytes(writer) for writer in writers.values())
    submitted = []

    def produce():
        with Pipeline(writers, n_threads) as pipeline:
            submitted.append(pipeline)
            for index in range(6):
                for block, writer in writers.items():
                    pipeline.submit(block, index, blank(writer))
                    submitted.append((block, index))

    producer = threading.Thread(target=produce)
    producer.start()
    while len(submitted) < 1 + 2 * len(NAMES):
        time.sleep(0.001)
    time.sleep(0.05)
    assert len(submitted) == 1 + 2 * len(NAMES)
    for _ in range(6 * len(NAMES)):
        gate.release()
    producer.join(20)
    assert not producer.is_alive()
    assert len(submitted) == 1 + 6 * len(NAMES)
    assert submitted[0].limit_bytes == submitted[0].peak_bytes == two


def test_a_snapshot_larger_than_the_limit_passes_alone():
    writers = recorders()
    with Pipeline(writers, 2, limit_bytes=1) as pipeline:
        for index in range(3):
            for block, writer in writers.items():
                pipeline.submit(block, index, blank(writer))
    assert pipeline.peak_bytes == max(snapshot_bytes(writer) for writer in writers.values())
    assert all(len(writer.seen) == 3 for writer in writers.values())


@pytest.mark.parametrize("error", [UserError("a", "b", "c", "d"), ZeroDivisionError("mine")])
@pytest.mark.parametrize("n_threads", [1, 3])
def test_an_error_of_a_writer_stops_the_producer_and_is_raised_as_it_was(n_threads, error):
    """Also one that waits for room; nothing else is written afterwards."""

    def work(index, tokens_nd):
        if index == 1:
            raise error

    writers = recorders(work)
    submitted = 0
    with pytest.raises(type(error)) as caught, Pipeline(writers, n_threads) as pipeline:
        for index in range(1000):
            for block, writer in writers.items():
                pipeline.submit(block, index, blank(writer))
                submitted += 1
    assert caught.value is error
    assert submitted <= 5 * len(NAMES)
    assert all(len(writer.seen) <= 1 for writer in writers.values())


def test_an_error_in_the_last_snapshot_is_raised_at_the_end():
    def work(index, tokens_nd):
        time.sleep(0.02)
        raise UserError("the disk", "room", "none", "free some")

    writers = recorders(work)
    with pytest.raises(UserError, match="free some"), Pipeline(writers, 1) as pipeline:
        pipeline.submit(BY_ID[NAMES[0]], 0, blank(writers[BY_ID[NAMES[0]]]))


@pytest.mark.parametrize(("error", "written"), [(UserError("a", "b", "c", "d"), 2), (KeyboardInterrupt(), 1)])
def test_the_producers_own_end(error, written):
    """After an error what waits is still written; after Ctrl-C only what is being written. Threads are gone then."""
    begun, gate = threading.Event(), threading.Event()

    def work(index, tokens_nd):
        begun.set()
        gate.wait(10)

    writers = recorders(work)
    block = BY_ID["encoder_s2_b0"]
    before = threading.active_count()
    with pytest.raises(type(error)), Pipeline(writers, 1) as pipeline:
        for index in range(2):
            pipeline.submit(block, index, blank(writers[block]))
        begun.wait(10)
        threading.Timer(0.05, gate.set).start()
        raise error
    assert len(writers[block].seen) == written
    time.sleep(0.01)
    assert threading.active_count() <= before + 1


def test_a_full_disk_ends_the_fill_with_a_user_error(tmp_path, monkeypatch, alone):
    """And the next one resumes, to the same bytes."""
    import errno

    from aurorascope import files

    real, calls = files.os.fsync, []

    def full(handle):
        calls.append(handle)
        if len(calls) > 25:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    writers = writers_on(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(files.os, "fsync", full)
        with pytest.raises(UserError, match="No space left on device"), Pipeline(writers, 2) as pipeline:
            submit_all(pipeline, writers)
    assert not list(tmp_path.rglob("*.partial"))
    again = writers_on(tmp_path)
    left = sum(len(writer.missing) for writer in again.values())
    assert 0 < left < len(NAMES) * len(DAYS)
    for writer in again.values():
        for index in sorted(writer.missing):
            writer.add(index, values(writer, index))
        writer.finish()
        publish(writer.paths)
    assert contents(tmp_path) == alone


def test_tokens_of_another_precision_are_counted_as_float32():
    """The count is that of the copy's largest form; the copy itself keeps its values."""
    writers = recorders()
    block = BY_ID["encoder_s2_b0"]
    with Pipeline(writers, 1) as pipeline:
        pipeline.submit(block, 0, torch.full((24, 6), 0.5))
    assert writers[block].seen[0][2] == np.float32(0.5)
    assert pipeline.peak_bytes == snapshot_bytes(writers[block])
