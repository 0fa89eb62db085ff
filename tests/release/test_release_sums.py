"""`SHA256SUMS` against the files it names, of which records vouch for some."""

import pytest
from aurorascope.files import sha256_bytes, sha256_file
from aurorascope.release import checksums as module
from aurorascope.release.checksums import Vouched, check_sums, count

FILES = {name: name.encode() * 50 for name in ("README.md", "figures/suite.png", "saes/a.json", "saes/a.pt", "saes/b.json", "saes/b.pt")}


@pytest.fixture
def sums(tmp_path):
    for name, data in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    path = tmp_path / "SHA256SUMS"
    path.write_text("".join(f"{sha256_bytes(data)}  {name}\n" for name, data in FILES.items()))
    return path


def records(sums, **damaged):
    """What the records of a and b say of their weights as they are now."""
    found = []
    for name in "ab":
        weights = sums.parent / f"saes/{name}.pt"
        found.append(Vouched(weights.with_suffix(".json"), {weights: sha256_file(weights)}, not damaged.get(name)))
    return found


def test_files_that_a_record_vouches_for_are_not_read_again(sums, monkeypatch):
    """In order: each file counts as a step, and the weights are hashed by nobody."""
    vouched, read, steps = records(sums), [], []
    monkeypatch.setattr(module, "sha256_file", lambda path: read.append(path.name) or sha256_file(path))
    assert check_sums(sums, vouched, lambda: steps.append(1)) == []
    assert sorted(read) == ["README.md", "a.json", "b.json", "suite.png"]
    assert len(steps) == count(sums) == len(FILES)
    assert count(sums.with_name("none")) == 0


@pytest.mark.parametrize("name", ["README.md", "figures/suite.png", "saes/a.json"])
@pytest.mark.parametrize("damage", ["altered", "missing"])
def test_an_altered_and_a_missing_file_are_named_with_the_commands(sums, name, damage):
    path, vouched = sums.parent / name, records(sums)
    path.unlink() if damage == "missing" else path.write_bytes(b"x" + FILES[name])
    (error,) = check_sums(sums, vouched)
    again = f"snakemake {path} --cores 1"
    if damage == "missing":
        assert error.where == str(path) and error.found == "no such file" and error.fix == again
    else:
        assert sha256_bytes(FILES[name]) in error.expected and sha256_file(path) in error.found
        assert error.fix == f"rm -f {path} && {again}"


def test_digests_that_are_gone_are_missed_beside_an_index(sums):
    """A folder in which no release was begun has none."""
    sums.unlink()
    assert check_sums(sums, records(sums)) == []
    (sums.parent / "sae_index.json").write_text("{}")
    (error,) = check_sums(sums, records(sums))
    assert error.where == str(sums) and error.found == "no such file" and error.fix == f"snakemake {sums} --cores 1"


def test_what_a_record_is_already_blamed_for_is_not_said_twice(sums):
    for name in ("saes/a.pt", "saes/a.json"):
        (sums.parent / name).write_bytes(b"other")
    assert check_sums(sums, records(sums, a=True)) == []


def test_files_made_anew_are_the_fault_of_the_digests(sums):
    """A record and its weights that agree, both of other bytes: one line, which asks for nothing but new digests."""
    for name in ("saes/a.pt", "saes/a.json"):
        (sums.parent / name).write_bytes(b"trained again")
    (error,) = check_sums(sums, records(sums))
    assert error.where == str(sums) and "1 files, such as" in error.found and "a.pt" in error.found
    assert error.fix == f"rm -f {sums} && snakemake {sums} --cores 1"


@pytest.mark.parametrize("line", [b"", b"0123  README.md", b"\xff" + b"0" * 63 + b"  README.md", b"0" * 64 + b" README.md"])
def test_a_line_that_is_none_is_named(sums, line):
    """Cut, of other bytes, or of another form."""
    sums.write_bytes(line + b"\n" + sums.read_bytes())
    (error,) = check_sums(sums, records(sums))
    assert error.where == f"{sums}, line 1" and error.fix.startswith(f"rm -f {sums} && snakemake")
