"""What `AuroraSAE.from_file` must refuse: computing nothing is better than wrong features."""

import pickle

import pytest
import torch
from aurorascope.sae.aurora_sae import AuroraSAE

from tests.architectures import of, tensors


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "sae_encoder_s0_b0.pt"
    torch.save(tensors(), path)
    return path


def spoil(change, architecture="relu"):
    content = of(architecture)
    change(content)
    return content


def put(name, index, value):
    return lambda t: t[name].__setitem__(index, value)


@pytest.mark.filterwarnings("ignore:Validating sparse")
@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(spoil(lambda t: t.update(gate=torch.zeros(24))), "does not know", id="unknown tensor"),
        pytest.param(spoil(lambda t: t.update(signed=torch.tensor(True))), "does not know", id="signed without k"),
        pytest.param(spoil(lambda t: t.update(k=torch.tensor(3)), "jumprelu"), "does not know", id="k and threshold"),
        pytest.param(spoil(lambda t: t.pop("k"), "abstopk"), "does not know", id="abstopk without k"),
        pytest.param(spoil(lambda t: t.pop("b_dec")), "does not know", id="missing tensor"),
        pytest.param({}, "found none", id="empty"),
        pytest.param({**tensors(), "W_enc": 1}, "dictionary of tensors", id="a number"),
        pytest.param(torch.zeros(3), "dictionary of tensors", id="no dictionary"),
        pytest.param(spoil(lambda t: t.update(W_enc=t["W_enc"].T)), "multiple", id="transposed encoder"),
        pytest.param(spoil(lambda t: t.update(W_dec=t["W_dec"].T)), "W_dec of shape", id="transposed decoder"),
        pytest.param(spoil(lambda t: t.update(b_enc=t["b_enc"][:-1])), "b_enc of shape", id="short bias"),
        pytest.param(spoil(lambda t: t.update(b_dec=t["b_dec"][None])), "b_dec of shape", id="bias with an axis more"),
        pytest.param(spoil(lambda t: t.update(W_enc=t["W_enc"].flatten())), "W_enc of shape", id="flat encoder"),
        pytest.param({name: t.double() for name, t in tensors().items()}, "float32", id="float64"),
        pytest.param(spoil(lambda t: t.update(W_enc=t["W_enc"].half())), "float32", id="one in float16"),
        pytest.param(spoil(lambda t: t.update(W_enc=t["W_enc"].to_sparse())), "dense", id="sparse"),
        pytest.param(
            dict(zip(tensors(), map(torch.zeros, [(6, 25), (25,), (25, 6), (6,)]), strict=True)),
            "multiple", id="not a multiple",
        ),
        pytest.param(
            dict(zip(tensors(), map(torch.zeros, [(0, 0), (0,), (0, 0), (0,)]), strict=True)), "W_enc", id="no channel",
        ),
        *(pytest.param(spoil(put(name, 0, value)), f"{name} to be finite", id=f"{value} in {name}")
          for name in tensors() for value in (torch.nan, -torch.inf)),
        *(pytest.param(spoil(lambda t, k=k: t.update(k=torch.tensor(k)), architecture), "k from 1 to", id=f"k = {k}")
          for k in (0, -1, 25) for architecture in ("topk", "abstopk")),
        pytest.param(spoil(lambda t: t.update(k=torch.tensor([3])), "topk"), "k of shape", id="k with an axis"),
        pytest.param(spoil(lambda t: t.update(k=torch.tensor(3.0)), "topk"), "k of shape", id="k a float"),
        pytest.param(spoil(lambda t: t.update(k=torch.tensor(3, dtype=torch.int32)), "topk"), "int64", id="k int32"),
        pytest.param(spoil(lambda t: t.update(signed=torch.tensor(False)), "abstopk"), "signed", id="signed False"),
        pytest.param(spoil(lambda t: t.update(signed=torch.tensor(1)), "abstopk"), "signed of", id="signed a number"),
        *(pytest.param(spoil(put("threshold", 3, value), "jumprelu"), "threshold", id=f"threshold {value}")
          for value in (-1e-9, torch.nan, torch.inf)),
        pytest.param(spoil(lambda t: t.update(threshold=torch.tensor(0.1)), "jumprelu"), "threshold of", id="one for all"),
        pytest.param(
            spoil(lambda t: t.update(threshold=t["threshold"].double()), "jumprelu"), "float32", id="float64 threshold"
        ),
    ],
)
def test_other_tensors_are_refused(tmp_path, content, message):
    """A file of another architecture, shape, precision or value is refused by name; no wrong features are computed."""
    path = tmp_path / "sae.pt"
    torch.save(content, path)
    with pytest.raises(ValueError, match=message) as error:
        AuroraSAE.from_file(str(path))
    assert str(error.value).startswith(str(path))


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize(
    "data",
    [b"", b"not a torch file", b"PK\x03\x04" + bytes(100), pickle.dumps({"W_enc": 1}), b"\x80\x04" + bytes(20)],
)
def test_garbage_is_refused(tmp_path, data):
    """What is no file of torch raises, rather than giving some autoencoder."""
    path = tmp_path / "sae.pt"
    path.write_bytes(data)
    with pytest.raises((ValueError, RuntimeError, EOFError, pickle.UnpicklingError)):
        AuroraSAE.from_file(str(path))


def test_truncated_file_is_refused(path):
    """So does half a file."""
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises((ValueError, RuntimeError, EOFError, pickle.UnpicklingError)):
        AuroraSAE.from_file(str(path))


class Evil:
    def __reduce__(self):
        return print, ("this must never run",)


def test_file_that_would_run_code_is_refused(tmp_path, capsys):
    """A file with a function to call is refused before the call."""
    path = tmp_path / "sae.pt"
    torch.save({**tensors(), "W_enc": Evil()}, path)
    with pytest.raises(ValueError, match="found an unreadable file"):
        AuroraSAE.from_file(str(path))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("architecture", ["relu", "topk", "matching_pursuit"])
def test_activations_of_another_width_are_refused(architecture):
    """Above all a single channel, which would be taken for each."""
    sae = AuroraSAE.from_tensors(of(architecture), "made")
    for width in (1, sae.d_model + 1):
        with pytest.raises(ValueError, match=rf"made: expected activations \(\.\.\., {sae.d_model}\), found \(3, {width}\)"):
            sae(torch.zeros(3, width))
    assert sae(torch.zeros(sae.d_model))[1].shape == (sae.d_hidden,)
