"""Changes of states and static fields: what moves, by how much, what stays, and what the encoder does not see of it."""

import dataclasses

import numpy as np
import pytest
import torch
import xarray as xr
from aurorascope.cams.demo import demo_state
from aurorascope.cams.variables import ATMOS, LEVELS, SURFACE
from aurorascope.config.calendar import parse
from aurorascope.errors import UserError
from aurorascope.perturbations.apply_changes import perturb
from aurorascope.perturbations.checks import CLAMP, FLOOR, encoder_input, normalised_size, unseen
from aurorascope.perturbations.consistency import COLUMNS, PARTICLES, level_masses
from aurorascope.perturbations.inputs import find_variable
from aurorascope.perturbations.means import ReplaceByMean, position_mean
from aurorascope.perturbations.noise import AddRedNoise
from aurorascope.perturbations.operations import AddPlume, ScaleEmission, ScaleVariables
from aurorascope.perturbations.regions import Band, Box, Disk, Everywhere

DISK = Disk(40, 280, km=3000, taper_km=1500)
ALL = {v.netcdf for v in SURFACE + ATMOS}


def changed(before, after):
    return {
        (place, name) for place in (0, 1) for name in ALL
        if not np.array_equal(before.states[place][name].values, after.states[place][name].values)
    }


def change(before, after, place, name):
    old, new = (inputs.states[place][name].values.astype(np.float64) for inputs in (before, after))
    return new - old


def both(*names):
    return {(place, name) for place in (0, 1) for name in names}


def test_scaling_multiplies_inside_and_leaves_every_bit_outside(inputs):
    found, lines = perturb(inputs, [ScaleVariables(("2t", "u"), 1.1, DISK, consistent=False)])
    assert changed(inputs, found) == both("t2m", "u")
    weight = DISK.weight(inputs.lat, inputs.lon)
    for name in ("t2m", "u"):
        old, new = inputs.current[name].values, found.current[name].values
        np.testing.assert_allclose(new, old.astype(np.float64) * (1 + 0.1 * weight), rtol=2e-7)
        np.testing.assert_array_equal(new[..., weight == 0], old[..., weight == 0])
        assert new.dtype == np.float32
    assert lines == []
    assert found.batch().surf_vars["2t"].shape == (1, 2, 19, 36)


def test_levels_and_times_that_were_not_asked_for_stay(inputs):
    found, _ = perturb(inputs, [ScaleVariables(("t",), 1.01, levels=(850, 500), times="latest")])
    assert changed(inputs, found) == {(1, "t")}
    moved = (change(inputs, found, 1, "t") != 0).any(axis=(1, 2))
    assert [level for level, is_moved in zip(inputs.levels, moved, strict=True) if is_moved] == [500, 850]


@pytest.mark.parametrize("gas", list(COLUMNS))
@pytest.mark.parametrize("times", ["both", "latest"])
def test_columns_move_with_their_levels(inputs, gas, times):
    found, _ = perturb(inputs, [ScaleVariables((gas,), 1.2, DISK, times=times)])
    places = (0, 1) if times == "both" else (1,)
    assert changed(inputs, found) == {(place, name) for place in places for name in (gas, COLUMNS[gas])}
    for place in places:
        state = inputs.states[place]
        mass = level_masses(inputs.levels, state["z"].values, inputs.static["z"])
        expected = (change(inputs, found, place, gas) * mass).sum(axis=0)
        column = state[COLUMNS[gas]].values
        error = np.abs(change(inputs, found, place, COLUMNS[gas]) - expected)
        assert (error <= 1e-6 * column).all()
        assert np.abs(expected).max() > 1e-3 * column.max()


def test_without_consistency_only_what_is_named_moves(inputs):
    found, _ = perturb(inputs, [ScaleVariables(("co", "pm2p5"), 1.2, DISK, consistent=False)])
    assert changed(inputs, found) == both("co", "pm2p5")


def test_a_column_alone_is_refused_unless_it_need_not_be_consistent(inputs):
    with pytest.raises(UserError, match="its column follows"):
        ScaleVariables(("tcco",), 1.2)
    found, _ = perturb(inputs, [ScaleVariables(("tcco",), 1.2, consistent=False)])
    assert changed(inputs, found) == both("tcco")


@pytest.mark.parametrize("operation", [
    ScaleVariables(("pm2p5",), 1.7, DISK), ScaleVariables(("pm1",), 0.0, DISK), AddPlume("pm2p5", 1e9, DISK, depth_m=1000),
    AddPlume("pm10", 1e9, DISK, depth_m=1000), AddRedNoise(("pm10",), 0.7, DISK),
])
def test_particles_keep_their_order(inputs, operation):
    found, _ = perturb(inputs, [operation])
    assert changed(inputs, found) == both(*PARTICLES)
    for state in found.states:
        pm1, pm2p5, pm10 = (state[size].values for size in PARTICLES)
        assert ((pm1 <= pm2p5) & (pm2p5 <= pm10) & (pm1 >= 0)).all()


@pytest.mark.parametrize("kg", [3e9, -3e8])
def test_a_plume_has_its_mass_in_levels_and_in_the_column(inputs, kg):
    plume = AddPlume("co", kg, DISK, levels=(700, 850, 925))
    found, _ = perturb(inputs, [plume])
    assert changed(inputs, found) == both("co", "tcco")
    area = inputs.area_y[:, None]
    assert inputs.area_y.sum() * 36 == pytest.approx(4 * np.pi * 6.371e6**2, rel=1e-7)
    for place in (0, 1):
        mass = level_masses(inputs.levels, inputs.states[place]["z"].values, inputs.static["z"])
        moved = change(inputs, found, place, "co")
        # Rounding to float32 is of the values, not of the change.
        assert (moved * mass * area).sum() == pytest.approx(kg, rel=1e-4)
        assert (change(inputs, found, place, "tcco") * area).sum() == pytest.approx(kg, rel=1e-3)
        assert not moved[mass == 0].any()
        at = [inputs.levels.index(level) for level in (700, 850, 925)]
        assert not np.delete(moved, at, axis=0).any()


def test_a_plume_of_particles_has_its_mass_in_its_layer(inputs):
    found, _ = perturb(inputs, [AddPlume("pm2p5", 1e9, DISK, depth_m=800)])
    mass = (change(inputs, found, 1, "pm2p5") * 800 * inputs.area_y[:, None]).sum()
    assert mass == pytest.approx(1e9, rel=1e-5)


def test_more_than_there_is_cannot_be_taken_away(inputs):
    with pytest.raises(UserError, match="less than nothing"):
        perturb(inputs, [AddPlume("co", -1e15, DISK)])


def test_a_plume_needs_air(inputs):
    high = int(np.argmax(inputs.static["z"]))
    row, column = divmod(high, 36)
    with pytest.raises(UserError, match="air to hold it"):
        perturb(inputs, [AddPlume("co", 1e9, Disk(inputs.lat[row], inputs.lon[column], 100), levels=(1000,))])


def test_replacing_moves_to_the_mean_of_the_hour(inputs):
    times = ["2022-03-01T00:00:00Z", "2022-03-01T12:00:00Z", "2022-08-01T00:00:00Z", "2022-08-01T12:00:00Z"]
    states = {time: demo_state(parse(time), inputs.lat, inputs.lon, LEVELS) for time in times}
    mean = position_mean(states)
    xr.testing.assert_identical(mean, position_mean(dict(reversed(states.items()))))
    found, _ = perturb(inputs, [ReplaceByMean(("t", "pm10"), mean, Box(-20, 20, 0, 360))])
    assert changed(inputs, found) == both("t", *PARTICLES)
    inside = np.abs(inputs.lat) <= 20
    for place, pair in ((0, (times[0], times[2])), (1, (times[1], times[3]))):
        expected = sum(states[time]["t"].values.astype(np.float64) for time in pair) / 2
        np.testing.assert_allclose(found.states[place]["t"].values[:, inside], expected[:, inside], rtol=1e-7)
    with pytest.raises(UserError, match="states of 0 UTC"):
        perturb(inputs, [ReplaceByMean(("t",), mean.sel(hour=[12]))])


@pytest.mark.parametrize("factor", [0.0, 0.5, 3.0])
def test_an_emission_and_its_logarithm_move_together(inputs, factor):
    region = Disk(39, 115, km=2500, taper_km=1000)
    found, lines = perturb(inputs, [ScaleEmission("static_nox", factor, region)])
    assert changed(inputs, found) == set()
    assert {name for name in inputs.static if not np.array_equal(inputs.static[name], found.static[name])} == {
        "static_nox", "static_nox_log"
    }
    weight = region.weight(inputs.lat, inputs.lon)
    old, new = inputs.static["static_nox"].astype(np.float64), found.static["static_nox"]
    np.testing.assert_allclose(new, old * (1 + (factor - 1) * weight), rtol=1e-6)
    np.testing.assert_allclose(found.static["static_nox_log"], np.log10(np.maximum(new, old.min())), atol=2e-3)
    assert (found.static["static_nox_log"][weight == 0] == inputs.static["static_nox_log"][weight == 0]).all()
    assert lines == []
    batch = found.batch()
    np.testing.assert_array_equal(batch.static_vars["static_nox_log"].numpy(), found.static["static_nox_log"])


def test_operations_follow_each_other(inputs):
    twice, _ = perturb(inputs, [ScaleVariables(("t",), 1.01), ScaleVariables(("t",), 1.02)])
    once, _ = perturb(inputs, [ScaleVariables(("t",), 1.01 * 1.02)])
    np.testing.assert_allclose(twice.current["t"].values, once.current["t"].values, rtol=2e-7)


def test_our_transform_of_composition_is_the_encoder_s(model):
    """Its floor and its clamp are constants inside of a function: each of its two parts is had by weights of 1 and 0."""
    z = torch.logspace(-7, 2, 400)
    state = {name: parameter.clone() for name, parameter in model.surf_feature_combiner["pm1"].named_parameters()}
    combiner = model.surf_feature_combiner["pm1"]

    @dataclasses.dataclass
    class Holder:
        surf_vars: dict
        atmos_vars: dict

    try:
        combiner.bias.zero_()
        for part, weights in enumerate(([1.0, 0.0], [0.0, 1.0])):
            combiner.weight.copy_(torch.tensor([weights]))
            found = model._pre_encoder_hook(Holder({"pm1": z}, {})).surf_vars["pm1"]
            np.testing.assert_allclose(found.numpy(), encoder_input(z.numpy())[part], atol=1e-6)
    finally:
        for name, values in state.items():
            dict(combiner.named_parameters())[name].copy_(values)


def test_what_lies_above_the_clamp_is_said(inputs):
    scale = find_variable("pm2p5").stats()[1]
    current = inputs.current.assign(pm2p5=inputs.current["pm2p5"] * 0 + np.float32(2 * CLAMP * scale))
    high = dataclasses.replace(inputs, current=current)
    _, lines = perturb(high, [ScaleVariables(("pm2p5",), 1.1, DISK, times="latest", consistent=False)])
    assert lines == [
        "pm2p5: of the area that changes, 100% (t) lies above 2.5 times Aurora's scale, where the encoder sees only the logarithm of a change."
    ]


def test_a_change_across_the_clamp_is_seen(inputs):
    scale = find_variable("pm2p5").stats()[1]
    current = inputs.current.assign(pm2p5=inputs.current["pm2p5"] * 0 + np.float32(2.4 * scale))
    below = dataclasses.replace(inputs, current=current)
    assert perturb(below, [ScaleVariables(("pm2p5",), 1.1, DISK, times="latest", consistent=False)])[1] == []


def test_what_stays_below_the_floor_is_refused_and_what_does_in_part_is_said(inputs):
    scale = find_variable("so2").stats(500)[1]
    values = inputs.current["so2"].values.copy()
    values[inputs.levels.index(500)] = FLOOR / 4 * scale
    low = dataclasses.replace(inputs, current=inputs.current.assign(so2=inputs.current["so2"].copy(data=values)))
    small = ScaleVariables(("so2",), 2.0, DISK, levels=(500,), times="latest", consistent=False)
    with pytest.raises(UserError, match="floor"):
        perturb(low, [small])
    _, lines = perturb(low, [dataclasses.replace(small, levels=(500, 850))])
    assert [line for line in lines if "below" in line] == [
        "so2: of the area that changes, 100% (500 hPa, t) lies below 0.0001 times Aurora's scale, where the encoder hardly sees a change."
    ]
    _, lines = perturb(low, [dataclasses.replace(small, factor=5.0, region=Everywhere())])
    assert not [line for line in lines if "below" in line]


def test_an_emission_whose_logarithm_stays_is_not_seen(inputs):
    """Aurora's scale of emissions is 1, and theirs are 1e-9."""
    static = {**inputs.static, "static_co": inputs.static["static_co"].copy()}
    nothing = static["static_co"] < 1e-12
    static["static_co"][nothing] = 0
    static["static_co_log"] = np.log10(np.maximum(static["static_co"], 1e-12)).astype(np.float32)
    static["static_co"][nothing] = 1e-14
    empty = dataclasses.replace(inputs, static=static)
    row, column = (int(axis[0]) for axis in np.nonzero(nothing & np.roll(nothing, 1, 1) & np.roll(nothing, -1, 1)))
    region = Disk(inputs.lat[row], inputs.lon[column], 10)
    with pytest.raises(UserError, match="floor"):
        perturb(empty, [ScaleEmission("static_co", 2.0, region)])
    found, _ = perturb(empty, [ScaleEmission("static_co", 1000.0, region)])
    assert found.static["static_co_log"][row, column] == pytest.approx(-11, abs=0.01)


def test_a_column_that_its_levels_empty_is_said(inputs):
    found, lines = perturb(inputs, [ScaleVariables(("no",), 0.0, Band(0, 90))])
    n = sum(int(((old["tc_no"].values > 0) & (new["tc_no"].values <= 0)).sum()) for old, new in zip(inputs.states, found.states, strict=True))
    assert n > 0
    assert [line for line in lines if "tc_no: at" in line] == [
        f"tc_no: at {n} places the levels lose all that the column holds, or more; it is 0 there."
    ]
    assert all((state["tc_no"].values >= 0).all() for state in found.states)


@pytest.mark.parametrize("operation", [
    ScaleVariables(("t",), 1.0), ScaleVariables(("t",), 1.1, Disk(45, 5, 10)), ScaleEmission("static_co", 1.0), AddRedNoise(("t",), 0.0),
])
def test_a_change_of_nothing_is_refused(inputs, operation):
    with pytest.raises(UserError, match="a value that differs"):
        perturb(inputs, [operation])


def test_the_size_of_a_change_is_its_root_mean_square(inputs):
    found, _ = perturb(inputs, [ScaleVariables(("2t",), 1.1, Everywhere())])
    weights = inputs.area_y[:, None] / (inputs.area_y.sum() * 36)
    expected = sum((np.square(0.1 * state["t2m"].values / find_variable("2t").stats()[1]) * weights).sum() for state in inputs.states)
    assert normalised_size(inputs, found) == pytest.approx(np.sqrt(expected), rel=1e-5)
    assert normalised_size(inputs, inputs) == 0
    assert unseen(inputs, found) == []


@pytest.mark.parametrize("make", [
    lambda: ScaleVariables(("pm25",), 2.0), lambda: ScaleVariables((), 2.0), lambda: ScaleVariables(("co",), -1.0),
    lambda: ScaleVariables(("t",), float("nan")), lambda: ScaleVariables(("t",), 2.0, times="first"),
    lambda: AddPlume("t", 1e9, DISK), lambda: AddPlume("co", 1e9, DISK, depth_m=100), lambda: AddPlume("pm1", 1e9, DISK),
    lambda: AddPlume("co", float("inf"), DISK), lambda: ScaleEmission("nox", 2.0), lambda: ScaleEmission("static_co", -1.0),
    lambda: AddRedNoise(("t",), -1.0),
])
def test_settings_that_mean_nothing_are_refused(make):
    with pytest.raises(UserError):
        make()


def test_an_unknown_name_is_told_the_nearest_and_an_unknown_level_those_that_are_there(inputs):
    with pytest.raises(UserError, match="take pm2p5"):
        ScaleVariables(("pm25",), 2.0)
    with pytest.raises(UserError, match="875, which they do not have"):
        perturb(inputs, [ScaleVariables(("t",), 2.0, levels=(875, 850))])
