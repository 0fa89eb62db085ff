"""Snapshots are read ahead in order, a few at a time, and the threads are gone when the consumer is."""

import threading
import time

import numpy as np
import pytest
from aurorascope.activations.stream import ahead, in_flight, n_threads
from aurorascope.errors import UserError


class Counted:
    """Gives the index as a snapshot, late for early ones, and notes who asks for what."""

    def __init__(self, parallel=True, bad=None):
        self.parallel, self.bad = parallel, bad
        self.started, self.threads, self.now, self.most = [], set(), 0, 0
        self._lock = threading.Lock()

    def stored(self, index):
        with self._lock:
            self.started.append(index)
            self.threads.add(threading.get_ident())
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.002 * (index % 3))
        with self._lock:
            self.now -= 1
        if index == self.bad:
            raise UserError("the disk", "a snapshot", "smoke", "fetch water")
        return np.array([[index]])


def readers():
    return [t for t in threading.enumerate() if t.name.startswith("aurorascope-read")]


@pytest.mark.parametrize("parallel", [True, False])
@pytest.mark.parametrize("order", [[], [3], [4, 0, 0, 5, 2], list(range(40))])
def test_order_is_kept(order, parallel):
    """Whatever finishes first, snapshots come in the order asked for, each as often as asked for."""
    assert [int(x[0, 0]) for x in ahead(Counted(parallel), order)] == order


def test_few_are_in_flight():
    """However slow the consumer, no more are read than the bound says; in the end all threads are gone."""
    source = Counted()
    for used, _ in enumerate(ahead(source, range(30)), 1):
        time.sleep(0.005)
        assert len(source.started) <= used - 1 + in_flight()
        assert len(readers()) <= n_threads()
    assert len(source.started) == 30
    assert readers() == []


def test_a_source_that_is_not_parallel_is_called_by_the_consumer_alone():
    """One call at a time, in the consumer's own thread, and none ahead of need."""
    source = Counted(parallel=False)
    for used, _ in enumerate(ahead(source, range(9)), 1):
        assert len(source.started) == used
    assert source.threads == {threading.get_ident()} and source.most == 1


@pytest.mark.parametrize("parallel", [True, False])
def test_an_error_arrives_as_it_was_in_its_place(parallel):
    """The snapshots before it are given, then the very error, and no thread is left."""
    seen = []
    with pytest.raises(UserError, match="expected a snapshot, found smoke. Next: fetch water"):
        for x in ahead(Counted(parallel, bad=4), range(20)):
            seen.append(int(x[0, 0]))
    assert seen == [0, 1, 2, 3]
    assert readers() == []


def test_threads_end_when_the_consumer_stops_early():
    """Closing, dropping and breaking out all end them, and nothing is read afterwards."""
    for stop in ("close", "drop", "never started"):
        source = Counted()
        snapshots = ahead(source, range(1000))
        if stop != "never started":
            next(snapshots)
        if stop == "close":
            snapshots.close()
        del snapshots
        assert readers() == []
        assert len(source.started) <= in_flight()
