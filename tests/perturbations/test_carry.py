"""A forecast's change in two parts: what the output carries, against its formula, and what the backbone does."""

import copy
import dataclasses

import numpy as np
import pytest
import torch
from aurora import AuroraAirPollution
from aurorascope.cams.variables import ATMOS, SURFACE
from aurorascope.perturbations.apply_changes import perturb
from aurorascope.perturbations.carry import forecast_fields, split_change
from aurorascope.perturbations.consistency import COLUMNS, PARTICLES
from aurorascope.perturbations.inputs import scales
from aurorascope.perturbations.operations import AddPlume, ScaleEmission, ScaleVariables
from aurorascope.perturbations.regions import Disk

DISK = Disk(30, 100, km=4000, taper_km=2000)
NAMES = [v.aurora for v in SURFACE + ATMOS]
LOOKUP = AuroraAirPollution._predict_difference_history_dim_lookup
PLUMES = [
    AddPlume("co", 3e11, DISK), AddPlume("no2", 3e9, DISK), AddPlume("so2", 1e9, DISK, levels=(500, 700)),
    AddPlume("pm2p5", 3e9, DISK, depth_m=1000),
]


def heads(model):
    decoder = model.decoder
    yield from decoder.surf_heads.items()
    yield from decoder.atmos_heads.items()


def only_carry(model):
    """The same model with decoder heads that answer 0 whatever they are given, so that forecasts are `prev`."""
    found = copy.deepcopy(model)
    for _, head in heads(found):
        for parameter in head.parameters():
            parameter.zero_()
    return found


@pytest.fixture(scope="module")
def changed(inputs):
    return perturb(inputs, PLUMES)[0]


@pytest.fixture(scope="module")
def split(model, inputs, changed):
    return split_change(model, inputs.batch(), changed.batch())


def test_both_parts_add_up_to_the_change_of_two_whole_forecasts(model, inputs, changed, split):
    with torch.inference_mode():
        clean, new = (forecast_fields(model(each.batch())) for each in (inputs, changed))
    for name in NAMES:
        total = new[name].astype(np.float64) - clean[name]
        np.testing.assert_array_equal(split.total[name], total)
        np.testing.assert_array_equal(split.clean[name], clean[name])
        np.testing.assert_allclose(split.carry[name] + split.backbone[name], total, atol=1e-13 * np.abs(clean[name]).max())
        assert np.abs(total).max() > 0
    assert "forward" not in vars(model.decoder)


def test_the_carry_is_the_change_of_prev_times_one_plus_the_clean_modulation(model, inputs, changed, split):
    kept = {}
    handle = model.decoder.register_forward_hook(lambda _module, _args, output: kept.update(output=output))
    try:
        with torch.inference_mode():
            model(inputs.batch())
    finally:
        handle.remove()
    decoded = {**kept["output"].surf_vars, **kept["output"].atmos_vars}
    for v in SURFACE + ATMOS:
        if v.aurora not in LOOKUP:
            assert not split.carry[v.aurora].any()
            continue
        place = LOOKUP[v.aurora]
        prev = changed.states[place][v.netcdf].values.astype(np.float64) - inputs.states[place][v.netcdf].values
        expected = (1 + decoded[f"{v.aurora}_mod"][0].double().numpy()) * prev[..., :18, :]
        # Rounding to float32 is of the forecasts at a level, not of their difference.
        unit = sum(np.abs(each).max(axis=(-2, -1), keepdims=True) for each in (split.clean[v.aurora], expected))
        assert (np.abs(split.carry[v.aurora] - expected) <= 1e-6 * unit).all()
        if v.aurora in ("co", "tcco", "no2", "tcno2", "so2", "tcso2", *PARTICLES):
            assert (np.abs(split.carry[v.aurora]) > 1e-4 * unit).any()


def test_a_model_that_only_carries_leaves_nothing_to_the_backbone(model, inputs, changed):
    split = split_change(only_carry(model), inputs.batch(), changed.batch())
    for v in SURFACE + ATMOS:
        assert not split.backbone[v.aurora].any()
        np.testing.assert_array_equal(split.carry[v.aurora], split.total[v.aurora])
    prev = changed.previous["pm2p5"].values.astype(np.float64) - inputs.previous["pm2p5"].values
    np.testing.assert_allclose(split.carry["pm2p5"], prev[:18], atol=1e-6 * inputs.previous["pm2p5"].values.max())


def test_heads_that_see_the_change_are_the_backbone_s(model, inputs, changed):
    """One head left in a model that only carries: the backbone's part is that variable's alone."""
    found = only_carry(model)
    for name, head in heads(found):
        if name == "co":
            head.load_state_dict(model.decoder.atmos_heads["co"].state_dict())
    split = split_change(found, inputs.batch(), changed.batch())
    assert {name for name in NAMES if split.backbone[name].any()} == {"co"}


def test_a_change_of_the_latest_time_alone_carries_no_particles(model, inputs):
    plumes = [AddPlume("pm2p5", 3e9, DISK, depth_m=1000, times="latest"), AddPlume("co", 3e10, DISK, times="latest")]
    split = split_change(model, inputs.batch(), perturb(inputs, plumes)[0].batch())
    assert {name for name in NAMES if split.carry[name].any()} == {"co", "tcco"}
    assert np.abs(split.backbone["pm2p5"]).max() > 0


@pytest.mark.parametrize("operation", [ScaleVariables(("t",), 1.02, DISK), ScaleEmission("static_nox", 2.0)])
def test_weather_and_emissions_are_not_carried(model, inputs, operation):
    split = split_change(model, inputs.batch(), perturb(inputs, [operation])[0].batch())
    for name in NAMES:
        assert not split.carry[name].any()
        np.testing.assert_array_equal(split.backbone[name], split.total[name])
    assert any(split.total[name].any() for name in NAMES)


def test_clipped_sulphur_dioxide_is_aurora_s_own(model, inputs):
    """Aurora clips its forecast of SO2 near the ground at one scale: what is carried beyond is lost there, not given to the backbone."""
    many = AddPlume("so2", 3e12, DISK, levels=(850, 925, 1000))
    split = split_change(only_carry(model), inputs.batch(), perturb(inputs, [many])[0].batch())
    low = [inputs.levels.index(level) for level in (850, 925, 1000)]
    assert not split.backbone["so2"].any()
    ceiling = scales("so2", (850, 925, 1000))
    forecast = (split.clean["so2"] + split.carry["so2"])[low]
    assert (forecast <= ceiling * (1 + 1e-5)).all() and (forecast >= ceiling * (1 - 1e-5)).any()
    assert set(COLUMNS.values()) <= set(LOOKUP)


def test_inputs_of_other_times_are_refused(model, inputs):
    other = dataclasses.replace(inputs, time="2022-06-02T12:00:00Z")
    with pytest.raises(ValueError, match="time"):
        split_change(model, inputs.batch(), other.batch())
