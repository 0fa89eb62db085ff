"""Where numbers are computed."""

import os

import pytest
from aurorascope.backbone import device
from aurorascope.errors import UserError


def test_each_process_takes_a_gpu_of_its_own(tmp_path, monkeypatch):
    """Two claims get two devices; the first is free again once its holder has ended; with none free it is 0."""
    held = []
    monkeypatch.setattr(device, "_HELD", held)
    assert [device.claim_gpu(2, tmp_path) for _ in range(3)] == [0, 1, 0]
    os.close(held[0])
    assert device.claim_gpu(2, tmp_path) == 0
    os.close(held[1])
    assert device.claim_gpu(2, tmp_path) == 1


def test_cuda_by_name_without_cuda_is_a_clear_error(monkeypatch):
    """The config key, what was asked for and what to set instead."""
    monkeypatch.setattr(device.torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match=r"aurora\.device.*set aurora\.device: auto"):
        device.pick_device("cuda")
    assert device.pick_device("auto").type == "cpu"
