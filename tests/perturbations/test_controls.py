"""Controls of a change: elsewhere, of another variable, of red noise, each as large as the change."""

import dataclasses

import numpy as np
import pytest
from aurorascope.errors import UserError
from aurorascope.perturbations.apply_changes import apply
from aurorascope.perturbations.checks import normalised_size
from aurorascope.perturbations.control_changes import controls
from aurorascope.perturbations.means import ReplaceByMean, position_mean
from aurorascope.perturbations.operations import AddPlume, ScaleEmission, ScaleVariables
from aurorascope.perturbations.regions import Band, Disk

DISK = Disk(30, 100, km=3000, taper_km=1000)


@pytest.mark.parametrize(("operation", "other"), [
    (ScaleVariables(("co",), 1.5, DISK), "u"),
    (ScaleVariables(("pm2p5",), 2.0, DISK, times="latest"), "co"),
    (AddPlume("no2", 1e9, DISK, levels=(850, 925)), "q"),
    (ScaleVariables(("t",), 0.9, DISK, levels=(500,)), "go3"),
])
def test_controls_are_as_large_as_the_change(inputs, operation, other):
    size = normalised_size(inputs, apply(inputs, [operation]))
    found, lines = controls(operation, inputs, other)
    assert list(found) == ["east", "other", "noise"] and lines == []
    for name in ("other", "noise"):
        changed = apply(inputs, [found[name]])
        assert normalised_size(inputs, changed) == pytest.approx(size, rel=2e-3)
        outside = DISK.weight(inputs.lat, inputs.lon) == 0
        for before, after in zip(inputs.states, changed.states, strict=True):
            assert all(np.array_equal(before[v].values[..., outside], after[v].values[..., outside]) for v in before.data_vars)
    assert other in apply(inputs, [found["other"]]).changed_names(inputs)
    assert apply(inputs, [found["noise"]]).changed_names(inputs) == apply(inputs, [operation]).changed_names(inputs)
    assert found["east"].region == Disk(30, 190, km=3000, taper_km=1000)


def test_an_emission_is_controlled_by_another_one(inputs):
    operation = ScaleEmission("static_nox", 2.0, DISK)
    found, lines = controls(operation, inputs, "static_co")
    assert list(found) == ["east", "other"] and lines == ["no control by red noise: emissions have none."]
    sizes = [normalised_size(inputs, apply(inputs, [each])) for each in (operation, found["other"])]
    assert sizes[1] == pytest.approx(sizes[0], rel=2e-3)


def test_a_band_has_no_control_elsewhere_and_a_mean_has_all(inputs):
    found, lines = controls(ScaleVariables(("t",), 1.01, Band(-10, 30)), inputs, "u")
    assert "east" not in found and "overlaps itself" in lines[0]
    mean = position_mean({"2022-06-01T00:00:00Z": inputs.current, "2022-06-01T12:00:00Z": inputs.previous})
    found, lines = controls(ReplaceByMean(("co",), mean, DISK), inputs, "u")
    assert list(found) == ["east", "other", "noise"] and lines == []


def test_a_variable_that_changes_already_is_no_control(inputs):
    for other in ("co", "tcco"):
        with pytest.raises(UserError, match="which change already"):
            controls(ScaleVariables(("co",), 1.5, DISK), inputs, other)
    with pytest.raises(UserError, match="a value that differs"):
        controls(ScaleVariables(("co",), 1.0, DISK), inputs, "u")


def test_a_variable_that_is_nothing_cannot_be_scaled_as_much(inputs):
    calm = dataclasses.replace(inputs, current=inputs.current.assign(v=inputs.current["v"] * 0))
    with pytest.raises(UserError, match="an amplitude that changes as much"):
        controls(ScaleVariables(("u",), 1.5, DISK, levels=(500,), times="latest"), calm, "v")
