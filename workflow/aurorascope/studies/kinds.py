"""Kinds of studies that a file can ask for, each with how it is read and run: edits of features, so far.

Planning asks `needs.needs_of` for what a study reads; a job asks `kind_of` for the rest. A further kind, such as changed inputs, is
told by a key of its own and stands here as one more function of `KINDS`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aurorascope.studies.checks import resolved
from aurorascope.studies.inputs import Inputs, labelled_same
from aurorascope.studies.kept_arms import Key
from aurorascope.studies.measure import Measured
from aurorascope.studies.run import StudyResult, run_study
from aurorascope.studies.study import read_study
from aurorascope.studies.study_file import StudyFile

Run = Callable[[Mapping[Key, Measured], Callable[[Key, Measured], None]], StudyResult]
"""Runs the study, given the arms that have run and what to call with each further one."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """A study that is read and has its inputs.

    Attributes:
        notes: further entries of its record, of what else its numbers depend on.
        run: runs it.
    """

    notes: dict[str, Any]
    run: Run


@dataclass(frozen=True, eq=False)
class StudyKind:
    """A kind of study.

    Attributes:
        read: what is asked, checked as far as a file can be.
        prepare: from what is asked, the inputs, the record's claim and the results folder to a study that can run.
    """

    read: Callable[[StudyFile], Any]
    prepare: Callable[[Any, Inputs, Mapping[str, Any], Path], Prepared]


def _prepare_edit(study: Any, inputs: Inputs, claim: Mapping[str, Any], results: Path) -> Prepared:
    features = resolved("the study, features", inputs.saes[study.block], study.features)
    same, note = labelled_same(results, study.block, claim["sae_sha256"][study.block], features)

    def run(done: Mapping[Key, Measured], keep: Callable[[Key, Measured], None]) -> StudyResult:
        return run_study(
            study, inputs.model, inputs.saes, inputs.batches, labels=inputs.labels, labelled_same=same, quiet=inputs.quiet.values(),
            done=done, keep=keep, clean=inputs.clean,
        )

    return Prepared({"atlas": note}, run)


EDIT = StudyKind(lambda file: read_study({"name": file.name, **file.asked}), _prepare_edit)


def kind_of(file: StudyFile) -> StudyKind:
    """The kind of study that a file asks for."""
    return EDIT
