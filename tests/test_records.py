"""One table of record kinds: what rules and the page on formats say agrees with it."""

import re

import pytest
from aurorascope.measures.all import ALL_KINDS
from aurorascope.records import Kind


def test_a_kind_that_is_half_declared_is_refused():
    with pytest.raises(ValueError, match="kind toy: toys/\\{block\\}.parquet has names that toys.json lacks"):
        Kind("toy", "toys.json", "toys", {"toys/{block}.parquet": "sha256"})
    with pytest.raises(ValueError, match="are not among its files"):
        Kind("toy", "toys/{block}.json", "toys", unreleased=("toys/{block}.parquet",))


@pytest.mark.parametrize("kind", ALL_KINDS.values(), ids=lambda kind: kind.name)
def test_paths_and_back(kind, tmp_path):
    """A record is found where it is said to be, with its names; what lies beside it is no record of the kind."""
    names = {"block": "encoder_s1_b5", "split": "held_out", "day": "2022-06-11", "circuit": "jet", "study": "storm", "outcome": "jet"}
    names |= {"a": "encoder_s1_b5", "b": "card.encoder_s1_b5", "stage": "encoder_s1"}
    path = kind.where(tmp_path, **names)
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    path.with_suffix(".source.json").write_text("{}")
    found = kind.found(tmp_path)
    assert path in found and ("{day}" not in kind.path or found == [path])
    for other in ALL_KINDS.values():
        assert path not in other.found(tmp_path) or other.path == kind.path, f"a {other.name}, too"
    read = kind.names_in(path)
    assert kind.where(tmp_path, **read) == path and read.items() <= names.items()


def test_rules_write_where_the_table_says(root):
    text = "".join(path.read_text() for path in (root / "workflow" / "rules").glob("*.smk"))
    for kind in ALL_KINDS.values():
        # A static record and its file may be outputs of one rule; each stands in a rule by its name.
        assert f'"results/{kind.path}"' in text, kind.path


def test_the_page_on_formats_has_the_same_table(root):
    text = (root / "docs" / "formats.md").read_text()
    rows = dict(re.findall(r"^\| `([^`]+\.json)` \| `(\w+)` \|", text, re.MULTILINE))
    assert rows == {re.sub(r"\{(\w+)\}", r"<\1>", kind.path): kind.name for kind in ALL_KINDS.values()}
