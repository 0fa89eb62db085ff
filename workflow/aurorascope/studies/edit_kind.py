"""Studies of edits of features, as files ask for them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from aurorascope.studies.checks import resolved
from aurorascope.studies.inputs import Inputs, labelled_same
from aurorascope.studies.measure import Measured
from aurorascope.studies.run import run_study
from aurorascope.studies.study import Study, read_study
from aurorascope.studies.study_kind import Key, Made, Prepared, StudyKind
from aurorascope.studies.written import AskedFile


def _read(file: AskedFile) -> Study:
    return read_study({"name": file.name, **file.asked})


def _prepare(study: Study, inputs: Inputs, claim: Mapping[str, Any], results: Path) -> Prepared:
    features = resolved("the study, features", inputs.saes[study.block], study.features)
    same, note = labelled_same(results, study.block, claim["sae_sha256"][study.block], features)

    def run(done: Mapping[Key, Measured], keep: Callable[[Key, Measured], None]) -> Made:
        found = run_study(
            study, inputs.model, inputs.saes, inputs.batches, labels=inputs.labels, labelled_same=same, quiet=inputs.quiet.values(),
            done=done, keep=keep, scratch=inputs.scratch, shared=inputs.clean,
        )
        return Made(found.summary, {"effects": found.effects, "divergence": found.fields}, {"": found.maps})

    return Prepared({"atlas": note}, run)


def pack(measured: Measured) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What was measured of an arm, as `StudyKind.pack` has it."""
    rows = {"date": measured.date, "effects": measured.effects, "fields": measured.fields, "maps": list(measured.maps)}
    return rows, {str(at): map_yx for at, map_yx in enumerate(measured.maps.values())}


def unpack(rows: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Measured:
    """The way back."""
    maps = {(name, level): arrays[str(at)] for at, (name, level) in enumerate(rows["maps"])}
    return Measured(rows["date"], rows["effects"], rows["fields"], maps)


EDIT = StudyKind(_read, _prepare, pack, unpack)
