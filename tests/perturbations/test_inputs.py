"""Inputs of a run's folder are those that Aurora's batch of the same date is made of."""

import dataclasses

import pytest
import torch
import xarray as xr
from aurorascope.backbone.batch import load_batch
from aurorascope.backbone.static import make_static
from aurorascope.cams.states import write_states
from aurorascope.config.model import Static
from aurorascope.errors import UserError
from aurorascope.perturbations.apply_changes import perturb
from aurorascope.perturbations.inputs import Inputs
from aurorascope.perturbations.operations import ScaleVariables

from tests.cams.made import cams


@pytest.fixture(scope="module")
def results(inputs, tmp_path_factory):
    """A results folder with one day's two states and the demo's static fields."""
    folder = tmp_path_factory.mktemp("results")
    times = xr.Variable("time", [time.replace(tzinfo=None) for time in inputs.times]).astype("datetime64[ns]")
    write_states(xr.concat(inputs.states, times), folder / "scratch" / "cams" / "2022-06-01.zarr")
    settings = dataclasses.replace(cams(), demo_grid=(19, 36))
    record = folder / "scratch" / "static" / "static.json"
    record.parent.mkdir(parents=True)
    make_static(Static("demo", None, None), settings, "", record)
    return folder


def fields(batch):
    return {
        **{f"surface {name}": values for name, values in batch.surf_vars.items()},
        **{f"atmos {name}": values for name, values in batch.atmos_vars.items()},
        **{f"static {name}": values for name, values in batch.static_vars.items()},
    }


def test_inputs_of_a_date_make_its_batch(results):
    inputs = Inputs.load("2022-06-01", results=results)
    found, expected = inputs.batch(), load_batch("2022-06-01", results=results)
    assert found.metadata.time == expected.metadata.time and found.metadata.atmos_levels == expected.metadata.atmos_levels
    for name, values in fields(expected).items():
        assert torch.equal(fields(found)[name], values), name


def test_changed_inputs_differ_from_the_batch_where_they_were_changed(results):
    inputs = Inputs.load("2022-06-01", results=results)
    changed, _ = perturb(inputs, [ScaleVariables(("2t",), 1.01, times="latest")])
    old, new = fields(inputs.batch()), fields(changed.batch())
    assert {name for name in old if not torch.equal(old[name], new[name])} == {"surface 2t"}
    assert torch.equal(old["surface 2t"][:, 0], new["surface 2t"][:, 0])
    assert changed.changed_names(inputs) == ["2t", "t2m"]


def test_a_date_that_is_not_there_is_told(results):
    with pytest.raises(UserError, match="2022-06-02"):
        Inputs.load("2022-06-02", results=results)


def test_of_a_date_that_was_never_made_nothing_is_deleted(results):
    """It may be none of the run's."""
    (results / "scratch" / "cams" / "2022-06-01.json").write_text("{}")
    with pytest.raises(UserError, match="take one of the run's dates, of which 2022-06-01 to 2022-06-01 are there, or make it: ") as caught:
        Inputs.load("2022-07-02", results=results)
    assert "rm -f" not in str(caught.value)


@pytest.mark.parametrize(("date", "hour"), [("2022-13-01", 12), ("today", 12), ("2022-06-01", 24), (None, 12)])
def test_a_date_that_does_not_exist_is_named(results, date, hour):
    with pytest.raises(UserError, match=f"a date that exists.*found {date!r}, {hour}"):
        Inputs.load(date, hour=hour, results=results)
