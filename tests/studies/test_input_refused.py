"""What is refused of studies of changed inputs, and what is said, before anything of the model runs."""

import dataclasses

import numpy as np
import pytest
import torch
from aurorascope.errors import UserError
from aurorascope.perturbations import AnyOf, Band, Disk, position_mean
from aurorascope.perturbations.checks import CLAMP, FLOOR
from aurorascope.perturbations.inputs import find_variable
from aurorascope.studies import UnseenWarning, plan_input_study, read_input_study, run_input_study
from aurorascope.studies.input_arms import arms_of, n_forwards

from tests.studies import input_planted as planted

FEATURE = {"kind": "feature", "name": "reads", "block": planted.DEEP, "feature": 3}


@pytest.fixture
def refused(carrying, inputs_by_date):
    """The message of a study that is refused before the model's encoder runs."""

    def run(changes, saes=None, inputs=None):
        ran = []
        handle = carrying.encoder.register_forward_hook(lambda *_: ran.append(1))
        try:
            with pytest.raises(UserError) as caught:
                saes = {planted.DEEP: planted.reading()} if saes is None else saes
                run_input_study(read_input_study(planted.given(**changes)), carrying, saes, inputs or inputs_by_date)
        finally:
            handle.remove()
        assert not ran
        return str(caught.value)

    return run


def change(kind, **keys):
    return {"perturb": [{kind: keys}], "n_controls": 1, "dates": [planted.DATES[0]]}


def scaled(**keys):
    return change("scale", **{"variables": ["co"], "factor": 1.5, **keys})


@pytest.mark.parametrize(("changes", "words"), [
    ({"pertub": []}, "take perturb"),
    ({"name": None}, "add the key name"),
    ({"perturb": []}, "at least one"),
    ({"perturb": {"scale": {}}}, "at least one"),
    (change("scal"), "take scale"),
    (change("scale", variables=["co"], facter=2), "take factor"),
    (change("scale", variables=["co"]), "add the key factor"),
    (scaled(variables=["c0"]), "take co"),
    (scaled(variables=[]), "at least one"),
    (scaled(factor="many"), "a finite number"),
    (scaled(factor=float("nan")), "a finite number"),
    (scaled(factor=-1), "0 or more"),
    (scaled(factor="1e300"), "factor: expected a number of size 1e+06 at most"),
    (change("add_red_noise", variables=["co"], amplitude="1e300"), "amplitude: expected a number of size 1e+06 at most"),
    (change("scale_emission", emission="static_nox", factor="1e300"), "factor: expected a number of size 1e+06 at most"),
    (scaled(variables=["t"], factor=-0.5), "factor of t: expected a number of 0 or more"),
    (scaled(variables=["t2m"], factor=-0.5), "factor of t2m: expected a number of 0 or more"),
    (scaled(variables=["q"], factor=-0.5), "factor of q: expected a number of 0 or more"),
    (scaled(variables=["msl"], factor=-0.5), "factor of msl: expected a number of 0 or more"),
    (scaled(variables=["2t"], levels=[850]), "levels: expected none, since t2m is a variable of the surface, found 850"),
    (scaled(variables=["t", "u10"], levels=[850]), "levels: expected none, since u10 is a variable of the surface"),
    (scaled(variables=["co", "tcco"], levels=[850], consistent=False), "levels: expected none, since tcco"),
    (change("add_plume", variable="pm10", kg=1e3, depth_m=1000, levels=[850], region=planted.DISK), "levels: expected none, since pm10"),
    (scaled(levels=[850, 850]), "levels: expected each level once"),
    (scaled(variables=["co", "co"]), "variables: expected each variable once, found co twice"),
    (scaled(variables=["t2m", "2t"]), "variables: expected each variable once, found t2m twice"),
    (change("add_plume", variable="co", kg="1e16", region=planted.DISK), "kg of air that it lies in, found 1e+16 kg"),
    (change("add_plume", variable="pm10", kg="1e15", depth_m="1e2", region=planted.DISK), "kg of air that it lies in, found 1e+15 kg"),
    (change("add_plume", variable="co", kg="1e300", region=planted.DISK), "kg: expected a number of size 3.4e+38 at most"),
    (scaled(times="last"), "both or latest"),
    (scaled(levels=["850"]), "whole numbers"),
    (scaled(levels=[875]), "875, which they do not have"),
    (scaled(consistent="no"), "true or false"),
    (scaled(depth_m=100), "take"),
    (scaled(region={"disc": [1, 2, 3]}), "take disk"),
    (scaled(region={"taper_km": 100}), "found none"),
    (scaled(region={"disk": [0, 0, 100], "band": [0, 1]}), "disk, band"),
    (scaled(region={"disk": [0, 0]}), "3 numbers: lat, lon, km"),
    (scaled(region={"disk": [0, 0, 100], "taper_km": 200}), "taper_km"),
    (scaled(region={"disk": [45, 5, 10]}), "a finite value that differs"),
    (scaled(factor=1), "scale, factor: expected a number other than 1"),
    (change("add_plume", variable="co", kg=1e9), "add the key region"),
    (change("add_plume", variable="co", kg=0, region=planted.DISK), "add_plume, kg: expected a number other than 0"),
    (change("add_plume", variable="t", kg=1e9, region=planted.DISK), "correct variable"),
    (change("add_plume", variable="co", kg=-1e15, region=planted.DISK), "no more taken away"),
    (change("scale_emission", emission="nox", factor=2), "no such field"),
    (change("replace_by_mean", variables=["co"]), "means of states"),
    ({"dates": ["2022-6-1"]}, "YYYY-MM-DD"),
    ({"dates": ["2022-06-03"]}, "one of 2022-06-01, 2022-06-02"),
    ({"blocks": ["encoder_s0_c2"]}, "take encoder_s0_b2"),
    ({"blocks": [planted.DEEP] * 2}, "each block once"),
    ({"blocks": [planted.BLOCK], **scaled()}, f"the SAE of {planted.BLOCK}"),
    ({"steps": 0}, "at least 1"),
    ({"n_controls": 0}, "at least 1"),
    ({"expected_sign": 2}, "1, -1 or none"),
    ({"others": ["ozone"]}, "no such name"),
    ({"others": ["xx"]}, "Next: take one of these"),
    ({"others": ["co", "co"]}, "others: expected each variable once"),
    ({"name": "../../x"}, "the study, name: expected a name of letters"),
    ({"others": ["tcno2"]}, "which change already"),
    ({**change("scale_emission", emission="static_co", factor=2), "others": ["co"]}, "take static_co"),
    ({"outcomes": [planted.SMOKE] * 2}, "each name once"),
    ({"outcomes": [{**planted.SMOKE, "level": 875}], **scaled()}, "level of no2"),
    ({"outcomes": [{**planted.SMOKE, "region": {"label": "dust"}}], **scaled()}, "a folder of labels"),
    ({"outcomes": [{**planted.SMOKE, "region": {"disk": [2.0, 3.0, 1.0]}}], **scaled()}, "at least one cell"),
    ({"outcomes": [{**FEATURE, "feature": 99}], **scaled()}, "features 0 to 63"),
])
def test_bad_input_is_refused_before_any_forward(refused, changes, words):
    assert words in refused(changes)


def test_inputs_of_another_date_or_grid_and_other_saes_are_refused(refused, inputs_by_date):
    first, second = planted.DATES[:2]
    assert "each date its own" in refused({}, inputs={**inputs_by_date, first: inputs_by_date[second]})
    narrow = planted.reading()
    narrow = type(narrow).from_tensors({name: tensor.detach()[:16] if name == "W_enc" else tensor.detach()[..., :16] if name in ("W_dec", "b_dec") else tensor.detach()
                                        for name, tensor in narrow.state_dict().items()})
    assert "one of 32 channels" in refused({"blocks": [planted.DEEP], **scaled()}, saes={planted.DEEP: narrow})
    other = inputs_by_date[second]
    fewer = dataclasses.replace(
        other, previous=other.previous.isel(longitude=slice(0, 18)), current=other.current.isel(longitude=slice(0, 18)),
        static={name: field[:, :18] for name, field in other.static.items()},
    )
    asked = {**scaled(), "dates": [first, second]}
    assert "the grid of" in refused(asked, inputs={**inputs_by_date, second: fewer})


def test_regions_and_numbers_are_read_as_they_are_written():
    """1e9 without a dot is text to YAML."""
    first = {"add_plume": {"variable": "co", "kg": "1e9", "region": planted.DISK}}
    second = {"scale": {"variables": "t", "factor": 1.1, "region": {"band": [-10, 10]}, "levels": [500], "times": "latest", "consistent": False}}
    asked = planted.study(perturb=[first, second])
    plume, scale = asked.operations()
    assert plume.kg == 1e9 and plume.region == Disk(30, 100, km=4000, taper_km=2000)
    assert (scale.factor, scale.levels, scale.times, scale.consistent) == (1.1, (500,), "latest", False)
    assert asked.region == AnyOf((plume.region, Band(-10, 10))) and not asked.needs_mean
    half, moved = asked.operations(-0.5)[1], asked.operations(degrees=90)[0]
    assert half.factor == pytest.approx(0.95) and moved.region == Disk(30, 190, km=4000, taper_km=2000)
    assert planted.study(perturb=[{"scale_emission": {"emission": "static_nox", "factor": 3}}]).operations(0.5)[0].factor == 2


def test_a_replacement_goes_a_part_of_the_way_and_its_reverse_away_from_the_mean(inputs_by_date):
    date = planted.DATES[0]
    inputs = inputs_by_date[date]
    mean = position_mean({"2022-06-01T00:00:00Z": inputs.previous * 1.1, "2022-06-01T12:00:00Z": inputs.current * 1.1})
    asked = planted.study(perturb=[{"replace_by_mean": {"variables": ["t"], "region": planted.DISK}}], dates=[date], n_controls=1)
    assert asked.needs_mean
    plan = plan_input_study(asked, inputs_by_date, mean)
    (half,) = plan.operations[date, "reverse_0.5"]
    weight = half.region.weight(inputs.lat, inputs.lon)
    np.testing.assert_allclose(half.new_values(inputs, 1)["t"], inputs.current["t"].values.astype(np.float64) * (1 - 0.05 * weight), rtol=1e-6)
    assert plan.sizes[date, "reverse_0.5"] == pytest.approx(plan.sizes[date, "change_1"] / 2, rel=1e-4)


def test_emissions_have_other_emissions_and_noise_as_controls(inputs_by_date):
    perturb = [{"scale_emission": {"emission": "static_nox", "factor": 2, "region": planted.DISK}}]
    asked = planted.study(perturb=perturb, dates=planted.DATES[:1], n_controls=8)
    plan = plan_input_study(asked, inputs_by_date)
    names = [arm.name for arm in plan.arms if arm.kind == "other"]
    assert names == ["other_static_ammonia", "other_static_co", "other_static_so2"] and sum(arm.kind == "noise" for arm in plan.arms) == 8
    whole = plan.sizes[planted.DATES[0], "change_1"]
    assert all(plan.sizes[planted.DATES[0], name] == pytest.approx(whole, rel=1.1e-3) for name in [*names, "noise_03"])
    # Half of the emission away is -0.3 in its logarithm, all of it down to the floor; twice is +0.3.
    assert plan.sizes[planted.DATES[0], "reverse_1"] > 2 * whole


@pytest.mark.parametrize(("changes", "others"), [
    ([{"scale": {"variables": ["co"], "factor": 2}}], ["go3"]),
    ([{"scale": {"variables": ["co"], "factor": 2}}, {"scale": {"variables": ["gtco3"], "factor": 2, "consistent": False}}], ["go3"]),
    ([{"scale": {"variables": ["co", "go3"], "factor": 2}}], ["t"]),
    ([{"scale": {"variables": ["co", "go3", "t"], "factor": 1.1}}], []),
    ([{"scale_emission": {"emission": "static_so2", "factor": 2}}], ["static_ammonia", "static_co", "static_nox"]),
    ([{"scale_emission": {"emission": "static_so2", "factor": 2}}, {"scale": {"variables": ["pm1"], "factor": 2}}], ["co"]),
])
def test_another_variable_is_one_that_stays(changes, others):
    assert [arm.label for arm in arms_of(planted.study(perturb=changes)) if arm.kind == "other"] == others


def test_controls_that_there_are_none_of_are_said(inputs_by_date):
    """A band meets itself when it is moved; a whole emission cannot be taken away twice."""
    perturb = [{"scale": {"variables": ["t"], "factor": 1.01, "region": {"band": [-20, 20]}}}]
    asked = planted.study(perturb=perturb, dates=planted.DATES[:1], n_controls=8)
    plan = plan_input_study(asked, inputs_by_date)
    assert set(plan.arms) < set(arms_of(asked)) and n_forwards(asked) == 1 * (2 + 6 + 3 + 1 + 8) + 2
    assert list(plan.absent) == ["moved_090", "moved_180", "moved_270"] and "overlaps" in plan.absent["moved_090"]
    assert [arm.name for arm in plan.arms if arm.kind == "other"] == ["other_co"]


def low(inputs):
    """NO2 below the encoder's floor, wherever it was."""
    scale = find_variable("no2").stats(500)[1]
    states = [state.assign(no2=state["no2"] * 0 + np.float32(FLOOR / 4 * scale)) for state in inputs.states]
    return dataclasses.replace(inputs, previous=states[0], current=states[1])


LOW = {"perturb": [{"scale": {"variables": ["no2"], "factor": 1.5, "region": planted.DISK, "levels": [500], "consistent": False}}]}


def test_a_change_below_the_floor_on_all_dates_is_refused_and_on_some_is_said(refused, inputs_by_date):
    first, second, third = planted.DATES
    below = {date: low(inputs) for date, inputs in inputs_by_date.items()}
    assert "above the encoder's floor" in refused(LOW, inputs=below)
    asked = planted.study(**LOW, n_controls=1, dates=list(planted.DATES))
    plan = plan_input_study(asked, {first: inputs_by_date[first], second: below[second], third: below[third]})
    assert [plan.exposure[date] > 0 for date in planted.DATES] == [True, False, False]
    assert [line[:10] for line in plan.lines if "stays below it" in line] == [second, third]


def test_a_change_above_the_clamp_everywhere_is_no_exposure(carrying, inputs_by_date):
    """Though the output skip carries it: the effect is there, and so is the word."""
    scale = find_variable("pm2p5").stats()[1]
    high = {}
    for date, inputs in inputs_by_date.items():
        states = [state.assign(pm2p5=state["pm2p5"] * 0 + np.float32(2 * CLAMP * scale)) for state in inputs.states]
        high[date] = dataclasses.replace(inputs, previous=states[0], current=states[1])
    outcome = {"kind": "linear", "name": "haze", "variable": "10u", "region": {"disk": [30.0, 100.0, 5000.0]}}
    asked = scaled(variables=["pm2p5"], region=planted.DISK, consistent=False)
    with pytest.warns(UnseenWarning, match="100%"), torch.inference_mode():
        found = run_input_study(read_input_study(planted.given(**asked | {"outcomes": [outcome]})), carrying, {}, high).summary
    assert found["word"] == "no exposure" and found["exposure"] == {planted.DATES[0]: 0}


@pytest.mark.parametrize("changes", [
    scaled(variables=["u", "10u"], factor=-1), scaled(variables=["z"], factor=-1), scaled(variables=["co", "tcco"], levels=[850]),
    change("add_plume", variable="pm10", kg="1e9", depth_m=1000, region=planted.DISK),
])
def test_what_can_be_is_taken(changes):
    """Winds may turn round, and a column follows its levels."""
    planted.study(**changes)
