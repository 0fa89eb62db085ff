"""Which kind of study a file asks for. Planning asks `needs.needs_of` what a study reads; a job asks here for the rest."""

from aurorascope.studies.edit_kind import EDIT
from aurorascope.studies.study_file import StudyFile
from aurorascope.studies.study_kind import StudyKind

# By the key that tells it; a file without any of these asks for an edit.
_BY_KEY: dict[str, StudyKind] = {"edit": EDIT}


def kind_of(file: StudyFile) -> StudyKind:
    """The kind that a key of the file tells."""
    return next((kind for key, kind in _BY_KEY.items() if key in file.asked), EDIT)
