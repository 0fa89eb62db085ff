"""Studies: what an edit of features, or a change of inputs, does to the forecast, beside every control, with a word for it."""

from aurorascope.studies.input_arms import InputPlan, plan_input_study
from aurorascope.studies.input_run import InputStudyResult, UnseenWarning, run_input_study
from aurorascope.studies.input_study import InputStudy, read_input_study
from aurorascope.studies.run import StudyResult, run_study
from aurorascope.studies.study import Change, Study, read_study
from aurorascope.studies.verdict import judge
from aurorascope.studies.where import Where

__all__ = [
    "Change", "InputPlan", "InputStudy", "InputStudyResult", "Study", "StudyResult", "UnseenWarning", "Where", "judge", "plan_input_study",
    "read_input_study", "read_study", "run_input_study", "run_study",
]
