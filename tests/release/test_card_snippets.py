"""The published card's three snippets run on our files, their text unchanged but for the indentation it lost."""

import io
import sys
import types

import pytest
import torch
from aurorascope.sae.initial import initial_weights

from tests.card import HOOK, INDEX, LOAD

pytestmark = pytest.mark.slow


@pytest.fixture
def release(suite, tmp_path, monkeypatch):
    """A release folder with a 1024-wide SAE in our form, served by a patched `hf_hub_download`."""
    buffer = io.BytesIO()
    torch.save(initial_weights(1024, 8192, 0, 11), buffer)
    (tmp_path / "saes").mkdir()
    (tmp_path / "saes" / "sae_encoder_s1_b5.pt").write_bytes(buffer.getvalue())
    (tmp_path / "sae_index.json").write_bytes(suite.result("sae_index.json").read_bytes())
    hub = types.ModuleType("huggingface_hub")
    hub.hf_hub_download = lambda repo, name: str(tmp_path / name)
    return hub


def run(snippet, monkeypatch, release, **names):
    """Execute a snippet with the hub patched; returns its names."""
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "huggingface_hub", release)
        exec(compile(snippet, "card", "exec"), names)
    return names


NOISE_N = torch.rand(1 << 20, generator=torch.Generator().manual_seed(0))


def begin(tensor, low=0.0, high=1.0, generator=None):
    """`Tensor.uniform_` for 1.3 billion parameters, which would take half a minute and 5 GB: large ones are zeros, whose memory the system
    gives only to what is written, and small ones begin with the same numbers again.
    """
    if tensor.numel() > len(NOISE_N):
        return tensor.set_(torch.zeros(tensor.shape))
    return tensor.copy_((NOISE_N[: tensor.numel()] * (high - low) + low).view(tensor.shape))


def test_loading_and_index(release, monkeypatch, capsys):
    """The first and third snippet load a 1024-wide SAE of ours and list a stage of our index."""
    names = run(LOAD, monkeypatch, release)
    assert names["sae"].W_enc.shape == (1024, 8192)
    run(INDEX, monkeypatch, release)
    assert "Block 5: dim=32, hidden=256, file=saes/sae_encoder_s1_b5.pt" in capsys.readouterr().out


def test_hooking_a_512_wide_aurora(release, suite, monkeypatch, capsys):
    """The second snippet runs a full-width Aurora on our public `load_batch(date)`, 19 x 36 grid."""
    import aurora
    from aurorascope import load_batch

    monkeypatch.setattr(aurora.AuroraAirPollution, "load_checkpoint", lambda self, *args: None)
    names = run(LOAD, monkeypatch, release)
    batch = load_batch("2022-06-01", results=suite.path / "results")
    # No checkpoint is loaded, so that what the weights begin with is no matter.
    monkeypatch.setattr(torch.Tensor, "uniform_", begin)
    monkeypatch.setattr(torch.Tensor, "erfinv_", lambda tensor: tensor)
    names = run(HOOK, monkeypatch, release, torch=torch, sae=names["sae"], batch=batch)
    assert names["features"].shape == (4 * 3 * 6, 8192)
    assert "Top 10 most active features:" in capsys.readouterr().out
