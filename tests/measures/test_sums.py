"""Sums are exact, whatever the means, and do not depend on how the data were cut up and in which order they came."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from aurorascope.measures.held_out.metrics import by_group, headline
from aurorascope.measures.held_out.sums import Sums
from hypothesis import given
from hypothesis import strategies as st

from tests.measures.summing import GROUPS, WEIGHTS, D, H, N, T, data, means, measure


def exact(x, x_hat, train, base):
    """Metrics in rational arithmetic, from the very numbers that are stored; no digit is ever lost."""
    x, x_hat = ([[Fraction(float(v)) for v in token] for token in a.reshape(-1, D)] for a in (x, x_hat))
    weights = [Fraction(float(w)) for w in np.tile(WEIGHTS, T)]

    def mean(tokens, w):
        return [sum(a * b for a, b in zip(w, column, strict=True)) / sum(w) for column in zip(*tokens, strict=True)]

    def squares(center, w):
        return sum(a * sum((v - m) ** 2 for v, m in zip(token, c, strict=True))
                   for a, token, c in zip(w, x, center, strict=True))

    ones = [Fraction(1)] * len(x)
    sse, sse_area = squares(x_hat, ones), squares(x_hat, weights)
    position = np.tile(base.position, (T, 1))
    centers = {
        "fve": ([mean(x, ones)] * len(x), ones, sse),
        "fve_train_mean": ([[Fraction(float(v)) for v in base.train]] * len(x), ones, sse),
        "fve_anom": ([[Fraction(float(v)) for v in token] for token in position], ones, sse),
        "fve_area": ([mean(x, weights)] * len(x), weights, sse_area),
    }
    error = mean([[b - a for a, b in zip(*pair, strict=True)] for pair in zip(x, x_hat, strict=True)], ones)
    sst = squares(centers["fve"][0], ones)
    dot = sum(a * b for pair in zip(x, x_hat, strict=True) for a, b in zip(*pair, strict=True))
    return {
        **{name: float(1 - e / squares(center, w)) for name, (center, w, e) in centers.items()},
        "mse": float(sse / (len(x) * D)),
        "bias": float(sum(e**2 for e in error) * len(x) / sst) ** 0.5,
        "shrinkage": float(sum(v**2 for token in x_hat for v in token) / dot),
    }


@pytest.mark.parametrize("std", [1.0, 1e-3])
def test_large_means_cost_no_digits(std):
    """With means of 1e4 standard deviations, the metrics agree with rational arithmetic to 12 digits."""
    x, x_hat, h, train = data(1, offset=1e4 * std, std=std)
    expected = exact(x, x_hat, train, means(x, train))
    found = headline(measure(x, x_hat, h, train))
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-12)
    assert 0.5 < found["fve"] < 0.99


CUTS = st.lists(st.tuples(st.integers(0, T - 1), st.integers(1, N - 1)), max_size=8)


@given(CUTS, st.randoms(use_true_random=False))
def test_order_and_partition_do_not_matter(cuts, random):
    """Snapshots cut anywhere and counted in any order give the same metrics."""
    x, x_hat, h, train = data()
    expected = measure(x, x_hat, h, train)
    pieces = []
    for t in range(T):
        edges = sorted({0, N, *(place for snapshot, place in cuts if snapshot == t)})
        pieces += [(t, slice(*pair)) for pair in itertools.pairwise(edges)]
    random.shuffle(pieces)
    total = Sums(GROUPS, WEIGHTS, means(x, train, expected.means.decoder), H)
    for t, rows in pieces:
        total.add(x[t, rows], x_hat[t, rows], h[t, rows], rows.start)
    assert headline(total) == pytest.approx(headline(expected), rel=1e-12)
    for name, value in expected.totals.items():
        np.testing.assert_allclose(total.totals[name], value, rtol=1e-12, atol=1e-12 * np.abs(value).max(), err_msg=name)
    for found, row in zip(by_group(total), by_group(expected), strict=True):
        assert found == pytest.approx(row, rel=1e-11)


def test_scalars_hold_what_other_definitions_need():
    """The sums over entries are those of all tokens and channels about their one mean."""
    x, x_hat, h, train = data(3, offset=5)
    s = measure(x, x_hat, h, train).scalars
    wide, wide_hat = x.astype(np.float64), x_hat.astype(np.float64)
    assert s["sst_entries"] == pytest.approx(((wide - wide.mean()) ** 2).sum(), rel=1e-12)
    assert s["error_entries"] == pytest.approx((wide_hat - wide).sum(), rel=1e-9)
    assert s["error_sq"] == pytest.approx(((wide_hat - wide).sum((0, 1)) ** 2).sum(), rel=1e-9)
