"""Axes of files and the exact grid that they stand for; which grids Aurora's own position encoding takes."""

import numpy as np
import pytest
from aurorascope.cams.axes import exact_latitudes, exact_longitudes
from aurorascope.cams.grid import regular_grid
from aurorascope.errors import UserError
from hypothesis import given
from hypothesis import strategies as st

ROWS, COLUMNS = st.integers(9, 500), st.integers(9, 1000)


@given(ROWS, st.booleans(), st.sampled_from(["f4", "f8"]), st.sampled_from(["poles", "no south pole", "half"]))
def test_latitudes_of_any_global_grid_are_found(n, flip, kind, form):
    """Rounded to float32 and in either order, they come back exact, and the values follow them."""
    exact = {
        "poles": regular_grid(n, 9)[0], "no south pole": regular_grid(n + 1, 9)[0][:-1],
        "half": 90 - (np.arange(n) + 0.5) * (180 / n),
    }[form]
    given_ = exact[::-1] if flip else exact
    turned = exact_latitudes(given_.astype(kind), "it")
    assert np.abs(turned.exact - exact).max() < 1e-12 and turned.flip is flip
    assert np.array_equal(turned.apply(np.arange(n), 0), np.arange(n)[::-1] if flip else np.arange(n))


@given(COLUMNS, st.integers(-999, 999), st.booleans(), st.sampled_from(["f4", "f8"]), st.sampled_from([0.0, 0.5]))
def test_longitudes_from_anywhere_are_found(n, start, flip, kind, offset):
    """Starting at any meridian, in either order: from the first at or after 0, with the values where they were."""
    step = 360 / n
    given_ = (np.arange(n) + start % n - n // 2 + offset) * step
    given_ = given_[::-1] if flip else given_
    turned = exact_longitudes(given_.astype(kind), "it")
    assert np.abs(turned.exact - (np.arange(n) + offset) * step).max() < 1e-9
    moved = turned.apply(given_, 0)
    around = (moved - turned.exact) / 360
    assert np.abs(around - np.rint(around)).max() < 1e-6


@given(ROWS, COLUMNS, st.integers(-999, 999))
def test_axes_in_thousandths_of_a_degree(rows, columns, start):
    """As GRIB1 has the ends: exact with the format's rounding, wherever they start; without it, fine steps are refused."""
    step = 360 / columns
    given_ = np.round((start % columns + np.array([0, columns - 1])) * step, 3)
    turned = exact_longitudes(np.linspace(*given_, columns), "it", 1e-3)
    assert np.abs(turned.exact - np.arange(columns) * step).max() < 1e-9 and turned.roll == -start % columns
    south = regular_grid(rows + 1, 9)[0][rows - 1]
    latitudes = exact_latitudes(np.linspace(90, round(south, 3), rows), "it", 1e-3).exact
    assert abs(latitudes[-1] - south) < 1e-9


def test_thousandths_of_a_degree_are_too_coarse_for_other_formats():
    with pytest.raises(UserError, match="uneven by more than"):
        exact_longitudes(np.linspace(0, 359.333, 540), "it")


@pytest.mark.parametrize(("longitudes", "said"), [
    (np.linspace(0, 58, 36), "in steps of 1.65714"), (np.arange(37) * 10.0, "the last column is the first one again"),
    (np.delete(np.arange(37) * 10.0, 5), "a step of 20 after 40 where others are 10"), (np.full(36, np.nan), "NaN"),
    (np.arange(36).reshape(6, 6) * 10.0, "shape \\(6, 6\\)"), (np.arange(35) * 10.0, "in steps of 10, which are 350 degrees of 360"),
])
def test_longitudes_that_are_refused(longitudes, said):
    with pytest.raises(UserError, match=said):
        exact_longitudes(longitudes, "it")


@pytest.mark.parametrize("rows", [19, 27, 51, 69, 73, 153, 451])
def test_aurora_encodes_the_positions_of_exact_grids(rows):
    """Also where a patch is centred on the equator, which 27, 51 or 69 rows of linspace miss by a rounding."""
    torch, encoding, fourier = (pytest.importorskip(name) for name in ("torch", "aurora.model.posencoding", "aurora.model.fourier"))
    kept = rows // 3 * 3
    exact = exact_latitudes(np.linspace(90, -90, rows), "it").exact
    for latitudes in (exact[:kept], exact_latitudes(90 - (np.arange(kept) + 0.5) * (180 / kept), "it").exact):
        found = encoding.pos_scale_enc(
            64, torch.tensor(latitudes), torch.arange(36, dtype=torch.float64) * 10, 3,
            pos_expansion=fourier.pos_expansion, scale_expansion=fourier.scale_expansion,
        )
        assert all(torch.isfinite(part).all() for part in found)
