"""A study as a file: read and checked as far as that needs neither model nor data. Nothing heavy is imported here."""

from pathlib import Path

from aurorascope.studies.written import AskedFile, FileKind

FOLDER = Path("studies")
"""Of the files, in the folder that a run is started in."""
_KIND = FileKind("study", "docs/studies.md")
naming = _KIND.naming


def study_names(folder: Path = FOLDER) -> list[str]:
    """Names of the studies that have a file, ascending."""
    return _KIND.names(folder)


def read_study_file(name: str, folder: Path = FOLDER) -> AskedFile:
    """The file of a study.

    Raises:
        UserError: there is none, its name is no study's, it is no YAML mapping of plain values with each key once, or its hour or quiet
            dates are none.
    """
    return _KIND.read(name, folder)
