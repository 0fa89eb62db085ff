"""Clean forecasts are read back with the bits and the labels that they had, and studies that share them give the same bytes."""

import contextlib
import shutil

import pytest
import torch
from aurora import rollout
from aurorascope.studies.clean_runs import CleanRuns

from tests.backbone import small as small_aurora
from tests.studies import folder

STATES = {time: "a" * 64 for time in small_aurora.TIMES}


@pytest.fixture(scope="module")
def rolled():
    """A batch and its forecasts of two steps."""
    batch = small_aurora.small_batch(small_aurora.small_states())
    with torch.inference_mode():
        return batch, list(rollout(small_aurora.small_model(), batch, steps=2))


def parts(batch):
    return {**batch.surf_vars, **batch.atmos_vars, **{f"static {name}": each for name, each in batch.static_vars.items()}}


def test_forecasts_are_what_they_were(rolled, tmp_path):
    batch, forecasts = rolled
    runs = CleanRuns(tmp_path, {"checkpoint_sha256": "b"}, STATES)
    assert runs.find(batch, 2) is None
    runs.keep(batch, forecasts)
    for found, expected in zip(runs.find(batch, 2), forecasts, strict=True):
        assert list(found.surf_vars) == list(expected.surf_vars) and list(found.atmos_vars) == list(expected.atmos_vars)
        assert parts(found).keys() == parts(expected).keys()
        assert all(torch.equal(tensor, parts(expected)[name]) for name, tensor in parts(found).items())
        assert torch.equal(found.metadata.lat, expected.metadata.lat) and torch.equal(found.metadata.lon, expected.metadata.lon)
        assert found.metadata.time == expected.metadata.time and found.metadata.rollout_step == expected.metadata.rollout_step
        assert found.metadata.atmos_levels == expected.metadata.atmos_levels


def test_nothing_of_other_origin_and_nothing_damaged_is_read(rolled, tmp_path):
    batch, forecasts = rolled
    made_from = {"checkpoint_sha256": "b"}
    runs = CleanRuns(tmp_path, made_from, STATES)
    runs.keep(batch, forecasts)
    assert runs.find(batch, 1) is None
    assert CleanRuns(tmp_path, {"checkpoint_sha256": "c"}, STATES).find(batch, 2) is None
    assert CleanRuns(tmp_path, made_from, STATES | {small_aurora.TIMES[0]: "d" * 64}).find(batch, 2) is None
    (path,) = tmp_path.iterdir()
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)
    assert runs.find(batch, 2) is None
    path.write_bytes(data[:1000])
    assert runs.find(batch, 2) is None
    runs.keep(batch, forecasts)
    assert runs.find(batch, 2) is not None


def test_studies_of_one_date_share_the_clean_run(small):
    """The second study reads what the first one wrote, and has the bytes that it has alone; one that listens further on runs it anew."""
    later = {"kind": "feature", "name": "later", "block": folder.LATER, "feature": 3}
    asked = {"seed": 8, "n_controls": 1, "dates": ["2022-06-20"]}
    kept = small.path / "results/scratch/studies/clean"
    with contextlib.chdir(small.path):
        folder.write_file(small.path, "alone", folder.given(small.feature, **asked))
        folder.write_file(small.path, "before", folder.given(small.feature, edit="ablate", **asked | {"seed": 9}))
        folder.write_file(small.path, "listening", folder.given(small.feature, outcomes=[*folder.OUTCOMES, later], **asked))
        shutil.rmtree(kept, ignore_errors=True)
        folder.run("alone")
        alone = folder.contents(small.path, "alone")
        shutil.rmtree(kept)
        folder.run("before")
        files = sorted(kept.iterdir())
        times = [path.stat().st_mtime_ns for path in files]
        folder.run("alone")
        assert folder.contents(small.path, "alone") == alone
        assert sorted(kept.iterdir()) == files and [path.stat().st_mtime_ns for path in files] == times and len(files) == 1
        folder.run("listening")
        shared = folder.record(small.path, "listening")["outcomes"]["warmth"]
        assert shared == folder.record(small.path, "alone")["outcomes"]["warmth"]
        # Written again, with the same bytes.
        assert sorted(kept.iterdir()) == files and [path.stat().st_mtime_ns for path in files] != times
