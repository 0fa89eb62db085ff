"""Controls of a change: elsewhere, of another variable, of red noise, each as large as the change."""

import dataclasses

import numpy as np
import pytest
from aurorascope.errors import UserError
from aurorascope.perturbations.apply_changes import apply
from aurorascope.perturbations.checks import normalised_size
from aurorascope.perturbations.control_changes import controls, matched_amplitude, noise_instead
from aurorascope.perturbations.means import ReplaceByMean, position_mean
from aurorascope.perturbations.noise import noise_of
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


def test_an_emission_is_controlled_by_another_one_and_by_noise(inputs):
    operation = ScaleEmission("static_nox", 2.0, DISK)
    found, lines = controls(operation, inputs, "static_co")
    assert list(found) == ["east", "other", "noise"] and lines == []
    size, *others = (normalised_size(inputs, apply(inputs, [each])) for each in (operation, found["other"], found["noise"]))
    assert others == pytest.approx([size, size], rel=2e-3)
    noisy = apply(inputs, [found["noise"]])
    assert {name for name in inputs.static if not np.array_equal(inputs.static[name], noisy.static[name])} == {
        "static_nox", "static_nox_log"
    }
    assert (noisy.static["static_nox"] > 0).all()
    outside = DISK.weight(inputs.lat, inputs.lon) == 0
    assert all(np.array_equal(noisy.static[name][outside], inputs.static[name][outside]) for name in noisy.static)


def test_draws_of_noise_differ_and_the_same_draw_is_the_same_bits(inputs):
    """Neither draws of one seed, nor the same draw of two seeds, nor the label's noise go together."""
    fields = [noise_of(inputs, seed, draw) for seed, draw in ((0, None), (0, 0), (0, 1), (1, 0))]
    np.testing.assert_array_equal(noise_of(inputs, 0, 1), fields[2])
    assert (np.abs(np.corrcoef([each.reshape(-1) for each in fields]) - np.eye(4)) < 0.5).all()
    found = [apply(inputs, [noise_instead(ScaleVariables(("co",), 1.5, DISK), 0.3, 7, draw)]).current["co"].values for draw in (0, 1)]
    assert not np.array_equal(*found)


def test_an_amplitude_is_of_all_operations_together(inputs):
    operations = [ScaleVariables(("co",), 1.5, DISK), ScaleEmission("static_nox", 2.0, DISK)]
    size = normalised_size(inputs, apply(inputs, operations))
    amplitude = matched_amplitude(lambda a: [noise_instead(each, a, 0, 3) for each in operations], inputs, size)
    found = apply(inputs, [noise_instead(each, amplitude, 0, 3) for each in operations])
    assert normalised_size(inputs, found) == pytest.approx(size, rel=2e-3)
    assert found.changed_names(inputs) == ["co", "tcco"] and not np.array_equal(found.static["static_nox"], inputs.static["static_nox"])


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


def test_noise_that_only_takes_away_is_never_as_large_as_a_tenfold_amount(inputs):
    """Of twenty draws some are below 0 all over a disk of 1500 km; there they end at nothing; others reach it."""
    operation = ScaleVariables(("co",), 10.0, Disk(30, 100, km=1500))
    size, reached = normalised_size(inputs, apply(inputs, [operation])), []
    for draw in range(20):
        noise_yx = noise_of(inputs, 0, draw)[operation.region.weight(inputs.lat, inputs.lon) > 0]
        try:
            matched_amplitude(lambda a, draw=draw: [noise_instead(operation, a, 0, draw)], inputs, size)
            reached.append(True)
        except UserError:
            reached.append(False)
        assert (noise_yx > 0).any() if reached[-1] else (noise_yx < 0.5).all()
    assert set(reached) == {True, False}


def test_a_variable_that_is_nothing_cannot_be_scaled_as_much(inputs):
    calm = dataclasses.replace(inputs, current=inputs.current.assign(v=inputs.current["v"] * 0))
    with pytest.raises(UserError, match="an amplitude that changes as much"):
        controls(ScaleVariables(("u",), 1.5, DISK, levels=(500,), times="latest"), calm, "v")
