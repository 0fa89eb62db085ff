"""`Suite.from_hub`: the hub's own client against a server of this machine, its cache, and no network at all."""

import re
import shutil
import subprocess

import pytest
from aurorascope import Suite
from aurorascope.errors import UserError
from huggingface_hub import constants

from tests.release.hub_server import Hub

pytestmark = pytest.mark.slow
ONE, OTHER = "encoder_s1_b5", "encoder_s0_b0"
FIRST, SECOND = "a1" * 20, "b2" * 20
WEIGHTS, GOLDEN = f"saes/sae_{ONE}.pt", f"saes/golden/{ONE}.safetensors"
@pytest.fixture
def hub():
    with Hub().serving() as hub:
        yield hub


@pytest.fixture
def served(hub, release):
    """The release as the first commit of `user/suite` and its branch main."""
    hub.commits[FIRST], hub.branches["main"] = release, FIRST
    return hub


@pytest.fixture
def ask(tmp_path, monkeypatch, caplog):
    """Open a suite with a cache of this test's own, and load SAEs: what each gave, or its error's one line; and the log."""
    caplog.set_level("INFO", "aurorascope")
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    def found(what):
        try:
            return what()
        except UserError as error:
            return error.one_line()

    def run(address, name, revision, *blocks, offline=False):
        caplog.clear()
        with monkeypatch.context() as patched:
            patched.setattr(constants, "ENDPOINT", address)
            patched.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}")
            patched.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
            patched.setattr(constants, "HF_HUB_OFFLINE", offline)
            suite = found(lambda: Suite.from_hub(name, revision=revision))
            if isinstance(suite, str):
                return [suite], caplog.text
            loaded = [found(lambda: [suite[block].d_model, suite[block].architecture]) for block in blocks]  # noqa: B023
            return [(suite.revision, str(suite)), *loaded], caplog.text

    return run


def altered(release, folder, name):
    """The release with one byte of a file flipped."""
    shutil.copytree(release, folder)
    flip(folder / name)
    return folder


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_only_what_is_asked_for_is_downloaded_and_once(served, ask):
    """The index; then the weights and golden vectors of the SAE that was asked for; from the cache the next time."""
    (opened,), log = ask(served.address, served.name, None)
    assert opened[0] == FIRST and opened[1].startswith(f"aurorascope 0.1.0 in {served.name}@{FIRST[:12]}: 4 of 48 SAEs")
    assert f"{served.name}: main is commit {FIRST}." in log
    assert served.downloads() == ["sae_index.json"]
    (_, loaded), _ = ask(served.address, served.name, None, ONE)
    assert loaded == [32, "relu"] and served.downloads() == ["sae_index.json", WEIGHTS, GOLDEN]
    assert {revision for _, revision, file in served.asked if file != "sae_index.json"} == {FIRST}
    n_asked = len(served.asked)
    (again, loaded), _ = ask(served.address, served.name, FIRST, ONE)
    assert (again, loaded[0]) == (opened, 32) and len(served.asked) == n_asked


def test_a_fixed_revision_stays_while_the_branch_goes_on(served, ask, release, tmp_path):
    """A commit, a branch and None give the commits that they mean, and another commit's files are not taken."""
    served.commits[SECOND] = altered(release, tmp_path / "second", WEIGHTS)
    served.branches.update(main=SECOND, stable=FIRST)
    (opened, loaded), _ = ask(served.address, served.name, FIRST, ONE)
    assert (opened[0], loaded) == (FIRST, [32, "relu"])
    assert ask(served.address, served.name, "stable")[0][0][0] == FIRST
    (opened, refused), _ = ask(served.address, served.name, None, ONE)
    assert opened[0] == SECOND
    assert re.search(f"sae_{ONE}.pt: expected sha256 [0-9a-f]{{64}}, found sha256 [0-9a-f]{{64}}. Next: ", refused)
    assert f"the files of {served.name}@{SECOND[:12]} do not belong together: give another revision" in refused


@pytest.mark.parametrize("is_told", [True, False], ids=["HF_HUB_OFFLINE", "no answer"])
def test_without_the_hub_the_cache_serves(served, ask, is_told):
    """None is the newest cached commit, which is said, and what is cached loads."""
    ask(served.address, served.name, None, ONE)
    n_asked = len(served.asked)
    nowhere = served.address if is_told else "http://127.0.0.1:1"
    (opened, loaded), log = ask(nowhere, served.name, None, ONE, offline=is_told)
    assert (opened[0], loaded, len(served.asked)) == (FIRST, [32, "relu"], n_asked)
    assert f"{served.name}: the hub is not reached; this is commit {FIRST}, the newest in the cache." in log


def test_what_the_cache_lacks_is_named_offline(served, ask):
    """Another SAE, another revision."""
    ask(served.address, served.name, None)
    (_, refused), _ = ask(served.address, served.name, None, OTHER, offline=True)
    expected = f"{served.name}@{FIRST[:12]}: expected saes/sae_{OTHER}.pt from the hub or from its cache"
    assert refused.startswith(expected) and "Next: connect to the network" in refused
    (unknown,), _ = ask(served.address, served.name, SECOND, offline=True)
    assert unknown.startswith(f"{served.name}@{SECOND[:12]}: expected sae_index.json from the hub or from its cache")


def test_the_newest_in_the_cache(served, ask, release, tmp_path):
    """Commits that were asked for by their digits alone: the one cached last; else main as the hub named it last."""
    assert "no such file in the cache" in ask(served.address, served.name, None, offline=True)[0][0]
    served.commits[SECOND] = shutil.copytree(release, tmp_path / "second")
    for commit in (SECOND, FIRST):
        ask(served.address, served.name, commit)
    assert ask(served.address, served.name, None, offline=True)[0][0][0] == FIRST
    served.branches["main"] = SECOND
    assert ask(served.address, served.name, None)[0][0][0] == SECOND
    ask(served.address, served.name, FIRST)
    assert ask(served.address, served.name, None, offline=True)[0][0][0] == SECOND


def test_a_byte_that_flips_in_the_cache_is_refused_until_it_is_fetched_again(served, ask, tmp_path):
    """By the command that the error ends with."""
    ask(served.address, served.name, FIRST, ONE)
    (path,) = tmp_path.glob(f"cache/**/sae_{ONE}.pt")
    flip(path.resolve())
    (_, refused), _ = ask(served.address, served.name, FIRST, ONE)
    command = re.search("Next: (rm -f .*), then ask for it again", refused)[1]
    subprocess.run(command.split(), check=True)
    assert ask(served.address, served.name, FIRST, ONE)[0][1] == [32, "relu"]
    assert served.downloads().count(WEIGHTS) == 2


def test_a_release_without_golden_vectors_is_vouched_for_by_its_digests(served, ask, release):
    """As in a folder; the hub is asked for them once, and the cache remembers that there are none."""
    (release / GOLDEN).unlink()
    assert ask(served.address, served.name, None, ONE)[0][1] == [32, "relu"]
    assert ask(served.address, served.name, None, ONE, offline=True)[0][1] == [32, "relu"]


@pytest.mark.parametrize(
    "name, revision, text",
    [
        ("user/other", None, "user/other@main: expected a model repository on the hub that you may read, found none"),
        ("user/suite", "v9", "user/suite@v9: expected a revision of the repository, found none of this name"),
        ("user/suite", "empty", "user/suite@empty: expected the file sae_index.json of a release, found no such file"),
        ("a/b/c", None, "a repository on the hub: expected its name, user/repo, found 'a/b/c'"),
    ],
)
def test_what_is_not_there_is_named(served, ask, tmp_path, name, revision, text):
    """Repository, revision, index, and a name that is none."""
    served.commits[SECOND], served.branches["empty"] = tmp_path, SECOND
    (refused,), _ = ask(served.address, name, revision)
    assert refused.startswith(text) and "Next: " in refused
