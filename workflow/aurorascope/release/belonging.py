"""Whether a record is of those files that lie beside it now: some entries name the digests of another record's files."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from aurorascope.errors import UserError
from aurorascope.records import KINDS, Kind


def distance(kind: Kind) -> int:
    """How many records stand between one of this kind and one that names no other: what is made anew first has the least."""
    return max((1 + distance(KINDS[other]) for other, _ in kind.of.values()), default=0)


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
    for other in dict.fromkeys(other for other, _ in kind.of.values()):
        there = KINDS[other].where(results, **names)
        if there in damaged:
            continue
        try:
            found = KINDS[other].read(results, **names)
            theirs = {its: found[its] for of, its in kind.of.values() if of == other}
        except (UserError, KeyError):
            # Missing, or damaged, which is said of that record itself.
            continue
        kind.check_of(path, record, other, theirs)
