"""A study from its file to its files: what they hold, that two runs give the same bytes, and what is refused."""

import contextlib
import json

import jsonschema
import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from aurorascope.backbone.batch import load_batch
from aurorascope.backbone.model import open_model
from aurorascope.backbone.static import load_static
from aurorascope.errors import TryAgainError, UserError
from aurorascope.files import sha256_file, write_json, write_table
from aurorascope.locks import folder_lock
from aurorascope.sae.opening import open_sae
from aurorascope.studies import read_study, run_study
from aurorascope.studies.edit_kind import EDIT
from aurorascope.studies.inputs import Batches, labelled_same
from aurorascope.studies.kept_arms import KeptArms
from aurorascope.studies.measure import Measured
from aurorascope.studies.write import schema

from tests.studies import folder


@pytest.fixture(autouse=True)
def _in_the_folder(small):
    with contextlib.chdir(small.path):
        yield


@pytest.fixture(scope="module")
def first(small, finished_study):
    """What `run_study` says of the finished study."""
    content = folder.given(small.feature)
    saes = {folder.BLOCK: open_sae(small.path / f"results/saes/sae_{folder.BLOCK}.json")[0]}
    batches = {date: load_batch(date, results=small.path / "results") for date in folder.DATES}
    return run_study(read_study({"name": finished_study, **content}), open_model(small.path / "results"), saes, batches)


def test_the_files_hold_what_the_study_found(small, first):
    record, place = folder.record(small.path, "first"), small.path / "results/studies/first"
    for name, table in (("effects", first.effects), ("divergence", first.fields)):
        pd.testing.assert_frame_equal(pd.read_parquet(place / f"{name}.parquet"), table)
    assert {key: record[key] for key in first.summary} == json.loads(json.dumps(first.summary))
    assert record["files"] == {f"studies/first/{path.name}": sha256_file(path) for path in place.iterdir() if path.suffix != ".json"}
    assert record["dates"] == list(folder.DATES) and record["quiet_dates"] == [] and record["hour"] == 12
    assert record["atlas"] == {"is_used": False, "why": f"there was none of {folder.BLOCK}"}
    assert set(record["states_sha256"]) == {f"{date}T{hour}:00:00Z" for date in folder.DATES for hour in ("00", "12")}


def test_maps_have_names_units_and_levels(small, first):
    with xr.open_dataset(small.path / "results/studies/first/fields.nc") as maps:
        assert set(maps.data_vars) == {"t_850", "msl"} and maps["t_850"].dims == ("date", "latitude", "longitude")
        assert maps["t_850"].dtype == np.float32 and maps["t_850"].attrs["units"] == "K" and maps["t_850"].attrs["level"] == 850
        assert "temperature" in maps["t_850"].attrs["long_name"] and "level" not in maps["msl"].attrs
        assert [str(each)[:10] for each in maps.date.values] == list(folder.DATES)
        for at, date in enumerate(folder.DATES):
            assert np.array_equal(maps["t_850"].values[at], first.maps[date]["t", 850])
        assert np.allclose(maps.latitude, np.linspace(90, -80, 18)) and maps["t_850"].any()


def test_twice_gives_the_same_bytes(small, first):
    before = folder.contents(small.path, "first")
    folder.run("first")
    assert folder.contents(small.path, "first") == before


def test_the_schema_refuses_what_is_no_record(small, first):
    content = folder.record(small.path, "first")
    jsonschema.Draft202012Validator.check_schema(schema())
    for broken in ({"word": "perhaps"}, {"files": {"a": "b"}}, {"dates": []}, {"features": [[1, 0]]}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(content | broken, schema())


def test_quiet_dates_are_read_where_the_edit_asks(small):
    folder.write_file(small.path, "quiet", folder.given(small.feature, edit="normal", dates=["2022-06-20"], n_controls=1))
    folder.run("quiet")
    found = folder.record(small.path, "quiet")
    assert found["quiet_dates"] == ["2022-06-01", "2022-06-02", "2022-07-05"]
    assert "2022-07-05T12:00:00Z" in found["states_sha256"]


@pytest.mark.parametrize(("changes", "words"), [
    ({"features": [99999]}, "features: expected features 0 to"),
    ({"edit": {"clamp": 1e6}}, "expected changes of at most 10 times"),
    ({"outcomes": [{"kind": "linear", "name": "a", "variable": "t2"}]}, "outcome a, variable"),
    ({"region": {"disk": [0.0, 3.0, 1.0]}}, "at least one of"),
    ({"stepps": 2}, "stepps: expected one of the keys"),
])
def test_what_a_study_refuses_names_its_file(small, changes, words):
    folder.write_file(small.path, "refused", folder.given(small.feature, **changes))
    with pytest.raises(UserError) as caught:
        folder.run("refused")
    assert "refused.yaml" in str(caught.value) and words in str(caught.value)
    assert not (small.path / "results/studies/refused").exists()


def test_an_sae_of_another_checkpoint_is_refused(small):
    path = small.path / f"results/saes/sae_{folder.LATER}.json"
    before = path.read_text()
    folder.write_file(small.path, "other", folder.given(1, block=folder.LATER))
    try:
        write_json(path, json.loads(before) | {"checkpoint_sha256": "0" * 64})
        with pytest.raises(UserError, match="an SAE of the checkpoint"):
            folder.run("other")
    finally:
        path.write_text(before)


def test_one_process_runs_a_study_at_a_time(small, first):
    with folder_lock(small.path / "results/scratch/studies/arms/first"), pytest.raises(TryAgainError, match="one writer at a time"):
        folder.run("first")


def measured(value=0.1):
    effects = [{"arm": "feature_1", "effect": value, "size": float("nan"), "touched": 3}, {"arm": "feature_1", "effect": 1 / 3}]
    maps = {("t", 850): np.array([[0.1, -0.0]], np.float32), ("msl", None): np.array([[np.nan, 1e-30]], np.float32)}
    return Measured("2022-06-02", effects, [{"level": None, "d2": 1e-17}, {"level": 850, "d2": float("inf")}], maps)


def test_kept_arms_are_what_they_were(tmp_path):
    """To the last bit, in their order, with numbers that JSON has no word for; a damaged one is left out."""
    arms, other = KeptArms(tmp_path, EDIT), ("2022-06-02", "control_00")
    for key, value in ((("2022-06-02", "feature_1"), 0.1), (other, -0.0)):
        arms.keep(key, measured(value))
    found = arms.read()
    assert set(found) == {("2022-06-02", "feature_1"), other}
    for each in found.values():
        expected = measured(each.effects[0]["effect"])
        assert repr((each.date, each.effects, each.fields)) == repr((expected.date, expected.effects, expected.fields))
        assert list(each.maps) == list(expected.maps)
        assert all(each.maps[field].tobytes() == expected.maps[field].tobytes() for field in expected.maps)
    assert repr(found[other].effects[0]["effect"]) == "-0.0"
    (path,) = tmp_path.glob("*control_00*")
    data = bytearray(path.read_bytes())
    for at, kept in ((-1, 1), (40, 1), (0, 1)):
        spoilt = bytearray(data)
        spoilt[at] ^= 1
        path.write_bytes(spoilt)
        assert len(arms.read()) == kept
    path.write_bytes(data[:20])
    assert set(arms.read()) == {("2022-06-02", "feature_1")}


def test_an_atlas_says_which_features_have_the_same_label(tmp_path):
    rows = {"feature": [0, 0, 1, 1, 2, 3], "sign": [1, -1, 1, -1, 1, 1], "label": ["dust", "", "dust", "", "jet", ""]}
    place = tmp_path / "atlas" / folder.BLOCK
    write_table(place / "features.parquet", pd.DataFrame(rows).astype({"feature": "int32", "sign": "int8"}))
    digest = sha256_file(place / "features.parquet")
    write_json(place / "summary.json", {"kind": "atlas", "sae_sha256": "a", "features_sha256": digest})
    same, note = labelled_same(tmp_path, folder.BLOCK, "a", ((0, 1),))
    assert same == {(1, 1)} and note["labels"] == ["dust"] and note["n_labelled_same"] == 1
    assert labelled_same(tmp_path, folder.BLOCK, "a", ((0, -1), (3, 1)))[0] == frozenset()
    same, note = labelled_same(tmp_path, folder.BLOCK, "b", ((0, 1),))
    assert not same and note == {"is_used": False, "why": f"that of {folder.BLOCK} was of another SAE"}
    write_table(place / "features.parquet", pd.DataFrame(rows).head(2))
    with pytest.raises(UserError, match="sha256"):
        labelled_same(tmp_path, folder.BLOCK, "a", ((0, 1),))


def test_numbers_do_not_depend_on_the_threads_of_this_process(small, first):
    """The verb takes the configured number, whatever was set before."""
    before, threads = folder.contents(small.path, "first"), torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        folder.run("first")
    finally:
        torch.set_num_threads(threads)
    assert folder.contents(small.path, "first") == before


def test_batches_are_those_of_the_dates(small):
    """By date, in the study's order, whether or not they stayed in memory."""
    times = {date: f"{date}T12:00:00Z" for date in (*folder.DATES, "2022-07-05")}
    static = load_static(small.path / "results/scratch/static/static.json")
    for kept in (1, 16):
        batches = Batches(small.path / "results/scratch", times, static, torch.device("cpu"), kept)
        assert list(batches) == list(times) and len(batches) == 3 and "2022-06-01" not in batches
        for date in (*times, *reversed(times)):
            expected = load_batch(date, results=small.path / "results")
            assert batches[date].metadata.time == expected.metadata.time
            assert torch.equal(batches[date].atmos_vars["t"], expected.atmos_vars["t"])
        assert [batch.metadata.time[0].strftime("%Y-%m-%d") for batch in batches.values()] == list(times)
    with pytest.raises(KeyError):
        batches["2022-06-01"]
