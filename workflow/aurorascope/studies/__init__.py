"""Studies: what an edit of features does to the forecast, beside every control, with a word for it."""

from aurorascope.studies.run import StudyResult, run_study
from aurorascope.studies.study import Change, Study, read_study
from aurorascope.studies.verdict import judge
from aurorascope.studies.where import Where

__all__ = ["Change", "Study", "StudyResult", "Where", "judge", "read_study", "run_study"]
