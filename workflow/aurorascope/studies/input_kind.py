"""Studies of changed inputs, as files ask for them."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import xarray as xr

from aurorascope.cams.states import load_state
from aurorascope.perturbations import inputs as changed
from aurorascope.perturbations.means import position_mean
from aurorascope.studies.claim import previous
from aurorascope.studies.input_arms import arms_of
from aurorascope.studies.input_measure import InputMeasured
from aurorascope.studies.input_rows import pack, unpack
from aurorascope.studies.input_run import InputStudyResult, run_input_study
from aurorascope.studies.input_study import InputStudy, read_input_study
from aurorascope.studies.inputs import Inputs
from aurorascope.studies.study_kind import Key, Made, Prepared, StudyKind
from aurorascope.studies.written import AskedFile

PARTS = ("total", "carry", "backbone")
"""What the forecast's change is mapped as: the whole of it, and what it is made of."""
_Value = TypeVar("_Value")


class _ReadWhenAsked(Mapping[str, _Value]):
    """Values by key, each read anew whenever it is asked for: at full size the inputs of one date are half a GB."""

    def __init__(self, keys: tuple[str, ...], read: Callable[[str], _Value]) -> None:
        self._keys, self._read = keys, read

    def __getitem__(self, key: str) -> _Value:
        return self._read(key)

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


def _read(file: AskedFile) -> InputStudy:
    study = read_input_study({"name": file.name, **file.asked})
    # What is changed as much instead is none that changes.
    arms_of(study)
    return study


def _prepare(study: InputStudy, inputs: Inputs, claim: Mapping[str, Any], results: Path) -> Prepared:
    by_date = _ReadWhenAsked(study.dates, lambda date: changed.Inputs.load(date, hour=claim["hour"], results=results))
    mean = _mean(claim, results) if study.needs_mean else None

    def run(done: Mapping[Key, InputMeasured], keep: Callable[[Key, InputMeasured], None]) -> Made:
        return _made(run_input_study(
            study, inputs.model, inputs.saes, by_date, mean=mean, labels=inputs.labels, done=done, keep=keep, scratch=inputs.scratch,
        ))

    return Prepared({}, run)


def _mean(claim: Mapping[str, Any], results: Path) -> xr.Dataset:
    """Mean at each position of both states of each quiet date."""
    latest = [f"{date}T{claim['hour']:02d}:00:00Z" for date in claim["quiet_dates"]]
    wanted = tuple(sorted({*latest, *map(previous, latest)}))
    return position_mean(_ReadWhenAsked(wanted, lambda time: load_state(results / "scratch" / "cams", time)))


def _made(found: InputStudyResult) -> Made:
    tables = {"effects": found.effects, "responses": found.responses, "reach": found.reach, "rings": found.rings}
    # No block was named, or the changed forecast diverged on all dates: a table without columns says nothing.
    tables = {name: table for name, table in tables.items() if len(table.columns)}
    maps = {part: {date: parts[part] for date, parts in found.maps.items()} for part in PARTS}
    return Made(found.summary, tables, maps)


INPUT = StudyKind(_read, _prepare, pack, unpack)
