import numpy as np
import pytest
import torch
from aurorascope.sae import selection
from aurorascope.sae.aurora_sae import _largest as released
from aurorascope.sae.selection import LEAST, above, largest
from hypothesis import given
from hypothesis import strategies as st

# Values without, with some and with hardly anything but ties, and rows of zeros.
DRAWS = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "halves": lambda rng, shape: np.round(rng.standard_normal(shape) * 2) / 2,
    "signs": lambda rng, shape: rng.choice([-1.0, 0.0, 1.0], shape),
    "few": lambda rng, shape: rng.standard_normal(shape) * (rng.random(shape) < 0.05),
    "zero": lambda rng, shape: np.zeros(shape),
}


def by_sorting(z_nh, k, signed):
    """Mask of the k largest above zero of each row, the first of equal ones, by a stable sort."""
    size_nh = np.abs(z_nh) if signed else z_nh
    order = np.argsort(-size_nh, axis=1, kind="stable")[:, :k]
    keep_nh = np.zeros(z_nh.shape, bool)
    np.put_along_axis(keep_nh, order, True, axis=1)
    return keep_nh & (size_nh > 0)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("draw", DRAWS)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 20), odd=st.integers(1, 9), doubled=st.integers(0, 7), share=st.floats(0.01, 1.1))
def test_the_largest_are_those_of_a_stable_sort(draw, signed, seed, n, odd, doubled, share):
    """Whatever the ties and however many are positive: places ascending, and the values there."""
    h = odd << doubled
    k = max(1, round(share * h))
    z_nh = DRAWS[draw](np.random.default_rng(seed), (n, h)).astype(np.float32)
    places, values = largest(torch.from_numpy(z_nh), k, signed)
    assert np.array_equal(places, np.flatnonzero(by_sorting(z_nh, k, signed)))
    assert np.array_equal(values, z_nh.reshape(-1)[places]) and values.dtype == np.float32


@pytest.mark.parametrize("signed", [False, True])
def test_training_keeps_what_a_release_keeps(signed):
    """Ties are the same latents in `aurora_sae.py`."""
    z_nh = torch.from_numpy(DRAWS["halves"](np.random.default_rng(1), (50, 640)).astype(np.float32))
    places, _ = largest(z_nh, 10, signed)
    expected = released(z_nh.abs() if signed else z_nh.relu(), 10)
    assert np.array_equal(places, np.flatnonzero(expected.numpy()))


@pytest.mark.parametrize("block", [1, 100, 5000])
@pytest.mark.parametrize("draw", ["normal", "halves"])
def test_a_row_is_chosen_from_alone(monkeypatch, draw, block):
    """Neither the rows beside it nor how many are taken at a time change a choice."""
    z_nh = torch.from_numpy(DRAWS[draw](np.random.default_rng(2), (37, 512)).astype(np.float32))
    places, values = largest(z_nh, 5, True)
    monkeypatch.setattr(selection, "_BLOCK", block)
    assert all(np.array_equal(a, b) for a, b in zip(largest(z_nh, 5, True), (places, values), strict=True))
    alone = [largest(z_nh[i : i + 1], 5, True)[0] + i * 512 for i in range(37)]
    assert np.array_equal(np.concatenate(alone), places)


@pytest.mark.parametrize("k", [4, 100])
def test_a_nan_is_not_kept(k):
    """It takes the place of one of its row's k; other rows are as they were."""
    z_nh = torch.from_numpy(DRAWS["normal"](np.random.default_rng(3), (9, 256)).astype(np.float32))
    before, _ = largest(z_nh, k, True)
    z_nh[4, 100] = 0
    fewer, _ = largest(z_nh[4:5], k - 1, True)
    z_nh[4, 100] = torch.nan
    after, _ = largest(z_nh, k, True)
    assert np.array_equal(after[after // 256 != 4], before[before // 256 != 4])
    assert np.array_equal(after[after // 256 == 4] - 4 * 256, fewer)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_nan_of_either_sign_is_not_kept_without_signs(sign, dtype):
    """Processors give NaNs of both; other rows are as they were."""
    z_nh = torch.from_numpy(DRAWS["normal"](np.random.default_rng(5), (9, 256)).astype(dtype))
    before, _ = largest(z_nh, 8, False)
    z_nh[4, 100] = np.copysign(np.nan, sign)
    after, values = largest(z_nh, 8, False)
    assert 4 * 256 + 100 not in after and np.isfinite(values).all() and (values > 0).all()
    assert np.array_equal(after[after // 256 != 4], before[before // 256 != 4])


@pytest.mark.parametrize("least", [-1.0, 0.0, 0.5, 10.0])
def test_above_a_threshold(least):
    """All at or above it that are above zero."""
    z_nh = DRAWS["halves"](np.random.default_rng(4), (30, 64))
    places, values = above(torch.from_numpy(z_nh), least)
    assert np.array_equal(places, np.flatnonzero((z_nh >= least) & (z_nh > 0)))
    assert np.array_equal(values, z_nh.reshape(-1)[places])
    assert LEAST < 1e-37
