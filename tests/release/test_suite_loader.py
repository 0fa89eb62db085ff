"""`Suite`: what a folder holds, each SAE as the index vouches for it, and errors that say what to do."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from aurorascope import Suite
from aurorascope.blocks import BY_ID
from aurorascope.errors import UserError
from aurorascope.interventions import Clamp, Everywhere
from aurorascope.interventions.block_edits import BlockEdits
from aurorascope.release.schema import index_schema
from safetensors.torch import load_file

from tests.workflow.project import BLOCKS, ROOT

pytestmark = pytest.mark.slow
ONE = "encoder_s1_b5"


@pytest.fixture
def run_folder(suite, release):
    """The release inside a folder that says it is a run's."""
    results = release.parent / "project" / "results"
    shutil.copytree(release, results)
    shutil.copy2(suite.result("run.json"), results)
    return results


def refused(action, *words):
    with pytest.raises(UserError) as caught:
        action()
    for word in words:
        assert word in str(caught.value)
    return str(caught.value)


def change_index(folder, change):
    path = folder / "sae_index.json"
    index = json.loads(path.read_text())
    change(index)
    path.write_text(json.dumps(index))


@pytest.mark.parametrize("block", BLOCKS)
def test_each_sae_computes_its_golden_features(release, block):
    """What is loaded is the SAE of that block: it gives the golden features, and no other block's."""
    opened = Suite.open(release)
    golden = load_file(release / "saes" / "golden" / f"{block}.safetensors")
    with torch.inference_mode():
        x_hat, features = opened[block](golden["x"])
    torch.testing.assert_close(features, golden["features"])
    torch.testing.assert_close(x_hat, golden["x_hat"])
    assert opened[block].block_id == block


def test_what_is_there(release):
    """Length, iteration, membership and selection follow the index, in forward order; a partial suite says so."""
    opened = Suite.open(str(release))
    assert (len(opened), tuple(opened), opened.ids) == (4, BLOCKS, BLOCKS)
    assert ONE in opened and "encoder_s0_b1" not in opened
    assert opened.select(component="decoder") == ["decoder_s0_b7", "decoder_s2_b5"]
    assert opened.select(stage=0) == ["encoder_s0_b0", "decoder_s0_b7"]
    assert opened.select(component="encoder", stage=1) == [ONE]
    assert opened.select(component="encoder", stage=2) == []
    assert opened.select() == list(BLOCKS)


def without_forecasts(release):
    """An index of a run that measured no forecasts."""

    def forget(index):
        for sae in index["saes"]:
            sae["metrics"].update(fidelity_mean=None, fidelity_position_mean=None)

    change_index(release, forget)


def test_printed_table(release):
    """A row an SAE with the index's own numbers; flags above it; an undefined metric is n/a."""
    without_forecasts(release)
    change_index(release, lambda index: index["saes"][0]["metrics"].update(fve_anom=None))
    opened = Suite.open(release)
    title, *rest = str(opened).splitlines()
    assert title == f"aurorascope {opened.index['suite']['version']} in {release}: 4 of 48 SAEs, a partial suite"
    assert repr(opened) == str(opened)
    head, *rows = rest[rest.index("") + 1 :]
    assert head.split() == ["id", "d_model", "d_hidden", "FVE", "anomaly", "FVE", "L0", "dead"]
    assert [row.split()[0] for row in rows] == list(BLOCKS)
    assert len({len(row) for row in rows}) == 1
    for row, sae in zip(rows, opened.index["saes"], strict=True):
        block, d_model, d_hidden, fve, fve_anom, l0, dead = row.split()
        metrics = sae["metrics"]
        assert (block, int(d_model), int(d_hidden)) == (sae["id"], sae["d_model"], sae["d_hidden"])
        assert (fve, l0, dead) == (f"{metrics['fve']:.4f}", f"{metrics['l0']:.1f}", f"{metrics['frac_dead']:.1%}")
        assert fve_anom == ("n/a" if metrics["fve_anom"] is None else f"{metrics['fve_anom']:.4f}")
    assert rows[0].split()[4] == "n/a" != rows[1].split()[4]
    assert "demo: a small Aurora trained here, not the published checkpoint." in str(opened)


def test_fidelity_is_shown_where_the_index_has_it(release):
    """A metric of forecasts has a column where any SAE has it; an SAE without it is n/a."""
    without_forecasts(release)
    change_index(release, lambda index: index["saes"][1]["metrics"].update(fidelity_position_mean=0.25))
    head, *rows = str(Suite.open(release)).splitlines()[-5:]
    assert head.endswith("  map fidelity") and "  fidelity" not in head.removesuffix("  map fidelity")
    assert [row.split()[-1] for row in rows] == ["n/a", "0.2500", "n/a", "n/a"]


def test_table_has_every_metric(release):
    """Rows in forward order, all metrics as float64, and the released Parquet is the same table."""
    change_index(release, lambda index: index["saes"][0]["metrics"].update(fve_anom=None))
    opened = Suite.open(release)
    table = opened.table()
    assert list(table.index) == list(BLOCKS)
    for sae in opened.index["saes"]:
        row = table.loc[sae["id"]]
        assert (row["d_model"], row["stage"], row["architecture"]) == (sae["d_model"], sae["stage"], "relu")
        for name, value in sae["metrics"].items():
            assert table[name].dtype == "float64"
            assert pd.isna(row[name]) if value is None else row[name] == value
    released = pd.read_parquet(release / "evaluation" / "suite.parquet").set_index("id")
    pd.testing.assert_frame_equal(released.drop(columns="fve_anom"), table.drop(columns="fve_anom"))


def test_an_unknown_id_names_the_nearest(release):
    """A slip of the pen, a block that this suite lacks, and nonsense."""
    opened = Suite.open(release)
    text = refused(lambda: opened["encoder_s1_b55"], "4 of 48, encoder_s0_b0 … decoder_s2_b5", "'encoder_s1_b55'")
    assert text.split("Next: take ")[1].startswith(ONE)
    refused(lambda: opened["encoder_s0_b1"], "snakemake results/saes/sae_encoder_s0_b1.pt --cores 1")
    refused(lambda: opened["wombat"], "Next: take one of suite.ids")


@pytest.mark.parametrize("is_run", [True, False], ids=["run", "copy"])
def test_a_missing_or_altered_file_is_named_with_its_way_back(request, is_run):
    """File, expected digest, found digest, and the command that makes it, or, for a copy, where to get it."""
    folder = request.getfixturevalue("run_folder" if is_run else "release")
    opened = Suite.open(folder)
    path, digest = folder / "saes" / f"sae_{ONE}.pt", opened.entry(ONE)["sha256"]
    command = f"rm -f results/saes/sae_{ONE}.json && snakemake results/saes/sae_{ONE}.json --cores 1"
    fix = f"in {folder.parent}: {command}" if is_run else f"get saes/sae_{ONE}.pt again from where this release came from"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    text = refused(lambda: opened[ONE], str(path), f"expected sha256 {digest}, found sha256 ", fix)
    assert digest not in text.split("found")[1]
    opened.load(ONE, verify=False)
    path.unlink()
    refused(lambda: opened[ONE], str(path), digest, "no such file", fix)
    opened["encoder_s0_b0"]


@pytest.mark.parametrize("n_bytes", [0, 10, -200])
def test_a_cut_file_is_refused_without_verification_too(release, n_bytes):
    path = release / "saes" / f"sae_{ONE}.pt"
    path.write_bytes(path.read_bytes()[:n_bytes])
    refused(lambda: Suite.open(release).load(ONE, verify=False), str(path), "an unreadable file")


def test_another_blocks_weights_are_refused_without_verification_too(release):
    other = release / "saes" / f"sae_{BLOCKS[0]}.pt"
    shutil.copy2(other, release / "saes" / f"sae_{ONE}.pt")
    refused(lambda: Suite.open(release).load(ONE, verify=False), f"the SAE of {ONE}", "one of 16")


def test_only_components_and_stages_that_there_are_can_be_selected(release):
    opened = Suite.open(release)
    assert opened.select("encoder", 1) == [ONE] and len(opened.select()) == len(BLOCKS)
    for words in (("encoders",), (None, 3), (None, "1")):
        refused(lambda words=words: opened.select(*words), "component encoder or decoder, stage 0, 1 or 2")


def test_golden_vectors_are_met_or_absent(release):
    """Golden vectors of another block, or damaged ones, stop the load; without them the digest alone vouches."""
    opened, golden = Suite.open(release), release / "saes" / "golden" / f"{ONE}.safetensors"
    tensors = load_file(golden)
    tensors["features"] += tensors["features"].max()
    from safetensors.torch import save_file

    save_file(tensors, golden)
    # The weights have been compared with the index by then: it is the vectors that are named.
    refused(lambda: opened[ONE], f"{golden}: expected golden vectors", "differ from the golden vectors")
    opened.load(ONE, verify=False)
    golden.write_bytes(b"damaged")
    refused(lambda: opened[ONE], str(golden))
    golden.unlink()
    assert opened[ONE].architecture == "relu"


def test_the_folder_that_is_meant_is_named(release, tmp_path, monkeypatch):
    """A clone, a folder within the release, a clone without results, and nothing near."""
    clone = tmp_path / "clone"
    shutil.copytree(release, clone / "results")
    (clone / "results" / "run.json").unlink(missing_ok=True)
    for each in (clone, clone / "results" / "saes", clone / "results" / "saes" / "nothing"):
        refused(lambda each=each: Suite.open(each), "no such file", f"Next: give {clone / 'results'}")
    monkeypatch.chdir(tmp_path)
    refused(lambda: Suite.open("reslts"), f"that of a copied release; 'reslts' is looked for in {tmp_path}")
    (clone / "Snakefile").touch()
    # A copied release in a clone's folder is not what that clone makes.
    (clone / "results" / "saes" / f"sae_{ONE}.pt").unlink()
    refused(lambda: Suite.open(clone / "results")[ONE], "again from where this release came from")
    shutil.rmtree(clone / "results")
    monkeypatch.chdir(clone)
    refused(lambda: Suite.open(), "snakemake results/sae_index.json")
    refused(lambda: Suite.open(None), "the path of a folder", "found None")


def test_an_index_that_cannot_be_read_is_said_so(release, tmp_path):
    """No folder, no index, no JSON, a newer version, and one that its schema does not allow."""
    refused(lambda: Suite.open(tmp_path / "nowhere"), "nowhere/sae_index.json", "no such file")
    refused(lambda: Suite.open(release / "README.md"), "no such file")
    (tmp_path / "sae_index.json").mkdir()
    refused(lambda: Suite.open(tmp_path), "the index of a suite", "a folder")
    shutil.copytree(release, release.parent / "copy")
    known = index_schema()["properties"]["schema_version"]["const"]
    change_index(release, lambda index: index.update(schema_version="10.0", novelty=1))
    refused(lambda: Suite.open(release), f"schema_version {known} or older", "found 10.0", "a newer one")
    change_index(release, lambda index: index.update(schema_version=known))
    refused(lambda: Suite.open(release), "novelty", f"an index of schema_version {known}")
    change_index(release, lambda index: (index.pop("novelty"), index["saes"][1].update(filename="../sae_other.pt")))
    refused(lambda: Suite.open(release), "$.saes[1].filename")
    assert Suite.open(release.parent / "copy" / "sae_index.json").ids == BLOCKS
    change_index(release, lambda index: index["saes"][0]["metrics"].update(fve=float("nan")))
    refused(lambda: Suite.open(release), "NaN is no JSON")
    (release / "sae_index.json").write_text("{")
    refused(lambda: Suite.open(release), "unreadable JSON")
    (release / "sae_index.json").write_text("[]")
    refused(lambda: Suite.open(release), "$")


def test_it_needs_neither_aurora_nor_xarray_nor_zarr(release):
    """With these made impossible to import, a suite is listed and an SAE loaded; listing needs no torch either."""
    code = (
        "import sys\nfor name in ('aurora', 'xarray', 'zarr', 'netCDF4'): sys.modules[name] = None\n"
        "from aurorascope import Suite\nsuite = Suite.open(sys.argv[1])\nprint(suite)\n"
        f"assert 'torch' not in sys.modules\nprint(suite['{ONE}'].d_model, len(suite.table()))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow")}
    command = [sys.executable, "-c", code, str(release)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "32 4"


def test_what_features_usually_are(release):
    """A row a feature; the SAE gives it too; an edit takes it, and no reference."""
    opened = Suite.open(release)
    table = opened.statistics(ONE)
    assert list(table["feature"]) == list(range(opened.entry(ONE)["d_hidden"])) and (table["sign"] == 1).all()
    assert (table["mean"] > 0).any() and (table["p99"].dropna() > 0).all() and (table["p99"].notna() == (table["mean"] > 0)).all()
    pd.testing.assert_frame_equal(opened[ONE].statistics(), table)
    on = int(table["mean"].argmax())
    edit = BlockEdits(BY_ID[ONE], opened[ONE], [(0, Clamp(on, "2*p99"), Everywhere())])
    edit.prepare(np.linspace(90, -90, 19), np.arange(36) * 10.0)
    assert edit.prepared[0].level_f.tolist() == [2 * table["p99"][on]]


def test_results_without_statistics_say_what_makes_them(release, run_folder):
    """In a run's folder the command, in a copy whence to get them; an altered table is refused; the SAE itself opens."""
    path = f"saes/statistics/{ONE}.parquet"
    (run_folder / path).unlink()
    command = f"rm -f results/evaluation/{ONE}.json && snakemake results/evaluation/{ONE}.json --cores 1"
    found = refused(lambda: Suite.open(run_folder)[ONE].statistics(), path, command, "or give edits reference=")
    assert "\n" not in found
    record = release / "evaluation" / f"{ONE}.json"
    (release / path).write_bytes((release / path).read_bytes() + b"x")
    refused(lambda: Suite.open(release).statistics(ONE), path, "sha256")
    other = {**json.loads(record.read_text()), "sae_sha256": "0" * 64}
    kept = record.read_text()
    record.write_text(json.dumps(other))
    refused(lambda: Suite.open(release).statistics(ONE), f"{ONE}.json", "as the index has it", "of 000000000000")
    record.write_text(kept)
    record.write_text(json.dumps({key: value for key, value in json.loads(record.read_text()).items() if key != "statistics_sha256"}))
    refused(lambda: Suite.open(release).statistics(ONE), "older results lack it", "get evaluation/")
    refused(lambda: Suite.open(release).statistics("encoder_s0_b1"), "encoder_s0_b1")
