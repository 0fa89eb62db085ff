"""Forecast metrics against closed forms, the properties they must have, and where they must say nothing."""

import numpy as np
import pytest
import torch
from aurorascope.measures.fidelity.formulas import ABLATIONS, ALL_FORMULAS, CONDITIONS, FIDELITY_FORMULAS
from aurorascope.measures.fidelity.metrics import by_field, by_variable, headline
from aurorascope.measures.fidelity.sums import FORECASTS, ForecastSums, mean_square, row_areas
from aurorascope.tokens import token_grid
from hypothesis import given, settings
from hypothesis import strategies as st

LAT = np.linspace(90, -90, 19)
AREAS = row_areas(LAT)[:18]
FIELDS = 3


def snapshot(seed, scale=1.0, **changed):
    """A state, its analysis and all forecasts, (fields, 18, 36), as keyword arguments of `ForecastSums.add`."""
    rng = np.random.default_rng(seed)

    def made(spread):
        return torch.from_numpy((spread * rng.standard_normal((FIELDS, 18, 36))).astype(np.float32))

    state = made(1) + 5
    clean = state + made(0.5)
    spreads = {"sae": 0.05, "zero": 1.0, "mean": 0.6, "position_mean": 0.2}
    forecasts = {"clean": clean, **{name: clean + made(spread) for name, spread in spreads.items()}}
    found = {"state_vyx": state, "analysis_vyx": clean + made(0.3), "forecasts": forecasts} | changed
    return {key: {n: f * scale for n, f in value.items()} if key == "forecasts" else value if value is None else value * scale
            for key, value in found.items()}


def summed(*snapshots, weights=AREAS):
    sums = ForecastSums(weights, FIELDS)
    for each in snapshots:
        sums.add(**each)
    return sums


def same(a, b, rel=1e-12):
    for name in a:
        assert np.allclose(a[name], b[name], rtol=rel, atol=0, equal_nan=True), name


def test_rows_are_weighted_by_their_cells_area():
    """sin(north) - sin(south), half cells at the poles; all rows sum to 2, and patches agree with `TokenGrid.area`."""
    areas = row_areas(LAT)
    assert areas.sum() == pytest.approx(2, rel=1e-14)
    assert areas[0] == pytest.approx(1 - np.sin(np.deg2rad(85)), rel=1e-12)
    assert areas[9] == pytest.approx(2 * np.sin(np.deg2rad(5)), rel=1e-12)
    from aurorascope.blocks import BLOCKS

    grid = token_grid(BLOCKS[0], LAT, np.arange(36) * 10.0)
    by_patch = areas[:18].reshape(6, 3).sum(1)
    assert np.allclose(grid.area[0, :, 0], by_patch / by_patch.mean(), rtol=1e-12)


def test_mean_square_is_the_weighted_mean():
    """A difference of c everywhere has mean square c^2; one in a single row, the row's share of it."""
    a, b = torch.zeros(2, 18, 36), torch.zeros(2, 18, 36)
    a[0] += 3
    a[1, 4] += 2
    assert mean_square(a, b, AREAS) == pytest.approx([9, 4 * AREAS[4] / AREAS.sum()], rel=1e-14)


def test_closed_form():
    """Forecasts off by constants: D is their ratio to the tendency, fidelity follows from squares, RMSE from the sum."""
    state = torch.full((FIELDS, 18, 36), 10.0)
    clean = state + 2
    off = {"sae": 0.5, "zero": 4.0, "mean": 1.0, "position_mean": 0.25}
    forecasts = {"clean": clean, **{name: clean + value for name, value in off.items()}}
    found = by_field(summed({"state_vyx": state, "analysis_vyx": clean - 1, "forecasts": forecasts}))
    assert found["tendency"] == pytest.approx(2)
    assert found["divergence"] == pytest.approx(0.25) and found["divergence_zero"] == pytest.approx(2)
    assert found["fidelity_zero"] == pytest.approx(1 - (0.5 / 4) ** 2)
    assert found["fidelity_mean"] == pytest.approx(0.75) and found["fidelity_position_mean"] == pytest.approx(-3)
    assert found["rmse_clean"] == pytest.approx(1) and found["rmse_sae"] == pytest.approx(1.5)
    assert found["rmse_change"] == pytest.approx(0.5)
    assert found["loss_recovered_mean"] == pytest.approx((4 - 2.25) / (4 - 1))


def test_an_identity_has_fidelity_one_and_no_divergence():
    """Exactly, not nearly; and the error against the analysis is the clean one's."""
    each = snapshot(0)
    each["forecasts"]["sae"] = each["forecasts"]["clean"].clone()
    found = by_field(summed(each))
    assert (found["divergence"] == 0).all() and (found["rmse_change"] == 0).all()
    for name in ABLATIONS:
        assert (found[f"fidelity_{name}"] == 1).all() and (found[f"loss_recovered_{name}"] == 1).all()


@pytest.mark.parametrize("name", ABLATIONS)
def test_an_sae_that_is_an_ablation_has_fidelity_zero_against_it(name):
    each = snapshot(1)
    each["forecasts"]["sae"] = each["forecasts"][name]
    found = by_field(summed(each))
    assert (found[f"fidelity_{name}"] == 0).all() and (found[f"loss_recovered_{name}"] == 0).all()


@settings(max_examples=20, deadline=None)
@given(st.floats(1e-6, 1e6), st.sampled_from([2.0**-40, 2.0**20]), st.permutations(range(4)))
def test_scales_and_order_do_not_matter(weight, scale, order):
    """Weights of any scale, fields of any units, snapshots in any order: the same metrics."""
    snapshots = [snapshot(seed) for seed in range(4)]
    whole = by_field(summed(*snapshots))
    same(by_field(summed(*snapshots, weights=AREAS * weight)), whole)
    same(by_field(summed(*(snapshots[i] for i in order))), whole)
    scaled = by_field(summed(*(snapshot(seed, scale) for seed in range(4))))
    units = {"tendency", "rmse_clean", "rmse_sae"}
    same({n: v / scale if n in units else v for n, v in scaled.items()}, whole)


def test_a_constant_variable_gives_null_and_is_left_out_of_the_means():
    """No tendency, or one that is float32's rounding: NaN by field, null by variable, and the rest is as without it."""
    rounding = snapshot(3)
    whole = by_field(summed(snapshot(3)))
    for index, change in ((0, 0.0), (1, 1e-7)):
        for name in FORECASTS:
            rounding["forecasts"][name][index] = rounding["state_vyx"][index] * (1 + change)
        rounding["analysis_vyx"][index] = rounding["state_vyx"][index]
    sums = summed(rounding)
    found = by_field(sums)
    names = [n for n in found if n not in ("tendency", "rmse_clean", "rmse_sae")]
    for name in names:
        assert np.isnan(found[name][:2]).all() and found[name][2] == whole[name][2], name
    means, variables = headline(sums), by_variable(sums, ["a", "b", "c"])
    for name in set(names) & set(FIDELITY_FORMULAS):
        assert means[name] == found[name][2] == variables["c"][name]
        assert variables["a"][name] is None and variables["b"][name] is None


def test_small_denominators_give_null():
    """An ablation that hardly moves the forecast, or hardly hurts it, leaves nothing to recover; D is still published."""
    each = snapshot(4)
    clean = each["forecasts"]["clean"]
    each["forecasts"]["zero"] = clean + 1e-3 * (clean - each["state_vyx"])
    found = by_field(summed(each))
    assert np.isnan(found["fidelity_zero"]).all() and found["divergence_zero"] == pytest.approx(1e-3, rel=1e-3)
    assert np.isnan(found["loss_recovered_zero"]).all()
    assert headline(summed(each))["fidelity_zero"] is None


def test_without_an_analysis_there_is_no_error():
    """Snapshots without a verifying analysis count for divergence alone."""
    metrics = headline(summed(snapshot(5, analysis_vyx=None)))
    assert metrics["rmse_change"] is None and metrics["divergence"] is not None
    both = by_field(summed(snapshot(5, analysis_vyx=None), snapshot(6)))
    assert np.array_equal(both["rmse_change"], by_field(summed(snapshot(6)))["rmse_change"])


def test_every_metric_has_a_definition():
    """Nothing is measured without a formula, and no formula is without a number."""
    sums = summed(snapshot(7))
    assert list(headline(sums)) == list(FIDELITY_FORMULAS)
    assert set(by_field(sums)) == set(ALL_FORMULAS) - {"n_fidelity_snapshots"}
    assert set(sums.divergence_v) == set(CONDITIONS)
