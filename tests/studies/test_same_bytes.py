"""The same study gives the same bytes: twice, in another order of dates, with two threads, and after a stop."""

import pytest
import torch
from aurorascope.studies import run_study

from tests.studies import planted
from tests.studies.linear import BLOCK


class Stopped(Exception):
    """A study that was killed."""


def digest(line, sae, batches=None, **more):
    return run_study(planted.study(planted.STRONG), line, {BLOCK: sae}, batches or planted.batches(), **more).digest()


@pytest.fixture(scope="module")
def first(ran):
    return ran(planted.STRONG).digest()


def test_twice_and_in_another_order_of_dates(line, sae, first):
    assert digest(line, sae) == first
    assert digest(line, sae, dict(reversed(planted.batches().items()))) == first


def test_another_seed_gives_other_bytes(line, sae, first):
    other = run_study(planted.study(planted.STRONG, seed=6), line, {BLOCK: sae}, planted.batches())
    assert other.digest() != first


def test_with_two_threads(line, sae, first):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert digest(line, sae) == first
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("after", [1, 30, 70])
def test_a_stopped_study_goes_on_and_runs_no_arm_twice(line, sae, first, after):
    kept = {}

    def keep(key, measured):
        assert key not in kept
        kept[key] = measured
        if len(kept) == after:
            raise Stopped

    with pytest.raises(Stopped):
        digest(line, sae, keep=keep)
    assert len(kept) == after
    assert digest(line, sae, done=dict(kept), keep=keep) == first
