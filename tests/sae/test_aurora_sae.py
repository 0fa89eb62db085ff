import ast
import copy
import inspect
import pickle
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from aurorascope.sae import aurora_sae
from aurorascope.sae.aurora_sae import AuroraSAE, architecture_of
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tests.architectures import ARCHITECTURES, of, tensors
from tests.card import LOAD


def _card_class():
    """The class of the published model card, run from its own text: an oracle that shares no line with ours."""
    names = {"nn": nn, "F": F, "torch": torch}
    exec(LOAD[LOAD.index("class AuroraSAE") : LOAD.index("# Download")], names)
    return names["AuroraSAE"]


CardSAE = _card_class()


def identity(**extras):
    """An SAE of three channels whose pre-activations are its input, and so are its features' directions."""
    eye, zeros = torch.eye(3), torch.zeros(3)
    return AuroraSAE.from_tensors({"W_enc": eye, "b_enc": zeros, "W_dec": eye, "b_dec": zeros, **extras})


def golden_of(sae, seed=1):
    x = torch.randn(8, sae.d_model, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        x_hat, features = sae(x)
    return {"x": x, "features": features, "x_hat": x_hat}


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


def pursued(left, directions, k):
    """Features of one token by matching pursuit, in plain Python."""
    row = [0.0] * len(directions)
    for _ in range(k):
        products = [sum(a * b for a, b in zip(left, direction, strict=True)) for direction in directions]
        j = max(range(len(row)), key=lambda i: products[i])
        value = max(products[j], 0.0)
        row[j] += value
        left = [a - value * b for a, b in zip(left, directions[j], strict=True)]
    return row


def oracle(content, x):
    """Features by definition, token by token and in float64, sharing no line with ours."""
    w = {name: t.double() if t.is_floating_point() else t for name, t in content.items()}
    rows = []
    for token in x.double().reshape(-1, x.shape[-1]):
        if "pursuit" in w:
            rows.append(pursued((token - w["b_dec"]).tolist(), w["W_dec"].tolist(), int(w["k"])))
            continue
        z = ((token - w["b_dec"]) @ w["W_enc"] + w["b_enc"]).tolist()
        if "threshold" in w:
            row = [v if v > limit else 0.0 for v, limit in zip(z, w["threshold"].tolist(), strict=True)]
        else:
            size = [abs(v) if "signed" in w else max(v, 0.0) for v in z]
            first = sorted(range(len(z)), key=lambda i: -size[i])[: int(w.get("k", len(z)))]
            row = [z[i] if i in first and size[i] > 0 else 0.0 for i in range(len(z))]
        rows.append(row)
    h = torch.tensor(rows, dtype=torch.float64).reshape(*x.shape[:-1], -1)
    return h @ w["W_dec"] + w["b_dec"], h


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("shape", [(), (1,), (30,), (2, 3, 4)])
def test_forward_is_the_definition(tmp_path, architecture, shape):
    """From the file alone, every architecture computes its definition, on any leading shape."""
    torch.save(of(architecture), tmp_path / "sae.pt")
    sae = AuroraSAE.from_file(str(tmp_path / "sae.pt"))
    assert sae.architecture == architecture and not sae.training
    x = torch.randn(*shape, 6, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        x_hat, h = sae(x)
    expected_x_hat, expected_h = oracle(of(architecture), x)
    assert h.dtype == x_hat.dtype == torch.float32 and h.shape == (*shape, 24)
    assert torch.equal(h != 0, expected_h != 0)
    torch.testing.assert_close(h.double(), expected_h, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(x_hat.double(), expected_x_hat, rtol=1e-5, atol=1e-5)
    assert torch.equal(sae.encode(x), h) and torch.equal(sae.decode(h), x_hat)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_no_token_gives_no_features(architecture):
    """An empty batch passes."""
    x_hat, h = AuroraSAE.from_tensors(of(architecture))(torch.zeros(0, 6))
    assert x_hat.shape == (0, 6) and h.shape == (0, 24)


def test_closed_forms():
    """By hand: strict threshold, fewer positive than k, signs kept."""
    x = torch.tensor([[1.0, -3.0, 2.0], [-1.0, -2.0, 0.0]])
    two, signed = torch.tensor(2), torch.tensor(True)
    assert identity().encode(x).tolist() == [[1, 0, 2], [0, 0, 0]]
    assert identity(k=torch.tensor(1)).encode(x).tolist() == [[0, 0, 2], [0, 0, 0]]
    assert identity(k=two).encode(x).tolist() == [[1, 0, 2], [0, 0, 0]]
    assert identity(k=two, signed=signed).encode(x).tolist() == [[0, -3, 2], [-1, -2, 0]]
    assert identity(threshold=torch.tensor([1.0, 0.0, 1.5])).encode(x).tolist() == [[0, 0, 2], [0, 0, 0]]


@pytest.mark.parametrize("signed", [False, True])
def test_ties_keep_the_lowest_index(signed):
    """Of equal entries at the k-th place the first ones are kept, larger ones wherever they are, other rows as ever."""
    sae = identity(k=torch.tensor(2), **({"signed": torch.tensor(True)} if signed else {}))
    x = torch.tensor([[1.0, 1.0, 1.0], [1.0, 1.0, 3.0], [1.0, 2.0, 3.0], [0.0, 0.0, 0.0]])
    expected = [[1, 1, 0], [1, 0, 3], [0, 2, 3], [0, 0, 0]]
    assert sae.encode(x).tolist() == expected
    assert [sae.encode(token).tolist() for token in x] == expected
    if signed:
        assert sae.encode(torch.tensor([-1.0, 1.0, -1.0])).tolist() == [-1, 1, 0]


@given(data=st.data())
def test_at_most_k_and_none_larger_left_out(data):
    """For pre-activations full of ties: at most k, exactly k where there are as many, none left out that is larger."""
    h = data.draw(st.integers(1, 12))
    k = data.draw(st.integers(1, h))
    z = torch.tensor(data.draw(st.lists(st.lists(st.integers(-3, 3), min_size=h, max_size=h), min_size=1))).float()
    for signed in (False, True):
        eye = torch.eye(h)
        content = {"W_enc": eye, "b_enc": torch.zeros(h), "W_dec": eye, "b_dec": torch.zeros(h), "k": torch.tensor(k)}
        found = AuroraSAE.from_tensors(content | ({"signed": torch.tensor(True)} if signed else {})).encode(z)
        size = z.abs() if signed else z.clamp(min=0)
        on = found != 0
        assert torch.equal(on.sum(-1), (size > 0).sum(-1).clamp(max=k))
        assert torch.equal(found[on], z[on])
        smallest_kept = torch.where(on, size, torch.inf).amin(-1)
        largest_left = torch.where(on, 0, size).amax(-1)
        assert (largest_left <= smallest_kept).all()


def test_special_cases_are_relu():
    """k = h and a threshold of zero are ReLU, bit for bit; abstopk with k = h is the linear map."""
    x = torch.randn(40, 6)
    relu = AuroraSAE.from_tensors(of("relu")).encode(x)
    assert torch.equal(AuroraSAE.from_tensors(of("topk", k=24)).encode(x), relu)
    assert torch.equal(AuroraSAE.from_tensors(of("relu") | {"threshold": torch.zeros(24)}).encode(x), relu)
    w = of("relu")
    z = (x - w["b_dec"]) @ w["W_enc"] + w["b_enc"]
    assert torch.equal(AuroraSAE.from_tensors(of("abstopk", k=24)).encode(x), z)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_nan_shows(architecture):
    """A broken token has no features that look sound, and spoils no other token."""
    sae = AuroraSAE.from_tensors(of(architecture))
    x = torch.randn(3, 6)
    clean = sae.encode(x)
    x[1, 2] = torch.nan
    x_hat, h = sae(x)
    assert x_hat[1].isnan().all() and h[1].isnan().any()
    torch.testing.assert_close(h[[0, 2]], clean[[0, 2]])


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_state_dict_is_the_file(tmp_path, architecture):
    """Saved again it is the same file's content; copies and pickles stay what they are; the caller's tensors are free."""
    content = of(architecture)
    sae = AuroraSAE.from_tensors(content)
    torch.save(sae.state_dict(), tmp_path / "again.pt")
    again = AuroraSAE.from_file(str(tmp_path / "again.pt"))
    # Our own object, pickled here and now, as a process pool does; no file is unpickled.
    for twin in (again, copy.deepcopy(sae), pickle.loads(pickle.dumps(sae))):
        assert set(twin.state_dict()) == set(content) and twin.architecture == architecture
        for name, value in content.items():
            assert torch.equal(twin.state_dict()[name], value) and twin.state_dict()[name].dtype == value.dtype
    for value in content.values():
        value.zero_()
    assert sae.W_enc.any() and ("k" not in content or int(sae.k) == 5)


@pytest.mark.parametrize("architecture", ["topk", "abstopk", "jumprelu", "matching_pursuit"])
def test_card_class_refuses_the_others(architecture):
    """The published class must fail on an architecture it would compute wrongly; so must ours, built as the card's."""
    for cls in (CardSAE, AuroraSAE):
        with pytest.raises(RuntimeError, match="Unexpected key"):
            cls(d_model=6, expansion_factor=4).load_state_dict(of(architecture))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_golden_vectors_are_met(tmp_path, architecture):
    """A file meets its own golden vectors, at load and later."""
    torch.save(of(architecture), tmp_path / "sae.pt")
    golden = golden_of(AuroraSAE.from_file(str(tmp_path / "sae.pt")))
    AuroraSAE.from_file(str(tmp_path / "sae.pt"), golden=golden).check(golden)


@pytest.mark.parametrize(
    ("architecture", "name"), [(a, name) for a in ARCHITECTURES for name in of(a) if name not in ("signed", "pursuit")]
)
def test_any_altered_tensor_misses_the_golden_vectors(tmp_path, architecture, name):
    """One changed tensor is found and the file named; a relative 1e-7, as other machines may have, passes."""
    content = of(architecture)
    golden = golden_of(AuroraSAE.from_tensors(content))
    step = {"k": 1, "threshold": 0.5}.get(name, 1e-3)
    torch.save(content | {name: content[name] + step}, tmp_path / "sae.pt")
    is_told = architecture == "matching_pursuit" and name in ("W_enc", "b_enc", "W_dec")
    message = "expected pursuit to be True, W_enc to be" if is_told else r"(features|x_hat) differ .* by [0-9.e-]+ of the largest"
    with pytest.raises(ValueError, match=rf"sae\.pt: {message}"):
        AuroraSAE.from_file(str(tmp_path / "sae.pt"), golden=golden)
    nearly = {key: value * (1 + 1e-7) for key, value in golden.items()}
    AuroraSAE.from_tensors(content).check(nearly | {"x": golden["x"]})


def test_golden_check_tells_how_far():
    """The error names the relative difference and the features on in only one; a dead SAE's zeros are met."""
    sae = identity(threshold=torch.ones(3))
    x = torch.tensor([[2.0, 4.0, 0.5]])
    golden = {"x": x, "features": torch.tensor([[2.0, 4.0, 1.0]]), "x_hat": torch.tensor([[2.0, 4.0, 0.0]])}
    with pytest.raises(ValueError, match=r"features differ .* by 0\.25 of .* 1 are zero in only one"):
        sae.check(golden)
    zeros = torch.zeros(1, 3)
    identity(threshold=torch.full((3,), 9.0)).check({"x": x, "features": zeros, "x_hat": zeros})
    with pytest.raises(ValueError, match="by inf of"):
        sae.check({"x": x, "features": zeros, "x_hat": zeros})


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda g: g.pop("x"), id="no x"),
        pytest.param(lambda g: g.update(y=g["x"]), id="one more"),
        pytest.param(lambda g: g.update(x=g["x"][:4]), id="other rows"),
        pytest.param(lambda g: g.update({key: g[key][:0] for key in g}), id="no rows"),
        pytest.param(lambda g: g.update(x=g["x"].double()), id="float64"),
        pytest.param(lambda g: g.update(x=torch.tensor(1.0)), id="scalar"),
        pytest.param(lambda g: g.update(features=g["features"][:, :-1]), id="another width"),
        pytest.param(lambda g: g.update(features=g["features"] * torch.nan), id="NaN"),
        pytest.param(lambda g: g.update(x_hat=g["x_hat"] + torch.nan), id="NaN in x_hat"),
        pytest.param(lambda g: g["x"].fill_(torch.nan), id="NaN in x"),
    ],
)
def test_broken_golden_vectors_are_refused(change):
    """Golden vectors of another form, or that can agree with nothing, do not pass."""
    sae = AuroraSAE.from_tensors(of("topk"))
    golden = golden_of(sae)
    change(golden)
    with pytest.raises(ValueError):
        sae.check(golden)


@pytest.mark.parametrize("content", [b"", b'{"kind": "sae"}', b"PK", b"\x80\x02}q\x00"], ids=["empty", "JSON", "cut", "another"])
def test_what_is_no_file_of_weights_is_refused_without_a_word_on_reading_it_all_the_same(tmp_path, content):
    (tmp_path / "sae.pt").write_bytes(content)
    with pytest.raises(ValueError, match=r"sae\.pt: expected weights as torch\.save writes them; found an unreadable file\. Give a \.pt file") as caught:
        AuroraSAE.from_file(tmp_path / "sae.pt")
    assert "weights_only" not in str(caught.value)
    for path, error in ((tmp_path / "none.pt", FileNotFoundError), (tmp_path, IsADirectoryError)):
        with pytest.raises(error):
            AuroraSAE.from_file(path)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_architecture_of(architecture):
    """The name is told by the tensors, in whatever order they come."""
    assert architecture_of(dict(reversed(of(architecture).items()))) == architecture


def test_module_imports_torch_alone():
    """The file that a release ships needs nothing but torch."""
    tree = ast.parse(inspect.getsource(aurora_sae))
    names = {a.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names}
    names |= {node.module.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert names == {"torch"}
    assert "__import__" not in inspect.getsource(aurora_sae) and "importlib" not in inspect.getsource(aurora_sae)


def test_module_works_on_its_own(tmp_path):
    """Copied beside the weights, without the library on the path, it loads and runs every architecture."""
    (tmp_path / "aurora_sae.py").write_text(inspect.getsource(aurora_sae))
    for architecture in ARCHITECTURES:
        torch.save(of(architecture), tmp_path / f"{architecture}.pt")
    code = (
        "import torch; from aurora_sae import AuroraSAE\n"
        f"for name in {ARCHITECTURES}:\n"
        "    sae = AuroraSAE.from_file(f'{name}.pt')\n"
        "    print(sae.architecture, sae(torch.zeros(2, 6))[1].shape[1])"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, env={})
    assert run.stdout.splitlines() == [f"{name} 24" for name in ARCHITECTURES], run.stderr
