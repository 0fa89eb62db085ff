"""Files that ask for something: YAML mappings of plain values with each key once, whose errors name the file. Nothing heavy is imported here."""

import contextlib
import datetime
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from aurorascope.errors import UserError, nearest
from aurorascope.studies.reading import PLAIN_NUMBER, check_dates, check_integer, check_name

OF_FILE = ("hour", "quiet_dates")
"""Keys of the file alone: what is asked in Python is given them as arguments."""
_DIGITS = re.compile(r"[+-]?[0-9]+")
# YAML takes 010 for eight and 1:30 for ninety.
_LEADING_ZERO = re.compile(r"[+-]?0[0-9]+")
_BOOL, _TEXT = "tag:yaml.org,2002:bool", "tag:yaml.org,2002:str"
_NOT_FINITE = re.compile(r"[+-]?\.(?:inf|Inf|INF|nan|NaN|NAN)")


@dataclass(frozen=True)
class AskedFile:
    """What stands in a file that names dates.

    Attributes:
        path: of the file.
        name: of what is asked, which is the file's.
        asked: the keys that say what is asked, plain JSON, without those of the file alone.
        hour: of each date's snapshot, UTC; None for the latest that is configured.
        quiet_dates: dates that say what features usually are, `YYYY-MM-DD`; None where the file names none.
    """

    path: Path
    name: str
    asked: Mapping[str, Any]
    hour: int | None
    quiet_dates: tuple[str, ...] | None


@dataclass(frozen=True)
class FileKind:
    """What files ask for.

    Attributes:
        what: a word, `study`; errors about its content begin with `the study`.
        guide: the page of the docs that has its keys.
    """

    what: str
    guide: str

    @property
    def subject(self) -> str:
        """What errors about its content begin with."""
        return f"the {self.what}"

    def names(self, folder: Path) -> list[str]:
        """Names of the files of a folder, ascending; those that end with .yml, too, so that they are not passed over."""
        return sorted({path.stem for path in folder.glob("*.y*ml") if path.suffix in (".yaml", ".yml")})

    def mapping(self, name: str, folder: Path) -> tuple[Path, dict[str, Any]]:
        """Path and content of a file.

        Raises:
            UserError: there is none, its name is none that it may have, or it is no YAML mapping of plain values with each key once.
        """
        path = folder / f"{name}.yaml"
        check_name(path, name)
        if path.is_dir():
            raise UserError(path, f"the file of {self._one}", "a folder", "rename it, or move it away")
        other = path.with_suffix(".yml")
        if other.is_file():
            raise UserError(other, "a file that ends with .yaml", other.name, f"rename it to {path.name}")
        if not path.is_file():
            names = self.names(folder)
            found = f"only {', '.join(names)}" if names else "none"
            raise UserError(path, f"the file of {self._one}", found, nearest(name, names) if names else f"write it as {self.guide} says")
        given = _parsed(path, self.guide)
        if "name" in given:
            raise UserError(f"{path}, name", f"no such key, since the file's name is the {self.what}'s", repr(given["name"]), "leave it out")
        return path, given

    def read(self, name: str, folder: Path) -> AskedFile:
        """A file that names dates.

        Raises:
            UserError: as of `mapping`, or its hour or quiet dates are none.
        """
        path, given = self.mapping(name, folder)
        with self.naming(path):
            hour = given.get("hour")
            if hour is not None and check_integer(f"{self.subject}, hour", hour, 0) > 23:
                raise UserError(f"{self.subject}, hour", "an hour from 0 to 23", repr(hour), "correct it")
            quiet = given.get("quiet_dates")
            quiet = None if quiet is None else check_dates(f"{self.subject}, quiet_dates", quiet)
        return AskedFile(path, name, {key: value for key, value in given.items() if key not in OF_FILE}, hour, quiet)

    @contextlib.contextmanager
    def naming(self, path: Path) -> Iterator[None]:
        """Let errors about what is asked, which say where in it, name its file."""
        try:
            yield
        except UserError as error:
            if not error.where.startswith(("the ", "outcome ")):
                # A damaged file of the results, say, has a name of its own.
                raise
            part = error.where.removeprefix(self.subject).removeprefix(", ")
            raise UserError(f"{path}, {part}" if part else path, error.expected, error.found, error.fix) from None

    @property
    def _one(self) -> str:
        return f"{'an' if self.what[0] in 'aeiou' else 'a'} {self.what}"


def _parsed(path: Path, guide: str) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, yaml.SafeLoader)
        _check_node(path, node, [])
        given = None if node is None else yaml.constructor.SafeConstructor().construct_document(node)
    except OSError as error:
        raise UserError(path, "a file that can be read", str(error.strerror), "correct its permissions") from None
    except (yaml.YAMLError, ValueError, AttributeError, RecursionError) as error:
        # No UTF-8; a word tagged as a date, whose parts are asked for; lists in lists without end.
        raise UserError(path, "YAML", " ".join(str(error).split())[:200], "correct it") from None
    if not isinstance(given, dict):
        raise UserError(path, f"keys with values, as {guide} says", "none" if given is None else repr(given)[:80], "correct it")
    return _plain(str(path), given)


def _check_node(path: Path, node: yaml.Node | None, above: list[yaml.Node]) -> None:
    """Refuse what YAML's own reader takes: a key that stands twice, a value that holds itself, a date that does not exist, and numbers that
    are other ones to YAML than to whoever reads their digits.

    Raises:
        UserError: naming the line.
    """
    where = f"{path}, line {node.start_mark.line + 1}" if node is not None else str(path)
    if any(node is each for each in above):
        raise UserError(where, "values that do not hold themselves", "one that does", "correct it")
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            line = f"{path}, line {key.start_mark.line + 1}"
            if not isinstance(key, yaml.ScalarNode):
                raise UserError(line, "a word as a key", f"a {key.id}", "correct it")
            if key.value in seen:
                raise UserError(line, "each key once", f"{key.value} twice", "leave one out")
            seen.add(str(key.value))
            _check_node(path, value, [*above, node])
    elif isinstance(node, yaml.SequenceNode):
        for each in node.value:
            _check_node(path, each, [*above, node])
    elif isinstance(node, yaml.ScalarNode):
        if node.tag == _BOOL and node.value.lower() not in ("true", "false"):
            # `no` is a word, nitrogen monoxide, as in YAML 1.2, and not false.
            node.tag = _TEXT
        _check_scalar(where, node.tag.rpartition(":")[2], node.value)


def _check_scalar(where: str, tag: str, value: str) -> None:
    if tag == "timestamp":
        try:
            yaml.safe_load(value)
        except ValueError:
            raise UserError(where, "a date that exists, YYYY-MM-DD", value, "correct it") from None
    is_plain = PLAIN_NUMBER.fullmatch(value) and not _LEADING_ZERO.fullmatch(value)
    if tag in ("int", "float") and not is_plain and not _NOT_FINITE.fullmatch(value):
        raise UserError(where, "plain decimal numbers, such as 10 or 2.5e-3", value[:80], "write it so, or in quotes where it is text")


def _plain(where: str, value: Any) -> Any:
    """The value as JSON holds it: dates as text, and 4e3 and -.5, which YAML leaves as text, as numbers. Nothing is None: a value that was
    forgotten is not taken for one that was left out.
    """
    if value is None:
        raise UserError(where, "a value", "none", "give one, or leave the key out")
    if isinstance(value, dict):
        return {str(key): _plain(f"{where}, {key}", each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(where, each) for each in value]
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, str) and PLAIN_NUMBER.fullmatch(value) and not _DIGITS.fullmatch(value):
        value = float(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(where, "a finite number", repr(value), "correct it")
    if not isinstance(value, str | int | float):
        raise UserError(where, "text, numbers, lists and mappings", type(value).__name__, "correct it")
    return value
