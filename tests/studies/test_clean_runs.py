"""Clean forecasts are read back with the bits that they had, and studies that share them give the same bytes."""

import contextlib
import shutil

import numpy as np
import pytest
import torch
from aurora import rollout
from aurorascope.studies.clean_runs import CleanRuns
from aurorascope.studies.fields import fields_of
from aurorascope.studies.kept import Kept

from tests.backbone import small as small_aurora
from tests.studies import folder

STATES = {time: "a" * 64 for time in small_aurora.TIMES}


@pytest.fixture(scope="module")
def rolled(tmp_path_factory):
    """A batch, its forecasts of two steps, and the same on disk."""
    batch = small_aurora.small_batch(small_aurora.small_states())
    with torch.inference_mode():
        forecasts = list(rollout(small_aurora.small_model(), batch, steps=2))
    kept = Kept(tmp_path_factory.mktemp("kept"))
    for step, forecast in enumerate(forecasts):
        kept.put_forecast(step, forecast)
    yield batch, forecasts, [kept.forecast(step) for step in range(2)]
    kept.close()


def test_forecasts_are_what_they_were(rolled, tmp_path):
    batch, forecasts, kept = rolled
    runs = CleanRuns(tmp_path, {"checkpoint_sha256": "b"}, STATES)
    assert runs.find(batch, 1) is None
    runs.keep(batch, kept[:1])
    assert runs.find(batch, 2) is None
    runs.keep(batch, kept)
    for found, before, forecast in zip(runs.find(batch, 2), kept, forecasts, strict=True):
        assert found.fields == before.fields == fields_of(forecast)
        assert all(np.array_equal(found.values(field), before.values(field)) for field in found.fields)
        assert np.array_equal(found.values(("msl", None)), forecast.surf_vars["msl"][0, -1].double().numpy())
    # Fewer steps are the beginning of more.
    assert len(runs.find(batch, 1)) == 1


def test_nothing_of_other_origin_and_nothing_damaged_is_read(rolled, tmp_path):
    batch, _, kept = rolled
    made_from = {"checkpoint_sha256": "b"}
    runs = CleanRuns(tmp_path, made_from, STATES)
    runs.keep(batch, kept)
    assert runs.find(batch, 3) is None
    assert CleanRuns(tmp_path, {"checkpoint_sha256": "c"}, STATES).find(batch, 2) is None
    assert CleanRuns(tmp_path, made_from, STATES | {small_aurora.TIMES[0]: "d" * 64}).find(batch, 2) is None
    (path,) = tmp_path.glob("*/1.safetensors")
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)
    assert runs.find(batch, 2) is None and runs.find(batch, 1) is not None
    runs.keep(batch, kept)
    path.unlink()
    assert runs.find(batch, 2) is None
    path.with_suffix(".json").write_text("{}")
    assert runs.find(batch, 2) is None
    runs.keep(batch, kept)
    assert runs.find(batch, 2) is not None


def files(place):
    """Time of change of each file."""
    return {path: path.stat().st_mtime_ns for path in sorted(place.glob("*/*"))}


def test_studies_of_one_date_share_the_clean_run(small):
    """The second study reads what the first one wrote, and has the bytes that it has alone; one that listens further on runs it anew."""
    later = {"kind": "feature", "name": "later", "block": folder.LATER, "feature": 3}
    asked = {"seed": 8, "n_controls": 1, "dates": ["2022-06-20"]}
    kept = small.path / "results/scratch/studies/clean"
    with contextlib.chdir(small.path):
        folder.write_file(small.path, "alone", folder.given(small.feature, **asked))
        folder.write_file(small.path, "before", folder.given(small.feature, edit="ablate", **asked | {"seed": 9, "steps": 2}))
        folder.write_file(small.path, "listening", folder.given(small.feature, outcomes=[*folder.OUTCOMES, later], **asked))
        shutil.rmtree(kept, ignore_errors=True)
        folder.run("alone")
        alone = folder.contents(small.path, "alone")
        shutil.rmtree(kept)
        folder.run("before")
        written = files(kept)
        assert [path.name for path in written] == ["0.json", "0.safetensors", "1.json", "1.safetensors"]
        folder.run("alone")
        assert folder.contents(small.path, "alone") == alone and files(kept) == written
        folder.run("listening")
        assert folder.record(small.path, "listening")["outcomes"]["warmth"] == folder.record(small.path, "alone")["outcomes"]["warmth"]
        # Of the first step, written again.
        assert {path.name for path, when in files(kept).items() if when != written[path]} == {"0.json", "0.safetensors"}
    assert not list((small.path / "results/scratch/studies/arms").iterdir())
