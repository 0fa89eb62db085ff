"""What was made from an SAE that is there no more is told from the records alone."""

import argparse

import pytest
from aurorascope.cli import verify
from aurorascope.errors import UserError
from aurorascope.files import sha256_file, write_json
from aurorascope.measures.all import ALL_KINDS, MEASURES
from aurorascope.release.belonging import check_belongs, distance

from tests.config.raw import typed

NAMES = {"block": "encoder_s1_b5", "stage": "encoder_s1"}
DIGEST = "0" * 64
OF = [(kind.name, mine, *theirs) for kind in ALL_KINDS.values() for mine, theirs in kind.of.items()]


def write(results, kind, **entries):
    path = ALL_KINDS[kind].where(results, **NAMES)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {"kind": kind, "format": 1, **entries})
    return path


@pytest.mark.parametrize(("kind", "mine", "other", "its"), OF, ids=" ".join)
def test_a_record_of_another_file_than_that_beside_it_is_refused(tmp_path, kind, mine, other, its):
    """With both digests and the command; the right one, and one whose origin is not there, pass."""
    record = {entry: DIGEST for k, entry, *_ in OF if k == kind}
    path = write(tmp_path, kind, **record)
    check_belongs(ALL_KINDS[kind], path, record)
    beside = {entry: DIGEST for k, _, o, entry in OF if k == kind and o == other}
    write(tmp_path, other, **beside)
    check_belongs(ALL_KINDS[kind], path, record)
    write(tmp_path, other, **{**beside, its: "1" * 64})
    with pytest.raises(UserError, match=f"expected '{mine}' 111111111111, as the record of kind {other} says, found 000000000000") as caught:
        check_belongs(ALL_KINDS[kind], path, record)
    assert f"rm -f {path} && snakemake" in caught.value.fix


def test_a_damaged_record_is_told_of_by_itself_alone(tmp_path):
    """What it stands for cannot be compared."""
    record = {"of": DIGEST}
    path = write(tmp_path, "boost", **record)
    write(tmp_path, "sae").write_text("{")
    check_belongs(ALL_KINDS["boost"], path, record)
    write(tmp_path, "sae", sha256="1" * 64)
    check_belongs(ALL_KINDS["boost"], path, record, {ALL_KINDS["sae"].where(tmp_path, **NAMES)})


def test_what_others_are_made_from_is_said_first():
    """So that commands, typed in the order in which they are said, find what they need."""
    assert [distance(ALL_KINDS[kind]) for kind in ("sae", "boost", "boost_evaluation", "stage_evaluation", "chains")] == [0, 1, 2, 1, 0]
    assert all(distance(measure.kind) >= 1 for measure in MEASURES)


@pytest.mark.parametrize("is_damaged", [False, True])
def test_verify_says_it_but_not_of_a_damaged_origin(tmp_path, demo_raw, capsys, is_damaged):
    """Of two records whose own files are in order, the one of another SAE; where the SAE's file is altered, that alone."""
    names = [file.format(**NAMES) for kind in ("stage_sae", "stage_evaluation") for file in ALL_KINDS[kind].files]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    digests = {name: sha256_file(tmp_path / name) for name in names}
    weights, *others, table = names
    write(tmp_path, "stage_sae", sha256=digests[weights], files={name: digests[name] for name in others})
    write(tmp_path, "stage_evaluation", sae_sha256=DIGEST, table_sha256=digests[table])
    if is_damaged:
        (tmp_path / weights).write_text("altered")
    with pytest.raises(UserError, match="1 damaged"):
        verify.run(argparse.Namespace(results=tmp_path), typed(demo_raw))
    said = capsys.readouterr().out
    assert ("expected 'sae_sha256'" in said) is not is_damaged and ("sae_encoder_s1.pt: " in said) is is_damaged
