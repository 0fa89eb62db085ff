import numpy as np
import pytest
import torch
from aurorascope.activations import rows
from aurorascope.activations.encode import decode, decoded_blocks, encode
from hypothesis import given
from hypothesis import strategies as st

N, D = 400, 6


def normal(seed=0, n=N, d=D):
    return np.random.default_rng(seed).standard_normal((n, d))


def kept(tokens, decoded):
    """Share of each channel's variance that survives, float64."""
    exact = tokens.astype(np.float64)
    return 1 - ((decoded - exact) ** 2).sum(0) / ((exact - exact.mean(0)) ** 2).sum(0)


@pytest.mark.parametrize(
    "tokens",
    [
        pytest.param(normal(), id="plain"),
        pytest.param(normal() + 1e4, id="offsets of 1e4 std"),
        pytest.param(normal() - 1e4 * np.arange(D), id="offsets of many sizes"),
        pytest.param(normal() * 10.0 ** np.arange(-2, 4), id="channels of many sizes"),
        pytest.param(normal() * np.where(np.arange(D) == 2, 1e4, 1), id="a massive channel"),
        pytest.param(normal() * 1e30, id="huge"),
        pytest.param(normal() * 1e-30, id="tiny"),
        pytest.param(normal() * 1e-38, id="near the end of float32"),
        pytest.param(np.exp(4 * normal()), id="heavy tails"),
        pytest.param(np.where(normal() > 2.4, 1e6, 1e-3) * normal(1), id="massive tokens"),
        pytest.param(np.maximum(normal(), 0), id="half zeros"),
    ],
)
def test_round_trip_keeps_the_variance(tokens):
    """Each channel keeps at least 1 - 1e-6 of its variance, without overflow, and the loss is the measured one."""
    tokens = tokens.astype(np.float32)
    encoded = encode(tokens, "float16")
    decoded = encoded.decode()
    assert np.isfinite(encoded.stored).all() and np.isfinite(decoded).all()
    assert kept(tokens, decoded).min() >= 1 - 1e-6
    exact = tokens.astype(np.float64)
    loss = ((decoded - exact) ** 2).sum() / ((exact - exact.mean(0)) ** 2).sum()
    assert encoded.loss == pytest.approx(loss, rel=1e-6, abs=1e-20)
    assert encoded.loss <= 1e-6


@pytest.mark.parametrize("value", [0.0, 1.0, -3.1415927, 1e-30, 65504.0, 1e30, -1.2e7])
def test_constant_channel_is_exact(value):
    """A channel without variance comes back bit for bit, whatever its value."""
    tokens = normal().astype(np.float32)
    tokens[:, 3] = value
    encoded = encode(tokens, "float16")
    assert (encoded.decode()[:, 3] == np.float32(value)).all()
    assert encoded.scale[3] == 1


def test_constant_snapshot_has_no_loss():
    """Where nothing varies, nothing is lost."""
    encoded = encode(np.full((N, D), 7.7, np.float32), "float16")
    assert encoded.loss == 0
    assert (encoded.decode() == np.float32(7.7)).all()


@given(
    st.lists(st.floats(-30, 30), min_size=D, max_size=D),
    st.lists(st.floats(-1e4, 1e4), min_size=D, max_size=D),
    st.integers(0, 99),
)
def test_scales_are_powers_of_two_and_stored_values_moderate(exponents, offsets, seed):
    """For any size and offset, scales are powers of two and the largest stored value lies below 2^14."""
    std = 10.0 ** np.array(exponents)
    tokens = ((normal(seed, 50) + np.array(offsets)) * std).astype(np.float32)
    encoded = encode(tokens, "float16")
    mantissa, _ = np.frexp(encoded.scale)
    assert (mantissa == 0.5).all()
    assert encoded.scale.dtype == encoded.offset.dtype == np.float32
    assert encoded.stored.dtype == np.float16
    assert np.abs(encoded.stored).max() <= 2**14
    assert kept(tokens, encoded.decode()).min() >= 1 - 1e-6


@pytest.mark.parametrize("size", [1e-20, 1.0, 3e20])
def test_small_values_beside_large_ones_keep_their_digits(size):
    """In a channel whose mean is zero, values down to 2^-27 of the largest keep float16's 11 bits."""
    values = size * np.float32(2) ** -np.linspace(0, 27, 200)
    tokens = np.concatenate([values, -values])[:, None].astype(np.float32)
    decoded = encode(tokens, "float16").decode()
    assert (np.abs(decoded - tokens) <= np.abs(tokens) * 2.0**-11).all()


def test_bytes_depend_on_the_snapshot_alone():
    """Encoding the same snapshot after any other gives the same bytes, and the input is left alone."""
    tokens = (normal() * 3 + 100).astype(np.float32)
    before = tokens.copy()
    first = encode(tokens, "float16")
    encode((normal(1) * 1e9).astype(np.float32), "float16")
    second = encode(tokens.copy(), "float16")
    for name in ("stored", "offset", "scale"):
        assert getattr(first, name).tobytes() == getattr(second, name).tobytes()
    assert (tokens == before).all()


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_decoding_is_the_published_formula(dtype):
    """`activation * scale + offset` in float32, as any reader would write it."""
    tokens = (normal() * 10.0 ** np.arange(-3, 3) + 5).astype(np.float32)
    encoded = encode(tokens, dtype)
    formula = encoded.stored.astype(np.float32) * encoded.scale + encoded.offset
    assert formula.dtype == np.float32
    assert (encoded.decode() == formula).all()
    assert (decode(encoded.stored, encoded.offset, encoded.scale) == formula).all()


def test_float32_is_exact():
    """Stored as float32, the values are the values."""
    tokens = (normal() * 1e30).astype(np.float32)
    encoded = encode(tokens, "float32")
    assert (encoded.decode() == tokens).all()
    assert encoded.loss == 0
    assert (encoded.scale == 1).all() and (encoded.offset == 0).all()


@given(st.integers(0, 10**6), st.sampled_from([1e-3, 1.0, 30.0]), st.floats(-1, 1), st.floats(1e4, 6e4), st.integers(0, D - 1))
def test_offsets_of_10000_standard_deviations_and_massive_channels(seed, std, sign, massive, channel):
    """Where float16 of the values themselves would keep nothing, or overflow, every channel keeps 1 - 1e-6."""
    plain = normal(seed % 50, 300)
    tokens = plain * std + np.sign(sign + 1e-9) * 1e4 * std
    tokens[:, channel] = massive * plain[:, channel]
    # One token far beyond float16's largest number, as transformers have them.
    tokens[seed % 300, channel] = 3 * massive
    tokens = tokens.astype(np.float32)
    encoded = encode(tokens, "float16")
    decoded = encoded.decode()
    assert np.isfinite(encoded.stored).all() and np.abs(encoded.stored).max() <= 2**14
    # What float32 itself keeps of an offset of 1e4 is the variance to keep.
    assert kept(tokens, decoded).min() >= 1 - 1e-6
    assert encoded.max_abs == np.abs(decoded).max() >= massive


def test_float16_of_the_values_themselves_would_fail():
    """The test above is no tautology: plain float16 loses a tenth of the variance there, or overflows."""
    tokens = (normal() + 1e4).astype(np.float32)
    assert kept(tokens, tokens.astype(np.float16).astype(np.float32)).max() < 0.9
    with np.errstate(over="ignore"):
        assert np.isinf(np.float32(7e4).astype(np.float16))


@pytest.mark.parametrize("shape", [(1, 6), (4099, 17), (300, 512), (40, 2048)])
@pytest.mark.parametrize("size", [1e-30, 1.0, 1e30])
def test_blocks_of_rows_do_not_show(monkeypatch, shape, size):
    """The bytes are those of the definition applied to whole arrays, whatever the block."""
    tokens = ((np.random.default_rng(5).standard_normal(shape) + np.arange(shape[1]) % 7) * size).astype(np.float32)
    offset = tokens.mean(axis=0, dtype=np.float64).astype(np.float32)
    centred = tokens - offset
    _, exponent = np.frexp(np.abs(centred).max(axis=0))
    scale = np.ldexp(np.float32(1), np.where(np.abs(centred).max(axis=0) > 0, np.clip(exponent - 14, -126, 126), 0))
    stored = (centred / scale.astype(np.float32)).astype(np.float16)
    for block_values in (1, 5000, 1 << 16, 1 << 30):
        monkeypatch.setattr(rows, "_BLOCK_VALUES", block_values)
        encoded = encode(tokens, "float16")
        assert encoded.offset.tobytes() == offset.tobytes()
        assert encoded.scale.tobytes() == scale.astype(np.float32).tobytes()
        assert encoded.stored.tobytes() == stored.tobytes()
        blocks = [d.copy() for _, d in decoded_blocks(encoded.stored, encoded.offset, encoded.scale)]
        assert np.concatenate(blocks).tobytes() == encoded.decode().tobytes()
        assert encoded.max_abs == np.abs(encoded.decode()).max()


def test_torch_and_numpy_round_to_float16_alike():
    """Every exponent, ties and subnormal numbers included: the bytes may not depend on who converts."""
    bits = np.arange(0, 2**32, 4099, dtype=np.uint64).astype(np.uint32)
    ties = np.arange(0, 2**32, 2**12, dtype=np.uint64).astype(np.uint32)
    values = np.concatenate([bits, ties]).view(np.float32)
    values = values[np.isfinite(values) & (np.abs(values) <= 65504)]
    assert (torch.from_numpy(values).half().numpy().view(np.uint16) == values.astype(np.float16).view(np.uint16)).all()
