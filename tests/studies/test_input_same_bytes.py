"""The same study of changed inputs gives the same bytes: twice, in another order of dates, and after a stop."""

import json

import pytest
import torch
from aurorascope.studies import run_input_study
from aurorascope.studies.input_rows import pack, unpack

from tests.studies import input_planted as planted

pytestmark = pytest.mark.filterwarnings("ignore::aurorascope.studies.UnseenWarning")


class Stopped(Exception):
    """A study that was killed."""


def digest(model, inputs, seed=3, **more):
    asked = planted.study(blocks=[planted.BLOCK], dates=planted.DATES[:2], n_controls=1, seed=seed)
    return run_input_study(asked, model, {planted.BLOCK: planted.reading()}, inputs, **more).digest()


@pytest.fixture(scope="module")
def whole():
    """What every arm measured, by date and name of arm."""
    return {}


@pytest.fixture(scope="module")
def first(carrying, inputs_by_date, whole):
    return digest(carrying, inputs_by_date, keep=whole.__setitem__)


def test_with_two_threads(carrying, inputs_by_date, first, whole):
    """Of one arm, to which the rest are those of one thread."""
    done = {key: each for key, each in whole.items() if key != (planted.DATES[1], "noise_00")}
    assert len(done) == len(whole) - 1
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert digest(carrying, inputs_by_date, done=done) == first
    finally:
        torch.set_num_threads(before)


def test_another_seed_draws_other_noise(carrying, inputs_by_date, first, whole):
    """All else is measured alike, so that the digest tells the draws apart."""
    done = {key: each for key, each in whole.items() if not key[1].startswith("noise")}
    assert digest(carrying, inputs_by_date, done=done) == first != digest(carrying, inputs_by_date, seed=4, done=done)


def test_a_stopped_study_goes_on_in_another_order_of_dates_and_runs_no_arm_twice(carrying, inputs_by_date, first):
    """Stopped in the first date, and again at the first arm of the second; with the dates in another order."""
    kept, other_order = {}, dict(reversed(inputs_by_date.items()))

    def keep(key, measured):
        assert key not in kept
        kept[key] = measured
        if len(kept) in (5, 13):
            raise Stopped

    for _ in range(2):
        with pytest.raises(Stopped):
            digest(carrying, other_order, done=dict(kept), keep=keep)
    assert len(kept) == 13
    assert digest(carrying, other_order, done=dict(kept), keep=keep) == first
    with torch.inference_mode():
        runs = []
        handle = carrying.encoder.register_forward_hook(lambda *_: runs.append(1))
        try:
            assert digest(carrying, inputs_by_date, done=dict(kept)) == first
        finally:
            handle.remove()
    assert not runs


def test_what_is_kept_comes_back_to_the_bit(carrying, inputs_by_date, first, whole):
    """By way of JSON and arrays, as files hold them."""
    done = {}
    for key, measured in whole.items():
        rows, arrays = pack(measured)
        done[key] = unpack(json.loads(json.dumps(rows)), {name: array.copy() for name, array in arrays.items()})
    assert digest(carrying, inputs_by_date, done=done) == first
