import ast
import inspect
import pickle
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from aurorascope.sae import aurora_sae
from aurorascope.sae.aurora_sae import AuroraSAE
from torch import nn

from tests.card import LOAD


def _card_class():
    """The class of the published model card, run from its own text: an oracle that shares no line with ours."""
    names = {"nn": nn, "F": F, "torch": torch}
    exec(LOAD[LOAD.index("class AuroraSAE") : LOAD.index("# Download")], names)
    return names["AuroraSAE"]


CardSAE = _card_class()


def tensors(d=6, expansion=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    h = d * expansion
    shapes = {"W_enc": (d, h), "b_enc": (h,), "W_dec": (h, d), "b_dec": (d,)}
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "sae_encoder_s0_b0.pt"
    torch.save(tensors(), path)
    return path


@pytest.mark.parametrize(("d", "expansion"), [(6, 4), (16, 8), (5, 1)])
def test_file_tells_its_own_sizes(tmp_path, d, expansion):
    """`from_file` needs nothing but the path, and the weights are those saved."""
    path = tmp_path / "sae.pt"
    torch.save(tensors(d, expansion), path)
    sae = AuroraSAE.from_file(str(path))
    assert (sae.d_model, sae.d_hidden) == (d, d * expansion)
    assert not sae.training
    for name, value in tensors(d, expansion).items():
        assert torch.equal(sae.state_dict()[name], value)


def test_card_class_gives_the_same_output(path):
    """The card's own class loads the file as the card shows, and computes the same numbers, bit for bit."""
    card = CardSAE(d_model=6, expansion_factor=4)
    card.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    card.eval()
    ours = AuroraSAE.from_file(str(path))
    x = torch.randn(50, 6)
    with torch.no_grad():
        for expected, found in zip(card(x), ours(x), strict=True):
            assert torch.equal(expected, found)


def test_constructor_is_that_of_the_card(path):
    """The card's snippet runs on our class as it stands, defaults included."""
    assert str(inspect.signature(AuroraSAE)).startswith(
        "(d_model: int = 2048, expansion_factor: int = 8, l1_coeff: float = 0.0003)"
    )
    sae = AuroraSAE(d_model=6, expansion_factor=4)
    sae.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    x_hat, features = sae.eval()(torch.randn(7, 6))
    assert x_hat.shape == (7, 6) and features.shape == (7, 24)
    assert features.sum(dim=0).topk(10).indices.shape == (10,)


def test_encode_and_decode_make_the_forward(path):
    """The halves compose, features are never negative, and leading dimensions pass through."""
    sae = AuroraSAE.from_file(str(path))
    x = torch.randn(2, 3, 6)
    x_hat, h = sae(x)
    assert torch.equal(sae.encode(x), h) and torch.equal(sae.decode(h), x_hat)
    assert h.shape == (2, 3, 24) and (h >= 0).all()


def spoil(change):
    content = tensors()
    change(content)
    return content


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(spoil(lambda t: t.update(threshold=torch.zeros(24))), id="extra tensor"),
        pytest.param(spoil(lambda t: t.update(k=torch.tensor(32))), id="top-k"),
        pytest.param(spoil(lambda t: t.pop("b_dec")), id="missing tensor"),
        pytest.param({}, id="empty"),
        pytest.param(spoil(lambda t: t.update(W_enc=t["W_enc"].T)), id="transposed encoder"),
        pytest.param(spoil(lambda t: t.update(W_dec=t["W_dec"].T)), id="transposed decoder"),
        pytest.param(spoil(lambda t: t.update(b_enc=t["b_enc"][:-1])), id="short bias"),
        pytest.param(spoil(lambda t: t.update(b_dec=t["b_dec"][None])), id="bias with an axis more"),
        pytest.param(spoil(lambda t: t.update(W_enc=t["W_enc"].flatten())), id="flat encoder"),
        pytest.param({name: t.double() for name, t in tensors().items()}, id="float64"),
        pytest.param(spoil(lambda t: t.update(W_enc=t["W_enc"].half())), id="one in float16"),
        pytest.param(
            dict(zip(tensors(), map(torch.zeros, [(6, 25), (25,), (25, 6), (6,)]), strict=True)),
            id="not a multiple",
        ),
    ],
)  # fmt: skip
def test_other_tensors_are_refused(tmp_path, content):
    """A file of another architecture, shape or precision is refused by name; no wrong features are computed."""
    path = tmp_path / "sae.pt"
    torch.save(content, path)
    with pytest.raises(ValueError):
        AuroraSAE.from_file(str(path))


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
    with pytest.raises(pickle.UnpicklingError):
        AuroraSAE.from_file(str(path))
    assert capsys.readouterr().out == ""


def test_module_imports_torch_alone():
    """The file that a release ships needs nothing but torch."""
    tree = ast.parse(inspect.getsource(aurora_sae))
    names = {a.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names}
    names |= {node.module.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert names == {"torch"}
    assert "__import__" not in inspect.getsource(aurora_sae) and "importlib" not in inspect.getsource(aurora_sae)


def test_module_works_on_its_own(path, tmp_path):
    """Copied beside the weights, without the library on the path, it loads and runs."""
    (tmp_path / "aurora_sae.py").write_text(inspect.getsource(aurora_sae))
    code = (
        "import torch; from aurora_sae import AuroraSAE\n"
        f"print(AuroraSAE.from_file({path.name!r})(torch.zeros(2, 6))[1].shape[1])"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, env={})
    assert run.stdout == "24\n", run.stderr
