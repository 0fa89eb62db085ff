"""Which kind of study a file asks for. Planning asks `needs.needs_of` what a study reads; a job asks here for the rest."""

from aurorascope.studies.edit_kind import EDIT
from aurorascope.studies.input_kind import INPUT
from aurorascope.studies.needs import KINDS
from aurorascope.studies.study_kind import StudyKind
from aurorascope.studies.written import AskedFile

_BY_KEY: dict[str, StudyKind] = {"perturb": INPUT, "edit": EDIT}


def kind_of(file: AskedFile) -> StudyKind:
    """The kind that a key of the file tells, in the order of `needs.KINDS`; an edit without any."""
    return next((_BY_KEY[key] for key in KINDS if key in file.asked), EDIT)
