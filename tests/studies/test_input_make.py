"""Studies of changed inputs from their files: what is needed and what it costs, what their files hold, and what is refused."""

import contextlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from aurorascope.backbone.model import open_model
from aurorascope.cams.states import load_state
from aurorascope.errors import UserError
from aurorascope.files import sha256_file
from aurorascope.perturbations import Inputs, apply, position_mean
from aurorascope.perturbations.logarithms import EMISSIONS
from aurorascope.sae.opening import open_sae
from aurorascope.studies import read_input_study, run_input_study
from aurorascope.studies.costs import N_EMISSIONS, N_INPUT_DOSES, N_MOVED, studies_cost, study_cost
from aurorascope.studies.edit_kind import EDIT
from aurorascope.studies.input_arms import DEGREES, n_forwards
from aurorascope.studies.input_kind import INPUT, PARTS
from aurorascope.studies.input_study import DOSES
from aurorascope.studies.kinds import kind_of
from aurorascope.studies.needs import needs_of
from aurorascope.studies.study_file import naming, read_study_file

from tests.studies import folder

pytestmark = pytest.mark.filterwarnings("ignore::aurorascope.studies.UnseenWarning")
CAMS = folder.config().cams
FEATURE = {"kind": "feature", "name": "later", "block": folder.LATER, "feature": 3}


def scaled(**keys):
    return {"scale": {"variables": ["no2"], "factor": 2, "region": folder.DISK, **keys}}


@pytest.fixture(autouse=True)
def _in_the_folder(small):
    with contextlib.chdir(small.path):
        yield


def written(name="asked", **changes):
    folder.write_file(Path(), name, folder.given_inputs(**changes))
    return read_study_file(name)


@pytest.fixture(scope="module")
def made(small):
    """A study that has run from its file, and what `run_input_study` says of the same."""
    results = small.path / "results"
    with contextlib.chdir(small.path):
        written("inputs")
        folder.run("inputs")
    saes = {block: open_sae(results / f"saes/sae_{block}.json")[0] for block in (folder.BLOCK, folder.LATER)}
    study = read_input_study({"name": "inputs", **folder.given_inputs()})
    found = run_input_study(study, open_model(results), saes, {date: Inputs.load(date, results=results) for date in folder.DATES})
    return folder.record(small.path, "inputs"), found


def test_the_files_hold_what_the_study_found(small, made):
    record, found = made
    place = small.path / "results/studies/inputs"
    for name in ("effects", "responses", "reach", "rings"):
        table = getattr(found, name)
        assert len(table)
        pd.testing.assert_frame_equal(pd.read_parquet(place / f"{name}.parquet"), table)
    assert {key: record[key] for key in found.summary} == json.loads(json.dumps(found.summary))
    assert record["files"] == {f"studies/inputs/{path.name}": sha256_file(path) for path in place.iterdir() if path.suffix != ".json"}
    assert set(record["sae_sha256"]) == {folder.BLOCK, folder.LATER} and record["blocks"] == [folder.BLOCK, folder.LATER]
    assert set(record["states_sha256"]) == {f"{date}T{hour}:00:00Z" for date in folder.DATES for hour in ("00", "12")}
    assert set(record["exposure"]) == set(folder.DATES) and record["quiet_dates"] == [] and "atlas" not in record


def test_maps_have_the_change_and_its_parts(small, made):
    _, found = made
    with xr.open_dataset(small.path / "results/studies/inputs/fields.nc") as maps:
        assert set(maps.data_vars) == {f"{part}_{field}" for part in PARTS for field in ("no2_1000", "msl")}
        for part in PARTS:
            for at, date in enumerate(folder.DATES):
                assert np.array_equal(maps[f"{part}_no2_1000"].values[at], found.maps[date][part]["no2", 1000])
        assert maps["carry_no2_1000"].values.any() and maps["carry_no2_1000"].attrs["long_name"] == "carry change of nitrogen dioxide"
        assert not maps["carry_msl"].values.any() and maps["backbone_msl"].values.any()


def test_a_replacement_goes_to_the_mean_of_the_quiet_dates(small):
    """Found anew from their states, at both times of day."""
    perturb = [{"replace_by_mean": {"variables": ["no2"], "region": folder.DISK}}]
    given = {"perturb": perturb, "dates": ["2022-06-20"], "n_controls": 1, "blocks": None}
    needs = needs_of(written("usual", **given), CAMS)
    assert needs.quiet_dates == ("2022-06-01", "2022-06-02", "2022-07-05")
    written("usual", **given, quiet_dates=["2022-06-01", "2022-07-05"])
    folder.run("usual")
    record, results = folder.record(small.path, "usual"), small.path / "results"
    assert record["quiet_dates"] == ["2022-06-01", "2022-07-05"] and {"2022-06-01T00:00:00Z", "2022-07-05T12:00:00Z"} < set(record["states_sha256"])
    times = [f"{date}T{hour}:00:00Z" for date in record["quiet_dates"] for hour in ("00", "12")]
    mean = position_mean({time: load_state(results / "scratch/cams", time) for time in times})
    study = read_input_study({"name": "usual", **record["asked"]})
    saes = {folder.LATER: open_sae(results / f"saes/sae_{folder.LATER}.json")[0]}
    inputs = {"2022-06-20": Inputs.load("2022-06-20", results=results)}
    found = run_input_study(study, open_model(results), saes, inputs, mean=mean)
    pd.testing.assert_frame_equal(pd.read_parquet(results / "studies/usual/effects.parquet"), found.effects)
    # No block was named, so there is no table of responses.
    assert set(record["files"]) == {f"studies/usual/{name}" for name in ("effects.parquet", "reach.parquet", "rings.parquet", "fields.nc")}
    # The mean of other dates makes another change.
    other = position_mean({time: load_state(results / "scratch/cams", time) for time in times[:2]})
    whole, of_other = (apply(inputs["2022-06-20"], study.operations(1.0, each)).current["no2"] for each in (mean, other))
    assert not whole.equals(of_other)


def test_the_key_tells_the_kind_and_what_is_needed(small):
    file = written()
    needs = needs_of(file, CAMS)
    assert kind_of(file) is INPUT and needs.edited_block is None and needs.blocks == (folder.BLOCK, folder.LATER)
    assert needs.dates == folder.DATES and not needs.quiet_dates and not needs.has_labels
    assert needs_of(written(blocks=None), CAMS).blocks == (folder.LATER,)
    assert needs_of(written(blocks=None, outcomes=folder.INPUT_OUTCOMES[:1]), CAMS).blocks == ()
    assert needs_of(written(outcomes=[folder.INPUT_OUTCOMES[0] | {"region": {"label": "dust"}}]), CAMS).has_labels
    folder.write_file(Path(), "edit", folder.given(1))
    file = read_study_file("edit")
    assert kind_of(file) is EDIT and needs_of(file, CAMS).edited_block == folder.BLOCK


@pytest.mark.parametrize(("changes", "words"), [
    ({"perturb": None, "pertub": [scaled()]}, "asked.yaml, pertub: expected a key perturb or edit, found 'pertub'. Next: take perturb"),
    ({"perturb": None}, "asked.yaml: expected a key edit, of features, or perturb, of inputs"),
    ({"edit": "ablate"}, "asked.yaml, edit: expected one of the keys"),
    ({"blocks": ["encoder_s0_c2"]}, "asked.yaml, blocks: expected a block of Aurora, found 'encoder_s0_c2'. Next: take encoder_s0_b2"),
    ({"blocks": [[1]]}, "asked.yaml, blocks: expected a block"),
    ({"outcomes": [FEATURE | {"block": "decoder_s2_b6"}]}, "asked.yaml, outcomes, block: expected a block"),
    ({"dates": ["2022-08-01"]}, "asked.yaml, dates, 2022-08-01: expected a date with a configured snapshot"),
    ({"perturb": {"scale": {}}}, "asked.yaml, perturb: expected a list"),
    ({"perturb": [{"scal": {}}]}, "take scale"),
    ({"perturb": [scaled(variables=["n02"])]}, "asked.yaml, change 0, scale, variable 'n02': expected one of"),
    ({"perturb": [scaled(region={"box": [10, -20, 35, 35]})]}, "asked.yaml, change 0, scale, region, region Box"),
    ({"perturb": [scaled(factor=-1)]}, "asked.yaml, change 0, scale, factor of no2: expected a number of 0 or more"),
    ({"perturb": [{"replace_by_mean": {"variables": ["no2"]}}], "quiet_dates": ["2022-06-02"]}, "none of the study's"),
])
def test_what_is_wrong_is_refused_while_planning(small, changes, words):
    """By what planning reads of the file, and then by all the rest of it."""
    file = written(**changes)
    with pytest.raises(UserError) as caught:
        needs_of(file, CAMS)
        with naming(file.path):
            kind_of(file).read(file)
    assert words in str(caught.value)


@pytest.mark.parametrize(("changes", "words"), [
    ({"perturb": [scaled(levels=[875])]}, "asked.yaml, perturb, levels: expected levels of the states"),
    ({"perturb": [scaled(region={"disk": [5.0, 5.0, 1.0]})]}, "asked.yaml, the change of 2022-06-02's inputs: expected a finite value that differs"),
    ({"perturb": [scaled(factor=1)]}, "asked.yaml, change 0, scale, factor: expected a number other than 1"),
    ({"outcomes": [FEATURE | {"feature": 99999}]}, "asked.yaml, outcome later"),
])
def test_what_the_states_do_not_allow_is_refused_by_the_file_before_any_forward(small, changes, words, monkeypatch):
    ran = []
    monkeypatch.setattr("aurora.AuroraAirPollution.forward", lambda *_: ran.append(1))
    written(**changes)
    with pytest.raises(UserError) as caught:
        folder.run("asked")
    assert words in str(caught.value) and not ran
    assert not (small.path / "results/studies/asked").exists()


PLUME = {"add_plume": {"variable": "no2", "kg": 1e8, "region": folder.DISK}}
NOX, CO = ({"scale_emission": {"emission": name, "factor": 0.5, "region": folder.DISK}} for name in ("static_nox", "static_co"))


@pytest.mark.parametrize("changes", [
    {}, {"n_controls": None}, {"steps": 3}, {"perturb": [NOX]}, {"perturb": [NOX, CO, NOX]}, {"perturb": [NOX, PLUME]},
    {"perturb": [NOX], "others": ["static_co"]}, {"others": ["t", "co"]},
])
def test_forwards_are_counted_as_they_run(small, changes):
    file = written(**changes)
    cost = study_cost(file, needs_of(file, CAMS), 0.0)
    study = read_input_study({"name": file.name, **file.asked})
    assert cost.n_forwards == cost.whole == n_forwards(study)
    assert (len(DOSES), len(DEGREES), len(EMISSIONS)) == (N_INPUT_DOSES, N_MOVED, N_EMISSIONS)


def test_the_plan_counts_it_and_knows_when_it_is_there(small, made):
    record, _ = made
    folder.write_file(Path(), "inputs", folder.given_inputs())
    rows = {row[0]: row for row in studies_cost(folder.config(), (19, 36), small.path / "results")[0].rows}
    assert rows["inputs"][1] == f"{record['n_forwards'] + 2 * len(record['absent_arms'])} forwards"
    assert rows["inputs"][2] == "derived; 2 dates, with all controls; all of them whole; already there"
