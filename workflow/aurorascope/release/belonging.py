"""Whether a record is of those files that lie beside it now: some entries name the digests of another record's files."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from aurorascope.errors import UserError
from aurorascope.files import read_record
from aurorascope.measures.all import MEASURES
from aurorascope.records import KINDS, Kind

# Of a kind: each such entry, with the kind of the other record and the entry there that it must equal.
_OF: dict[str, dict[str, tuple[str, str]]] = {
    measure.kind.name: {mine: ("sae", its) for mine, its in measure.made_from.items()} for measure in MEASURES
}
_OF["boost"] = {"of": ("sae", "sha256")}
_OF["boost_evaluation"]["boost_sha256"] = ("boost", "sha256")
_OF["stage_evaluation"] = {"sae_sha256": ("stage_sae", "sha256")}


def distance(kind: str) -> int:
    """How many records stand between one of this kind and one that names no other: what is made anew first has the least."""
    return max((1 + distance(other) for other, _ in _OF.get(kind, {}).values()), default=0)


def check_belongs(kind: Kind, path: Path, record: Mapping[str, Any], damaged: Collection[Path] = ()) -> None:
    """Refuse a record of another SAE, or of another boost, than the one that lies beside it; where none lies there, there is nothing to say.

    Args:
        kind: the record's kind.
        path: where it lies.
        record: its content.
        damaged: records that say nothing of what lies beside them.

    Raises:
        UserError: it is of another one, with the command that makes it of this one.
        KeyError: it lacks an entry.
    """
    results, names = path.parents[kind.path.count("/")], kind.names_in(path)
    for mine, (other, its) in _OF.get(kind.name, {}).items():
        there = KINDS[other].where(results, **names)
        if there in damaged:
            continue
        try:
            expected = read_record(there, other)[its]
        except (UserError, KeyError):
            # Missing, or damaged, which is said of that record itself.
            continue
        if record[mine] != expected:
            raise UserError.stale(path, f"{mine} {expected[:12]}, as {there} says", record[mine][:12])
