import json
import os
from pathlib import Path

import pytest
import yaml
from aurorascope.config import from_mapping, load_config
from aurorascope.config.identity import check_identity, link_scratch, save_config, scratch_folder
from aurorascope.config.resolve import resolve
from aurorascope.errors import UserError

from tests.config.raw import put, typed


def test_first_run_writes_its_identity(demo_raw, tmp_path):
    """A folder without a run takes the first one's identity, and the same run passes again."""
    path = tmp_path / "results" / "run.json"
    assert check_identity(typed(demo_raw), path, dry_run=False) is None
    assert json.loads(path.read_text()) == {
        "kind": "run", "cams.source": "demo", "aurora.checkpoint": "demo", "aurora.embed_dim": 32,
        "static.source": "demo",
    }
    before = path.stat().st_mtime_ns
    assert check_identity(typed(demo_raw), path, dry_run=False) is None
    assert path.stat().st_mtime_ns == before


def test_other_identity_is_refused_with_three_ways_out(year_raw, tmp_path, root):
    """A demo configuration in a year's folder names both runs and what the user can do."""
    path = tmp_path / "run.json"
    check_identity(typed(year_raw), path, dry_run=False)
    before = path.read_bytes()
    demo = yaml.safe_load((root / "config.yaml").read_text())
    with pytest.raises(UserError) as caught:
        check_identity(typed(demo), path, dry_run=False)
    message = caught.value.one_line()
    for words in ("cams.source: ads", "cams.source: demo", "embed_dim: 512", "embed_dim: 32"):
        assert words in message
    for way in ("--configfile", "another clone", "--config replace_results=true"):
        assert way in message
    assert path.read_bytes() == before


def test_dry_run_warns_and_writes_nothing(demo_raw, tmp_path):
    """A dry run neither takes an empty folder nor refuses a foreign one."""
    path = tmp_path / "run.json"
    assert check_identity(typed(demo_raw), path, dry_run=True) is None
    assert not path.exists()
    check_identity(typed(demo_raw), path, dry_run=False)
    before = path.read_bytes()
    warning = check_identity(typed(put(demo_raw, "aurora.embed_dim", 16)), path, dry_run=True)
    assert "aurora.embed_dim: 32" in warning and "aurora.embed_dim: 16" in warning
    assert "\n" not in warning
    assert path.read_bytes() == before


def test_replace_results_takes_the_folder_over(demo_raw, tmp_path):
    """With replace_results the new identity is written, but not by a dry run."""
    path = tmp_path / "run.json"
    check_identity(typed(demo_raw), path, dry_run=False)
    other = typed(put(put(demo_raw, "aurora.embed_dim", 16), "replace_results", "true"))
    assert check_identity(other, path, dry_run=True) is None
    assert json.loads(path.read_text())["aurora.embed_dim"] == 32
    assert check_identity(other, path, dry_run=False) is None
    assert json.loads(path.read_text())["aurora.embed_dim"] == 16


@pytest.mark.parametrize(("key", "value"), [("sae.seed", 5), ("sae.epochs", 1), ("cams.levels", [500, 850])])
def test_other_settings_never_trip_the_identity(demo_raw, tmp_path, key, value):
    """Changing the SAEs or the data of a run leaves it the same run."""
    path = tmp_path / "run.json"
    check_identity(typed(demo_raw), path, dry_run=False)
    assert check_identity(typed(put(demo_raw, key, value)), path, dry_run=False) is None


def test_config_file_is_found_again(demo_raw, tmp_path, monkeypatch):
    """The resolved configuration is written once, under its digest, and verbs read the same object from it."""
    mapping = resolve(demo_raw)[0]
    path = save_config(mapping, tmp_path)
    before = path.stat().st_mtime_ns
    assert save_config(mapping, tmp_path) == path
    assert path.stat().st_mtime_ns == before
    monkeypatch.setenv("AURORASCOPE_CONFIG", str(path))
    assert load_config() == from_mapping(mapping)


@pytest.mark.parametrize("value", [None, "nowhere.json"])
def test_verbs_without_a_configuration_say_so(monkeypatch, value):
    """A verb run by hand without the variable ends with one clear error."""
    monkeypatch.delenv("AURORASCOPE_CONFIG", raising=False)
    if value:
        monkeypatch.setenv("AURORASCOPE_CONFIG", value)
    with pytest.raises(UserError, match="AURORASCOPE_CONFIG"):
        load_config()


@pytest.fixture
def link(tmp_path):
    return tmp_path / "results" / "scratch"


def test_no_scratch_means_a_plain_folder(link):
    """Without a target, a plain folder is made, and kept on the next parse."""
    link_scratch(None, link)
    (link / "file").touch()
    link_scratch(None, link)
    assert (link / "file").exists() and not link.is_symlink()


def test_scratch_is_linked_and_created(link, tmp_path, monkeypatch):
    """The target is created, variables expand, and linking again changes nothing."""
    monkeypatch.setenv("AURORASCOPE_TEST_SCRATCH", str(tmp_path / "big"))
    for _ in range(2):
        link_scratch(scratch_folder("$AURORASCOPE_TEST_SCRATCH/run"), link)
        assert os.readlink(link) == str(tmp_path / "big" / "run")
        assert link.is_dir()


def test_purged_target_is_made_again(link, tmp_path):
    """After the scratch disk was purged, the dangling link works again."""
    link_scratch(tmp_path / "big", link)
    (tmp_path / "big").rmdir()
    link_scratch(tmp_path / "big", link)
    assert link.is_dir()


def test_link_stays_when_the_key_is_taken_away(link, tmp_path):
    """A link made by hand or by an earlier run is not undone."""
    link_scratch(tmp_path / "big", link)
    link_scratch(None, link)
    assert link.is_symlink()


@pytest.mark.parametrize("value", [None, ""])
@pytest.mark.parametrize("target", ["$AURORASCOPE_UNSET/run", "${AURORASCOPE_UNSET}"])
def test_unset_variable_is_refused_with_the_next_command(monkeypatch, target, value):
    """A variable that is not set, or empty, becomes neither a folder of that name nor one under the root."""
    monkeypatch.delenv("AURORASCOPE_UNSET", raising=False)
    if value is not None:
        monkeypatch.setenv("AURORASCOPE_UNSET", value)
    with pytest.raises(UserError, match=r"export AURORASCOPE_UNSET=.*--config 'storage=\{scratch: null\}'"):
        scratch_folder(target)


def test_scratch_folder_expands_home_and_every_variable(monkeypatch, tmp_path):
    """`~`, both forms of variables, relative folders, and null."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AURORASCOPE_USER", "ada")
    assert scratch_folder("~/${AURORASCOPE_USER}/$AURORASCOPE_USER") == tmp_path / "ada" / "ada"
    assert scratch_folder("big") == Path.cwd() / "big"
    assert scratch_folder(None) is None


def test_empty_real_folder_gives_way(link, tmp_path):
    """An empty plain folder is replaced by the link."""
    link.mkdir(parents=True)
    link_scratch(tmp_path / "big", link)
    assert link.is_symlink()


@pytest.mark.parametrize("what", ["a folder with files", "a file", "a link elsewhere"])
def test_what_is_in_the_way_is_left_alone(link, tmp_path, what):
    """A real folder with files, a file or a link elsewhere is an error, and stays."""
    link.parent.mkdir()
    if what == "a folder with files":
        link.mkdir()
        (link / "file").touch()
    elif what == "a file":
        link.touch()
    else:
        (tmp_path / "other").mkdir()
        link.symlink_to(tmp_path / "other")
    with pytest.raises(UserError, match=r"expected a link to storage\.scratch .*Next: move its contents"):
        link_scratch(tmp_path / "big", link)
    assert link.exists()
    assert not link.is_symlink() or link.resolve() == tmp_path / "other"


def test_target_that_cannot_be_made_is_a_user_error(link, tmp_path):
    """A target on a place that cannot be written is one clear error."""
    (tmp_path / "file").touch()
    with pytest.raises(UserError):
        link_scratch(tmp_path / "file" / "run", link)
