"""Where, by whom and with which words the Snakefile is run: each fault ends with one line that says what to do."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from aurorascope.config.paths import expanded
from aurorascope.config.resolve import resolve
from aurorascope.config.surroundings import check_place, check_words
from aurorascope.errors import UserError

RESULTS = Path("results")


@pytest.mark.parametrize(("word", "near"), [
    ("results/saes/sae_encoder_s1_b55.pt", "encoder_s1_b5"), ("results/evaluation/encoder_s9_b0.json", "encoder_s2_b0"),
    ("results/figures/feature_decoder_s0b7.png", "decoder_s0_b7"), ("results/saes/sae_Encoder_s1_b5.pt", "encoder_s1_b5"),
])
def test_a_misspelt_block_names_those_that_may_be_meant(word, near):
    with pytest.raises(UserError, match=f"one of the 48 blocks.*did you mean .*{near}"):
        check_words([word, "--cores", "2"], RESULTS)


@pytest.mark.parametrize(("word", "near"), [
    ("results/saes/sae_encoder_s7.pt", "encoder_s2"), ("results/saes/sae_ENCODER_S1.pt", "encoder_s1"), ("results/evaluation/decoders1.json", "decoder_s1"),
])
def test_a_misspelt_stage_names_those_that_may_be_meant(word, near):
    with pytest.raises(UserError, match=f"one of the six stages.*did you mean .*{near}"):
        check_words([word, "--cores", "2"], RESULTS)


@pytest.mark.parametrize(("ending", "words"), [(".pth", "the ending .pth"), ("", "no ending"), (".safetensors", "the ending .safetensors")])
def test_another_ending_of_an_sae_names_its_weights(ending, words):
    with pytest.raises(UserError, match=rf"weights, \.pt, or their record, \.json, found {words}\. Next: did you mean results/saes/sae_encoder_s1_b5\.pt\?"):
        check_words([f"results/saes/sae_encoder_s1_b5{ending}"], RESULTS)
    check_words(["results/saes/sae_encoder_s1_b5.json", "results/saes/golden/encoder_s1_b5.safetensors"], RESULTS)


def test_a_boost_of_a_stage_names_the_blocks_of_it():
    """There is none of a stage; one of a block that starts with the stage's name passes."""
    with pytest.raises(UserError, match="a boost of one of the 48 blocks, found the stage encoder_s2. .*encoder_s2_b0, .*encoder_s2_b7"):
        check_words(["results/boosts/sae_encoder_s2.pt"], RESULTS)
    check_words(["results/boosts/sae_encoder_s2_b7.pt", "results/boosts/evaluation/encoder_s2_b7.json"], RESULTS)


@pytest.mark.parametrize("words", [
    ["results/saes/sae_encoder_s1.pt"], ["results/matches/encoder_s1_b5__encoder_s1_b6.json"], ["results/saes/sae_encoder_s1_b5.pt"], ["other/encoder_s9_b9"], ["--config", "blocks=[encoder_s9_b9]"], [], ["-n"],
    ["--profile", "mine"], ["--profile=profiles/slurmy"],
])
def test_other_words_are_not_ours_to_judge(words, monkeypatch):
    monkeypatch.setenv("PATH", "")
    check_words(words, RESULTS)


@pytest.mark.parametrize("words", [["--profile", "slurm"], ["--profile=slurm"], ["-e", "slurm"], ["--executor", "slurm"], ["--profile", "./slurm"]])
def test_a_profile_without_slurm(words, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="the program sbatch, found none on PATH"):
        check_words(words, RESULTS)
    (tmp_path / "sbatch").write_text("#!/bin/sh\n")
    (tmp_path / "sbatch").chmod(0o755)
    check_words(words, RESULTS)


def test_results_that_are_a_link_to_nowhere(tmp_path):
    link = tmp_path / "results"
    link.symlink_to(tmp_path / "purged")
    with pytest.raises(UserError, match=r"found a link to .*purged, which is not there. Next: make that folder"):
        check_place([], link, tmp_path / ".snakemake")
    (tmp_path / "purged").mkdir()
    check_place([], link, tmp_path / ".snakemake")


def test_braces_in_a_path(tmp_path):
    with pytest.raises(UserError, match="without braces"):
        check_place([Path("/data/{mine}/workflow")], tmp_path / "results", tmp_path / ".snakemake")


def test_a_folder_of_another_user(tmp_path):
    """Where root may write anywhere, too: the check runs without that privilege."""
    if os.getuid() or shutil.which("setpriv") is None:
        pytest.skip("only root can give a folder away")
    memory = tmp_path / ".snakemake"
    memory.mkdir()
    os.chown(memory, 65534, 65534)
    code = (
        "import sys\nfrom pathlib import Path\nfrom aurorascope.config.surroundings import check_place\n"
        "from aurorascope.errors import UserError\n"
        "try:\n    check_place([], Path('nowhere'), Path(sys.argv[1]))\nexcept UserError as error:\n    print(error.one_line())\n"
    )
    words = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", sys.executable, "-c", code, str(memory)]
    done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    assert done.returncode == 0, done.stderr
    assert ".snakemake: expected a folder that you may write in" in done.stdout and "a clone of your own" in done.stdout


@pytest.mark.parametrize(("given", "meant"), [
    ({"epochs": 3}, r"did you mean sae.epochs\? For example --config 'sae=\{epochs: …\}'"), ({"epoch": 3}, r"did you mean sae.epochs\?"),
    ({"seed": 1}, "did you mean .*sae.seed"), ({"sae": {"epoch": 3}}, r"did you mean sae.epochs\?"), ({"sea": {}}, r"did you mean sae\?"),
    ({"architecture": "topk"}, "did you mean sae.architecture"), ({"zzz": 1}, "remove it; known keys: "),
])
def test_an_unknown_key_names_the_one_that_was_meant(given, meant):
    """Of the same name in any section first, then of a name like it."""
    with pytest.raises(UserError, match=meant):
        resolve(given)


def test_paths_are_expanded_alike(monkeypatch):
    monkeypatch.setenv("HOME", "/mine/here")
    monkeypatch.setenv("WHERE", "/data")
    assert expanded("~/a", "k") == "/mine/here/a" and expanded("$WHERE/${WHERE}", "k") == "/data//data"
    assert expanded("plain/path", "k") == "plain/path"
    monkeypatch.setenv("EMPTY", "")
    with pytest.raises(UserError, match=r"config key k: .*EMPTY not set.*change k in your config"):
        expanded("$EMPTY/a", "k")
