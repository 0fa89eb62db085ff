"""Rollouts of studies of changed inputs: what they hold in memory and on disk, and lows that are followed through them."""

import tracemalloc
import types
import weakref

import numpy as np
import pytest
import torch
from aurora import Tracker, rollout
from aurora.tracker import havdist
from aurorascope.perturbations import apply
from aurorascope.perturbations.inputs import Inputs
from aurorascope.studies import plan_input_study, read_input_study, run_input_study
from aurorascope.studies.input_measure import InputDate

from tests.backbone import small

pytestmark = pytest.mark.filterwarnings("ignore::aurorascope.studies.UnseenWarning")
DATE = "2022-06-01"
WIND = {"kind": "wind_max", "name": "wind", "region": {"band": [-90, 90]}}


def asked(**changes):
    warm = {"scale": {"variables": ["t"], "factor": 1.02, "region": {"band": [-70, -40]}}}
    return read_input_study({"name": "warm", "perturb": [warm], "dates": [DATE], "outcomes": [WIND], "n_controls": 1, **changes})


@pytest.fixture(scope="module")
def inputs():
    (previous, current), static = small.small_states()
    return {DATE: Inputs(previous, current, small.TIMES[1], static)}


def held(model, inputs, steps, scratch):
    """The most of its forecasts' and inputs' tensors that are alive, and of fields in NumPy's memory, when the model is called."""
    seen, most, forward = [], {"tensors": 0, "fields": 0}, type(model).forward

    def watched(self, batch, lead_times=None):
        seen[:] = [each for each in seen if each() is not None]
        most["tensors"] = max(most["tensors"], len(seen))
        if batch.metadata.rollout_step >= 2:
            most["fields"] = max(most["fields"], sum(trace.size >= 8 * 18 * 36 for trace in tracemalloc.take_snapshot().traces))
        forecast = forward(self, batch, lead_times)
        made = (forecast, batch) if batch.metadata.rollout_step else (forecast,)
        seen.extend(weakref.ref(each) for part in made for each in part.surf_vars.values())
        return forecast

    study = asked(steps=steps)
    plan = plan_input_study(study, inputs)
    model.forward = types.MethodType(watched, model)
    tracemalloc.start()
    try:
        run = InputDate(study, model, {}, inputs[DATE], DATE, plan, None, scratch)
        run.measure(next(arm for arm in plan.arms if arm.name == "change_0.1"))
    finally:
        tracemalloc.stop()
        del model.forward
    assert len(list(next(scratch.iterdir()).iterdir())) == steps
    run.close()
    return most


def test_six_steps_hold_no_more_than_three(inputs, tmp_path):
    model = small.small_model()
    found = [held(model, inputs, steps, tmp_path) for steps in (3, 6)]
    assert found[0] == found[1] and all(found[0].values()) and not list(tmp_path.iterdir())


def test_nothing_stays_on_disk_after_an_error(inputs, tmp_path):
    def stop(_key, _measured):
        assert list(tmp_path.iterdir())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_input_study(asked(), small.small_model(), {}, inputs, keep=stop, scratch=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def fine():
    """A degree and a half a cell, the coarsest that the tracker takes, over 27 by 54 degrees."""
    from aurorascope.cams.demo import demo_state, demo_static
    from aurorascope.cams.grid import regular_grid
    from aurorascope.cams.variables import LEVELS
    from aurorascope.config.calendar import parse

    lat, lon = regular_grid(121, 240)
    rows, columns = slice(90, 108), slice(36)
    states = [demo_state(parse(time), lat, lon, LEVELS).isel(latitude=rows, longitude=columns) for time in small.TIMES]
    static = {name: field[rows, columns] for name, field in demo_static(lat, lon).items()}
    return {DATE: Inputs(*states, small.TIMES[1], static)}


def test_a_low_is_followed_as_auroras_own_tracker_does(fine):
    model, start = small.small_model(), (-64.5, 19.5)
    outcomes = [{"kind": "tracker", "name": reads, "lat": start[0], "lon": start[1], "reads": reads} for reads in ("pressure", "wind", "shift")]
    study = asked(outcomes=outcomes, steps=2)
    found = run_input_study(study, model, {}, fine)
    values = found.effects.set_index(["arm", "outcome", "step"]).value
    tracks = {}
    for arm, one in (("clean_0", fine[DATE]), ("change_1", apply(fine[DATE], study.operations()))):
        tracker = Tracker(*start, one.batch().metadata.time[0])
        with torch.inference_mode():
            for forecast in rollout(model, one.batch(), steps=2):
                tracker.step(forecast)
        tracks[arm] = tracker.results()
        for step in (1, 2):
            assert values[arm, "pressure", step] == tracks[arm].msl[step] and values[arm, "wind", step] == tracks[arm].wind[step]
    (_, lat, lon, _, _), (_, other_lat, other_lon, _, _) = (tracks[arm].iloc[2] for arm in ("clean_0", "change_1"))
    assert values["change_1", "shift", 2] == pytest.approx(havdist(lat, lon, other_lat, other_lon), abs=1e-3)
    assert tracks["clean_0"].msl[2] != tracks["change_1"].msl[2]
    # Weather is not carried: all of it is the backbone's.
    pressure = found.summary["outcomes"]["pressure"]
    assert pressure["parts"]["carry"] == 0 and pressure["parts"]["backbone"] == pressure["parts"]["effect"] != 0
    assert pressure["n_lost"]["clean"] == 0 and np.isfinite(pressure["effect"])


def test_a_grid_too_coarse_for_the_tracker_is_refused(inputs):
    from aurorascope.errors import UserError

    track = {"kind": "tracker", "name": "low", "lat": 0, "lon": 100, "reads": "shift"}
    with pytest.raises(UserError, match="a grid of 1.5 degrees or finer"):
        run_input_study(asked(outcomes=[track]), small.small_model(), {}, inputs)
