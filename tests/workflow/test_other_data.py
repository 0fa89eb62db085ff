"""The chain on data and settings that are not the demo's: a few levels, extracted pairs, real meteorology."""

import os
import shutil
import zipfile
from pathlib import Path

import pytest

from tests.workflow.project import Project, tiny_config

pytestmark = pytest.mark.slow
_SIX_LEVELS = [50, 250, 500, 700, 850, 1000]


def _unpack(archive, folder, names):
    folder.mkdir(parents=True)
    with zipfile.ZipFile(archive) as opened:
        for member, name in names.items():
            (folder / name).write_bytes(opened.read(member))


def test_extracted_pairs_under_new_and_old_names_with_six_levels(suite, checkpoint, tmp_path):
    """A local folder of extracted files, a named checkpoint, 6 of 13 levels, 19 x 36: index and figures come out."""
    days = tmp_path / "days"
    current = {"data_sfc.nc": "data_sfc.nc", "data_plev.nc": "data_plev.nc"}
    older = {"data_sfc.nc": "levtype_sfc.nc", "data_plev.nc": "levtype_pl.nc"}
    for day, names in (("2022-06-01", current), ("2022-06-02", older), ("2022-06-20", older)):
        _unpack(suite.result(f"scratch/cams/{day}.zip"), days / day, names)
    shutil.copy(suite.result("scratch/static/static.nc"), days)
    config = tiny_config(
        cams__source="local",
        cams__directory=str(days),
        cams__levels=_SIX_LEVELS,
        cams__train={"dates": ["2022-06-01", "2022-06-02"]},
        cams__held_out={"dates": ["2022-06-20"]},
        static={"source": "file", "path": str(days / "static.nc")},
        aurora__checkpoint=str(checkpoint),
        blocks=["encoder_s2_b7"],
    )
    project = Project.create(tmp_path / "project", config)
    project.make("results/sae_index.json", "results/figures/feature_encoder_s2_b7.png")
    index = project.record("sae_index.json")
    assert index["suite"]["n_saes"] == 1 and project.result("figures/feature_encoder_s2_b7.png").exists()
    assert project.record("scratch/states/train.json")["levels"] == _SIX_LEVELS


def test_real_meteorology(checkpoint, tmp_path):
    """Days that this project did not make, on their own grid and statics, go through the whole chain."""
    folder = os.environ.get("AURORASCOPE_REAL_DATA")
    if not folder:
        pytest.skip("AURORASCOPE_REAL_DATA names no folder with ads/ and static.nc")
    config = tiny_config(
        cams__source="local",
        cams__directory=str(Path(folder) / "ads"),
        cams__train={"dates": ["2011-01-15"]},
        cams__held_out={"dates": ["2011-10-11"]},
        static={"source": "file", "path": str(Path(folder) / "static.nc")},
        aurora__checkpoint=str(checkpoint),
        blocks=["encoder_s0_b0", "decoder_s0_b7"],
        sae={"epochs": 30},
    )
    project = Project.create(tmp_path / "project", config)
    project.make("results/sae_index.json")
    for sae in project.record("sae_index.json")["saes"]:
        assert sae["metrics"]["fve"] < 1 and sae["metrics"]["l0"] > 0
    grid = project.record("sae_index.json")["saes"][0]["token_grid"]
    assert (grid["lat"], grid["lon"]) == (24, 48)
