"""What goes wrong ends with one clear line, the last that a user reads, and loses nothing."""

import os
import shutil
import zipfile

import pytest
import torch

from tests.workflow.project import tiny_config

pytestmark = pytest.mark.slow
DAYS = ("2022-06-01", "2022-06-02", "2022-06-03", "2022-06-04", "2022-06-20", "2022-06-21")


def local_config(folder, **changes):
    """The tiny run on a folder of the user's day zips."""
    static = {"source": "file", "path": str(folder / "static.nc")}
    return tiny_config(cams__source="local", cams__directory=str(folder), static=static, **changes)


@pytest.fixture
def local(suite, bare, tmp_path):
    """A project whose days are files of the user's: the demo's zips, copied to a folder."""
    folder = tmp_path / "days"
    folder.mkdir()
    for day in DAYS:
        shutil.copy(suite.result(f"scratch/cams/{day}.zip"), folder)
    shutil.copy(suite.result("scratch/static/static.nc"), folder)
    (bare.result("run.json")).unlink(missing_ok=True)
    bare.configure(local_config(folder))
    return bare, folder


def test_config_errors_end_before_anything_is_planned(finished):
    """An unknown key, a wrong type and a grid that Aurora cannot take are named with the way out."""
    for words, expected in (
        (["--config", "sae={epoch: 7}"], "did you mean sae.epochs?"),
        (["--config", "sae={epochs: many}"], "expected a whole number of 1 or more, found 'many'"),
        (["--config", "cams={demo_grid: [20, 36]}"], "columns divisible by 3"),
        (["--config", "blocks=[encoder_s1_b55]"], "did you mean encoder_s1_b5"),
        (["--config", "cams={held_out: {start: 2022-06-04, end: 2022-06-05}}"], "none in common"),
    ):
        assert expected in finished.fail("results/sae_index.json", *words)


def test_a_target_out_of_reach_costs_no_finished_file(finished):
    """It is said while planning: a job would say it too late, Snakemake having deleted what it is to make again."""
    before = {path: path.read_bytes() for path in finished.result("saes").rglob("*") if path.is_file()}
    for target, words, what in (
        ("saes/sae_encoder_s1_b5.pt", "sae={architecture: topk, target_l0: 200}", "256 latents of encoder_s1_b5, found 200"),
        ("saes/sae_encoder_s1.pt", "sae={architecture: topk, target_l0: 200}", "256 latents of encoder_s1, found 200"),
        ("boosts/sae_encoder_s1_b5.pt", "sae={boost: {target_l0: 200}}", "256 latents of the second SAE of encoder_s1_b5, found 200"),
    ):
        assert f"at most half of the {what}" in finished.fail(f"results/{target}", "--config", words)
    assert {path: path.read_bytes() for path in finished.result("saes").rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("words", [("--config", "sae={epochs: -1}"), ("results/features/encoder_s1_b5/2022-07-01.nc",)])
def test_what_is_wrong_with_a_users_words_comes_without_places_in_rules_files(finished, words):
    """In the configuration or in what is planned: one line of ours, once, and nothing of where the Snakefile met it."""
    done = finished.run("--cores", "1", *words)
    text = done.stdout + done.stderr
    line = text.strip().splitlines()[-1]
    assert done.returncode == 1 and " Next: " in line and text.count(line) == 1
    assert not any(word in text for word in ("Error", "File \"", "Traceback", ".smk"))
    # What is planned next is not locked out.
    assert finished.run("--cores", "1", "results/scratch/static/static.json").returncode == 0


def test_a_defect_in_rules_files_keeps_its_place(finished):
    with (finished.path / "workflow" / "rules" / "common.smk").open("a") as file:
        file.write("\n\nraise ZeroDivisionError('planted')\n")
    done = finished.run("--cores", "1", "-n")
    text = done.stdout + done.stderr
    assert done.returncode and "ZeroDivisionError" in text and "planted" in text and "common.smk" in text


def test_another_identity_is_refused_and_a_dry_run_warns(finished):
    """The one-block command without the overlay cannot replace another run's SAE."""
    before = finished.hashes()
    line = finished.fail("results/saes/sae_encoder_s1_b5.pt", "--config", "aurora={embed_dim: 32}")
    assert "aurora.embed_dim: 16" in line and "aurora.embed_dim: 32" in line
    assert "--configfile" in line and "another clone" in line and "replace_results=true" in line
    dry = finished.run("--dry-run", "--cores", "1", "--config", "aurora={embed_dim: 32}")
    assert dry.returncode == 0 and "another clone" in dry.stdout + dry.stderr
    assert finished.hashes() == before


def test_a_misspelt_block_plans_nothing(finished):
    """A file name of a block that does not exist is no target."""
    assert "encoder_s9_b0" in finished.run("results/saes/sae_encoder_s9_b0.pt", "--cores", "1").stderr


def test_a_missing_day_names_itself_and_the_other_days_are_made(local):
    """One job fails; every other day gets its record; the last line names the day."""
    project, folder = local
    (folder / "2022-06-02.zip").unlink()
    line = project.fail("results/scratch/states/train.json", "results/scratch/states/held_out.json")
    assert line.startswith("download_day: ") and "2022-06-02" in line and "Next:" in line
    made = {path.stem for path in project.result("scratch/cams").glob("????-??-??.json")}
    assert made == set(DAYS) - {"2022-06-02"}
    shutil.copy(folder / "2022-06-01.zip", folder / "2022-06-02.zip")
    line = project.fail("results/scratch/cams/2022-06-02.json")
    assert "2022-06-01" in line
    (folder / "2022-06-02.zip").write_bytes((folder / "2022-06-03.zip").read_bytes()[:100_000])
    assert "2022-06-02.zip" in project.fail("results/scratch/cams/2022-06-02.json")
    with zipfile.ZipFile(folder / "2022-06-02.zip", "w") as archive:
        archive.writestr("../../data_sfc.nc", b"x")
    assert "2022-06-02.zip" in project.fail("results/scratch/cams/2022-06-02.json")
    assert not list(project.result("scratch/cams").glob("2022-06-02*"))


def test_a_checkpoint_of_another_width_is_refused(bare, checkpoint):
    """The line names the file, the width asked for and what differs; what a killed copy left is gone."""
    bare.configure(tiny_config(aurora__checkpoint=str(checkpoint), aurora__embed_dim=32))
    bare.result("run.json").unlink(missing_ok=True)
    left = bare.result("scratch/checkpoint/.aurora.ckpt.abcd1234.partial")
    left.touch()
    line = bare.fail("results/scratch/checkpoint/checkpoint.json")
    assert line.startswith("make_checkpoint: ") and "aurora.ckpt" in line and "embed_dim 32" in line
    assert not bare.result("scratch/checkpoint/checkpoint.json").exists() and not left.exists()


def test_a_checkpoint_named_by_path_gives_the_same_saes(bare, suite, checkpoint):
    """The demo's own checkpoint, named as a file, is loaded like any other."""
    bare.configure(tiny_config(aurora__checkpoint=str(checkpoint)))
    bare.result("run.json").unlink(missing_ok=True)
    bare.make("results/saes/sae_encoder_s0_b0.pt")
    assert bare.hashes() == {"encoder_s0_b0": suite.hashes()["encoder_s0_b0"]}


def test_a_flipped_bit_in_a_store_stops_the_training(finished):
    """The reader names the file, both digests and the command that rebuilds it; the rebuild gives the same SAE."""
    before = finished.hashes()
    block = "encoder_s1_b5"
    chunk = finished.result(f"scratch/activations/{block}/train/store.zarr/activation/c/1/0/0/0/0")
    data = bytearray(chunk.read_bytes())
    data[100] ^= 1
    chunk.write_bytes(bytes(data))
    finished.result(f"saes/sae_{block}.pt").unlink()
    manifest = f"results/scratch/activations/{block}/train/manifest.json"
    line = finished.fail(f"results/saes/sae_{block}.pt")
    assert "activation/c/1/0/0/0/0" in line and "expected blake3" in line
    assert f"rm -f {manifest} && snakemake {manifest} --cores 1" in line
    (finished.path / manifest).unlink()
    finished.make(manifest, cores=1)
    finished.make(f"results/saes/sae_{block}.pt")
    assert finished.hashes() == before


@pytest.mark.parametrize(("option", "reason"), [("size=4k", "No space left on device"), ("ro", "Read-only file system")])
def test_a_full_or_read_only_disk_leaves_no_partial_file(finished, option, reason):
    """Training onto a file system that takes no more bytes ends with a line that says so; no file keeps a final name."""
    weights, folder = finished.result("saes/sae_encoder_s0_b0.pt"), finished.result("saelens")
    weights.unlink()
    shutil.rmtree(folder)
    folder.mkdir()
    if os.system(f"mount -t tmpfs -o size=1m tmpfs {folder} 2>/dev/null"):
        pytest.skip("this system does not let us mount a small file system")
    try:
        (folder / "encoder_s0_b0").mkdir()
        assert os.system(f"mount -o remount,{option} {folder}") == 0
        line = finished.fail("results/saes/sae_encoder_s0_b0.pt")
        # Snakemake itself meets the read-only folder first and names the file; the full disk is the job's to explain.
        assert reason in line and "saelens/encoder_s0_b0" in line
        assert "free space" in line or option == "ro"
        assert not list(folder.rglob("*.*")) and not weights.exists()
    finally:
        os.system(f"umount {folder}")


def test_weights_of_the_demo_are_plain_tensors(suite):
    """A released file loads with weights_only and holds the card's four tensors."""
    tensors = torch.load(suite.result("saes/sae_encoder_s0_b0.pt"), weights_only=True)
    assert set(tensors) == {"W_enc", "b_enc", "W_dec", "b_dec"}
