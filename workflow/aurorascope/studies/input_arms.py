"""The arms of a study of changed inputs: doses, the reverse and all controls, each built on every date before anything runs."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import xarray as xr

from aurorascope.errors import UserError
from aurorascope.perturbations.apply_changes import apply
from aurorascope.perturbations.checks import emptied, normalised_size, seen_share, unseen
from aurorascope.perturbations.consistency import COLUMNS
from aurorascope.perturbations.control_changes import (
    matched_amplitude,
    noise_instead,
    overlaps,
    refuse_same,
    scaled_instead,
)
from aurorascope.perturbations.inputs import Inputs, find_variable
from aurorascope.perturbations.logarithms import EMISSIONS
from aurorascope.perturbations.operations import Operation, StaticOperation, checked_names
from aurorascope.studies.input_changes import InputChange, of_change
from aurorascope.studies.input_study import DOSES, InputStudy
from aurorascope.studies.reading import nearest

DEGREES = (90.0, 180.0, 270.0)
"""How far east the same change is made."""
# Changed as much instead: the first of these that stays; of emissions all others. A gas of long life stands for composition.
_OTHERS = ("co", "go3", "t")
# A draw that takes away may not reach the size of a change that adds: the next one is taken, so many times.
_REDRAWN = 10


@dataclass(frozen=True)
class InputArm:
    """One change of the inputs.

    Attributes:
        kind: clean, clean_again, change, reverse, moved, other or noise.
        dose: how much of the change is made; negative for reverse, 1 for controls.
        label: degrees east, the other variable or number of the draw.
        number: which of its kind, from 0.
    """

    kind: str
    dose: float = 1.0
    label: str = ""
    number: int = 0

    @property
    def name(self) -> str:
        """Unique within a study."""
        return f"{self.kind}_{self.label or f'{abs(self.dose):g}'}"


@dataclass(frozen=True, eq=False)
class InputPlan:
    """All arms of a study, in the order in which they run.

    Attributes:
        arms: those that there are on all dates.
        operations: what each changes, by date and name of arm; none for clean ones.
        sizes: of each change in Aurora's units, as `perturbations.normalised_size` has it, by date and name of arm.
        exposure: by date, share of the area that changes where the encoder sees more of the change than its logarithm.
        lines: what a user should read before anything runs.
        absent: by name of an arm that there is not, why.
    """

    arms: tuple[InputArm, ...]
    operations: Mapping[tuple[str, str], tuple[Operation, ...]]
    sizes: Mapping[tuple[str, str], float]
    exposure: Mapping[str, float]
    lines: tuple[str, ...]
    absent: Mapping[str, str]


def plan_input_study(study: InputStudy, inputs: Mapping[str, Inputs], mean: xr.Dataset | None = None) -> InputPlan:
    """Build every arm on every date, and say what of the change the encoder will not see; no forward runs.

    Args:
        study: the study.
        inputs: by date `YYYY-MM-DD`, each read once and not kept.
        mean: what variables are on average, where `study.needs_mean`.

    Raises:
        UserError: a date is missing or another one's; the change is none, or takes away more than there is; on no date does the encoder
            see it; a variable named as another one changes already.
    """
    for date in study.dates:
        if date not in inputs:
            raise UserError("the study, dates", f"one of {', '.join(inputs)}", date, nearest(date, inputs))
    clean, arms = arms_of(study)[:2], arms_of(study)[2:]
    built, exposure, lines, absent, unseen_on = {}, {}, [], {}, []
    for date in study.dates:
        given = inputs[date]
        with of_change("the study, perturb"):
            builder = _Builder(study, date, given, mean)
            exposure[date], said, error = builder.look()
        lines += [f"{date}: {line}" for line in said]
        unseen_on += [error] if error else []
        for arm in arms:
            if arm.name in absent:
                continue
            try:
                built[date, arm.name] = builder.build(arm)
            except UserError as refused:
                absent[arm.name] = f"{refused.where}: expected {refused.expected}, found {refused.found}"
    if len(unseen_on) == len(study.dates):
        raise unseen_on[0]
    there = tuple(arm for arm in arms if arm.name not in absent)
    operations = {(date, arm.name): built[date, arm.name][0] for date in study.dates for arm in there}
    sizes = {(date, arm.name): built[date, arm.name][1] for date in study.dates for arm in there}
    return InputPlan((*clean, *there), operations, sizes, exposure, tuple(lines), absent)


def arms_of(study: InputStudy) -> list[InputArm]:
    """All arms in the order in which they run, if there is each of them on every date; from the study alone.

    Raises:
        UserError: a variable named as another one changes already.
    """
    found = [InputArm("clean", 0.0), InputArm("clean_again", 0.0)]
    found += [InputArm("change", dose) for dose in DOSES if dose > 0] + [InputArm("reverse", dose) for dose in reversed(DOSES) if dose < 0]
    found += [InputArm("moved", 1.0, f"{degrees:03.0f}", number) for number, degrees in enumerate(DEGREES)]
    found += [InputArm("other", 1.0, other, number) for number, other in enumerate(_others(study))]
    return found + [InputArm("noise", 1.0, f"{number:02d}", number) for number in range(study.n_controls)]


def n_forwards(study: InputStudy) -> int:
    """Whole forwards of Aurora that a study takes at most: each arm's steps, and two for the reach, on each date."""
    return len(study.dates) * (len(arms_of(study)) * study.steps + 2)


def _others(study: InputStudy) -> list[str]:
    """What is changed as much instead: variables, of emissions alone emissions."""
    states = [each for each in study.perturb if each.kind != "scale_emission"]
    changed = _names(states) if states else [name for each in study.perturb for name in each.names]
    for name in study.others:
        refuse_same(name, changed)
    if study.others:
        return list(study.others)
    return [name for name in _OTHERS if name not in changed][:1] if states else [name for name in EMISSIONS if name not in changed]


def _names(changes: list[InputChange]) -> list[str]:
    """Both names, Aurora's and NetCDF's, of variables that changes of states move."""
    found: set[str] = set()
    for change in changes:
        moved = set(checked_names(change.names, change.consistent))
        found |= moved | {column for gas, column in COLUMNS.items() if change.consistent and gas in moved}
    return sorted({name for each in found for name in (find_variable(each).netcdf, find_variable(each).aurora)})


class _Builder:
    """The arms of one date.

    Args:
        study: the study.
        date: `YYYY-MM-DD`.
        inputs: its inputs.
        mean: see `plan_input_study`.
    """

    def __init__(self, study: InputStudy, date: str, inputs: Inputs, mean: xr.Dataset | None) -> None:
        if inputs.time[:10] != date:
            raise UserError(f"the inputs of {date}", f"states of {date}", inputs.time, "give each date its own inputs")
        self._study, self._date, self._inputs, self._mean = study, date, inputs, mean
        self._whole = study.operations(1.0, mean)
        self._size = self._size_of(self._whole)

    def look(self) -> tuple[float, list[str], UserError | None]:
        """What the encoder sees of the whole change, lines on what it does not, and the error if it sees nothing."""
        after = apply(self._inputs, self._whole)
        share = seen_share(self._inputs, after)
        try:
            return share, unseen(self._inputs, after) + emptied(self._inputs, after), None
        except UserError as error:
            return share, [f"expected {error.expected}, found {error.found}."], error

    def build(self, arm: InputArm) -> tuple[tuple[Operation, ...], float]:
        """What an arm changes, and how large that is.

        Raises:
            UserError: there is no such change on this date.
        """
        if arm.kind == "moved":
            operations = self._moved(float(arm.label))
        elif arm.kind == "other":
            # Of emissions only where nothing else changes.
            states = [each for each in self._whole if not isinstance(each, StaticOperation)] or self._whole
            operations = self._as_large(lambda amplitude: [scaled_instead(each, arm.label, amplitude) for each in states])
        elif arm.kind == "noise":
            operations = self._noise(arm.number)
        else:
            operations = self._study.operations(arm.dose, self._mean)
        return tuple(operations), self._size_of(operations)

    def _size_of(self, operations: Sequence[Operation]) -> float:
        size = normalised_size(self._inputs, apply(self._inputs, operations))
        if not 0 < size < math.inf:
            words = "give a region that holds centres of grid cells, and a change other than none"
            raise UserError(f"the change of {self._date}'s inputs", "a finite value that differs", "none", words)
        return size

    def _moved(self, degrees: float) -> list[Operation]:
        region = self._study.region
        if overlaps(region, region.moved_east(degrees), self._inputs):
            words = f"a place {degrees:g} degrees east that the region does not reach"
            raise UserError("the study, region", words, "one that overlaps it", "take a smaller region")
        return self._study.operations(1.0, self._mean, degrees)

    def _noise(self, number: int) -> list[Operation]:
        error: UserError | None = None
        for again in range(_REDRAWN):
            draw = number + again * self._study.n_controls
            try:
                return self._as_large(lambda a, draw=draw: [noise_instead(each, a, self._study.seed, draw) for each in self._whole])
            except UserError as caught:
                error = caught
        raise error

    def _as_large(self, make: Callable[[float], list[Operation]]) -> list[Operation]:
        return make(matched_amplitude(make, self._inputs, self._size))
