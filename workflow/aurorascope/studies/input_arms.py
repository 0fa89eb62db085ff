"""The arms of a study of changed inputs: doses, the reverse and all controls, each built on every date before anything runs."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import xarray as xr

from aurorascope.errors import UserError
from aurorascope.perturbations.apply_changes import apply
from aurorascope.perturbations.checks import emptied, normalised_size, seen_share, unseen
from aurorascope.perturbations.control_changes import (
    matched_amplitude,
    noise_instead,
    overlaps,
    refuse_same,
    scaled_instead,
)
from aurorascope.perturbations.inputs import Inputs
from aurorascope.perturbations.logarithms import EMISSIONS
from aurorascope.perturbations.operations import Operation, StaticOperation
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
        inputs: by date `YYYY-MM-DD`, all on one grid.
        mean: what variables are on average, where `study.needs_mean`.

    Raises:
        UserError: a date is missing or another one's; the change is none, or takes away more than there is; on no date does the encoder
            see it; a variable named as another one changes already.
    """
    return _Planner(study, _checked(study, inputs), mean).plan()


def _checked(study: InputStudy, inputs: Mapping[str, Inputs]) -> dict[str, Inputs]:
    for date in study.dates:
        if date not in inputs:
            raise UserError("the study, dates", f"one of {', '.join(inputs)}", date, nearest(date, inputs))
        if inputs[date].time[:10] != date:
            raise UserError(f"the inputs of {date}", f"states of {date}", inputs[date].time, "give each date its own inputs")
    return {date: inputs[date] for date in study.dates}


class _Planner:
    def __init__(self, study: InputStudy, inputs: dict[str, Inputs], mean: xr.Dataset | None) -> None:
        self._study, self._inputs, self._mean = study, inputs, mean
        self._arms = [InputArm("clean", 0.0), InputArm("clean_again", 0.0)]
        self._operations: dict[tuple[str, str], tuple[Operation, ...]] = {}
        self._sizes: dict[tuple[str, str], float] = {}
        self._absent: dict[str, str] = {}

    def plan(self) -> InputPlan:
        whole = InputArm("change")
        self._add(whole, lambda _date: self._study.operations(1.0, self._mean))
        self._whole = {date: self._operations[date, whole.name] for date in self._inputs}
        exposure, lines, changed = self._look()
        for dose in DOSES:
            if dose != 1:
                arm = InputArm("change" if dose > 0 else "reverse", dose)
                self._try(arm, lambda _date, dose=dose: self._study.operations(dose, self._mean))
        for number, degrees in enumerate(DEGREES):
            self._try(InputArm("moved", 1.0, f"{degrees:03.0f}", number), lambda date, degrees=degrees: self._moved(date, degrees))
        for number, other in enumerate(self._others(changed)):
            make = lambda date, other=other: self._matched(date, lambda each, a: scaled_instead(each, other, a))  # noqa: E731
            self._try(InputArm("other", 1.0, other, number), make)
        for number in range(self._study.n_controls):
            self._try(InputArm("noise", 1.0, f"{number:02d}", number), lambda date, number=number: self._noise(date, number))
        order = ("clean", "clean_again", "change", "reverse", "moved", "other", "noise")
        arms = sorted(self._arms, key=lambda arm: (order.index(arm.kind), abs(arm.dose), arm.number))
        return InputPlan(tuple(arms), self._operations, self._sizes, exposure, tuple(lines), self._absent)

    def _try(self, arm: InputArm, make: Callable[[str], Sequence[Operation]]) -> None:
        """Add an arm, or say why there is none."""
        try:
            self._add(arm, make)
        except UserError as error:
            self._absent[arm.name] = f"{error.where}: expected {error.expected}, found {error.found}"

    def _add(self, arm: InputArm, make: Callable[[str], Sequence[Operation]]) -> None:
        found = {date: tuple(make(date)) for date in self._inputs}
        sizes = {date: normalised_size(inputs, apply(inputs, found[date])) for date, inputs in self._inputs.items()}
        for date, size in sizes.items():
            if not 0 < size < math.inf:
                words = "give a region that holds centres of grid cells, and a change other than none"
                raise UserError(f"the change of {date}'s inputs", "a finite value that differs", "none", words)
        self._arms.append(arm)
        self._operations |= {(date, arm.name): each for date, each in found.items()}
        self._sizes |= {(date, arm.name): each for date, each in sizes.items()}

    def _look(self) -> tuple[dict[str, float], list[str], set[str]]:
        """What the encoder sees of the whole change, lines on what it does not, and the names of variables that change."""
        exposure, lines, changed, errors = {}, [], set(), []
        for date, inputs in self._inputs.items():
            after = apply(inputs, self._whole[date])
            exposure[date] = seen_share(inputs, after)
            changed |= set(after.changed_names(inputs))
            try:
                found = unseen(inputs, after) + emptied(inputs, after)
            except UserError as error:
                errors.append(error)
                found = [f"expected {error.expected}, found {error.found}."]
            lines += [f"{date}: {line}" for line in found]
        if len(errors) == len(self._inputs):
            raise errors[0]
        return exposure, lines, changed

    def _moved(self, date: str, degrees: float) -> list[Operation]:
        region = self._study.region
        if overlaps(region, region.moved_east(degrees), self._inputs[date]):
            words = f"a place {degrees:g} degrees east that the region does not reach"
            raise UserError("the study, region", words, "one that overlaps it", "take a smaller region")
        return self._study.operations(1.0, self._mean, degrees)

    def _others(self, changed: set[str]) -> list[str]:
        emissions = [each.emission for date in self._inputs for each in self._whole[date] if isinstance(each, StaticOperation)]
        is_static = not changed
        for name in self._study.others:
            refuse_same(name, emissions if is_static else sorted(changed))
        if self._study.others:
            return list(self._study.others)
        if is_static:
            return [name for name in EMISSIONS if name not in emissions]
        return [name for name in _OTHERS if name not in changed][:1]

    def _matched(self, date: str, instead: Callable[[Operation, float], Operation]) -> list[Operation]:
        """Another change as large as this one; of emissions where nothing else changes."""
        whole = self._whole[date]
        states = [each for each in whole if not isinstance(each, StaticOperation)] or list(whole)
        return self._as_large(date, lambda a: [instead(each, a) for each in states])

    def _noise(self, date: str, number: int) -> list[Operation]:
        error: UserError | None = None
        for again in range(_REDRAWN):
            draw = number + again * self._study.n_controls
            try:
                return self._as_large(date, lambda a, draw=draw: [noise_instead(each, a, self._study.seed, draw) for each in self._whole[date]])
            except UserError as caught:
                error = caught
        raise error

    def _as_large(self, date: str, make: Callable[[float], list[Operation]]) -> list[Operation]:
        amplitude = matched_amplitude(make, self._inputs[date], self._sizes[date, "change_1"])
        return make(amplitude)
