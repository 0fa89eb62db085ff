"""Studies: what an edit of features, or a change of inputs, does to the forecast, beside every control, with a word for it."""

import importlib

_MODULES = {
    "Change": "study", "Study": "study", "StudyResult": "run", "Where": "where", "judge": "verdict", "read_study": "study", "run_study": "run",
    "InputPlan": "input_arms", "InputStudy": "input_study", "InputStudyResult": "input_run", "UnseenWarning": "input_run",
    "plan_input_study": "input_arms", "read_input_study": "input_study", "run_input_study": "input_run",
}
__all__ = list(_MODULES)


def __getattr__(name: str) -> object:
    """Imported when first asked for: what planning reads of a study's file needs neither torch nor Aurora."""
    if name in _MODULES:
        return getattr(importlib.import_module(f"aurorascope.studies.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'aurorascope.studies' has no attribute {name!r}")
