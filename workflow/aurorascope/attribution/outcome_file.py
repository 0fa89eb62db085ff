"""An outcome as a file: read and checked as far as that needs neither model nor data. Nothing heavy is imported here."""

from pathlib import Path

from aurorascope.studies.written import AskedFile, FileKind

FOLDER = Path("outcomes")
"""Of the files, in the folder that a run is started in."""
_KIND = FileKind("outcome", "docs/attribution.md")
naming = _KIND.naming

RULES = ("gradient", "relevance", "midpoint")
LINEAR_KEYS = ("variable", "level", "terms", "region")
"""Keys that say what is looked at, as of a linear outcome of a study."""
KEYS = (*LINEAR_KEYS, "date", "dates", "blocks", "rule", "points", "exact")
"""All keys, but for those of any file that names dates (`written.OF_FILE`)."""


def outcome_names(folder: Path = FOLDER) -> list[str]:
    """Names of the outcomes that have a file, ascending."""
    return _KIND.names(folder)


def read_outcome_file(name: str, folder: Path = FOLDER) -> AskedFile:
    """The file of an outcome.

    Raises:
        UserError: there is none, its name is no outcome's, it is no YAML mapping of plain values with each key once, or its hour or quiet
            dates are none.
    """
    return _KIND.read(name, folder)
