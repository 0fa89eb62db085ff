"""Where numbers are computed."""

import functools

import pytest
from aurorascope import gpus
from aurorascope.backbone import device
from aurorascope.config.model import Compute
from aurorascope.errors import UserError


@pytest.fixture
def pretended(tmp_path, monkeypatch):
    """A machine with two device files and no CUDA behind them: its environment, and what was visible at each look at CUDA."""
    (tmp_path / "dev").mkdir()
    for name in ("nvidia0", "nvidia1"):
        (tmp_path / "dev" / name).touch()
    environ, seen = {}, []
    claim = functools.partial(gpus.claim_gpu, environ, tmp_path / "dev", tmp_path)
    monkeypatch.setattr(gpus, "_HELD", [])
    monkeypatch.setattr(device, "claim_gpu", claim)
    monkeypatch.setattr(device.torch.cuda, "is_available", lambda: seen.append(environ.get("CUDA_VISIBLE_DEVICES")))
    yield environ, seen, claim
    gpus.release_gpu()


def test_cuda_by_name_without_cuda_is_a_clear_error(pretended):
    """The config key, what was asked for and what to set instead."""
    for name in ("cuda", "cuda:1"):
        with pytest.raises(UserError, match=r"aurora\.device.*set aurora\.device: auto"):
            device.pick_device(name)


def test_a_gpu_is_taken_before_cuda_is_looked_at_and_given_back_without_it(pretended):
    """CUDA reads only once what is visible; where it turns out not to work, nobody waits for the GPU."""
    environ, seen, claim = pretended
    assert device.pick_device("auto").type == "cpu" and seen == ["0"]
    environ.clear()
    assert claim() == "0"


@pytest.mark.parametrize("name", ["cpu", "cuda:1"])
def test_a_named_device_takes_no_gpu(pretended, name):
    """The CPU needs none, and a GPU that is named with its number is the user's choice."""
    environ, seen, _ = pretended
    try:
        device.pick_device(name)
    except UserError:
        assert seen == [None]
    assert not environ


def test_nothing_looks_at_cuda_before_a_device_is_picked(pretended):
    """Threads are fixed first in every verb."""
    device.make_repeatable(Compute(1, False))
    assert pretended[1] == []
