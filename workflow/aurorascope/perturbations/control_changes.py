"""What a change is compared with: the same one elsewhere, another variable and red noise, each as large in Aurora's units."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from aurorascope.errors import UserError
from aurorascope.perturbations.apply_changes import apply
from aurorascope.perturbations.checks import normalised_size
from aurorascope.perturbations.inputs import Inputs
from aurorascope.perturbations.noise import AddRedNoise, ScaleEmissionByNoise
from aurorascope.perturbations.operations import (
    AddPlume,
    Operation,
    ScaleEmission,
    ScaleVariables,
    StateOperation,
    StaticOperation,
)
from aurorascope.perturbations.regions import Region

EAST = 90.0
"""How far east of the region the same change is made, degrees."""
_TRIES, _PRECISION = 60, 1e-3
# Of the logarithm of the size by that of the amplitude.
_LEAST_SLOPE = 0.05


def matched(make: Callable[[float], Operation], inputs: Inputs, size: float) -> Operation:
    """The operation of a family whose change is as large as asked for; see `matched_amplitude`."""
    return make(matched_amplitude(lambda amplitude: [make(amplitude)], inputs, size))


def matched_amplitude(make: Callable[[float], Sequence[Operation]], inputs: Inputs, size: float) -> float:
    """The amplitude at which a family of changes is as large as asked for, within a thousandth.

    Args:
        make: the operations of an amplitude above 0, whose change grows with it.
        inputs: what it changes.
        size: root mean square of the change, as `checks.normalised_size` has it.

    Raises:
        UserError: no amplitude changes anything, or none changes as much.
    """
    amplitude, slope, before = 1.0, 1.0, (1.0, 0.0)
    for _ in range(_TRIES):
        found = normalised_size(inputs, apply(inputs, make(amplitude)))
        if not 0 < found < np.inf:
            break
        if abs(found / size - 1) <= _PRECISION:
            return amplitude
        if before[1] > 0 and amplitude != before[0]:
            slope = np.log(found / before[1]) / np.log(amplitude / before[0])
        # What takes away from amounts ends where there are none left: more of it changes nothing.
        if slope < _LEAST_SLOPE:
            break
        before, amplitude = (amplitude, found), amplitude * (size / found) ** (1 / slope)
    raise UserError(
        f"a control as large as {size:.3g} of Aurora's units", "an amplitude that changes as much",
        f"{found:.3g} at amplitude {amplitude:.3g}", "take another variable for the control, or a smaller change",
    )


def scaled_instead(operation: Operation, other: str, amplitude: float) -> Operation:
    """Another variable scaled up by 1 + amplitude where, on which levels and when an operation changes its own; for one of emissions another one."""
    if isinstance(operation, StaticOperation):
        return ScaleEmission(other, 1 + amplitude, operation.region)
    return ScaleVariables((other,), 1 + amplitude, **_extent(operation))


def noise_instead(operation: Operation, amplitude: float, seed: int = 0, draw: int | None = None) -> Operation:
    """Red noise of the variables or the emission that an operation changes, where, on which levels and when it does."""
    if isinstance(operation, StaticOperation):
        return ScaleEmissionByNoise(operation.emission, amplitude, operation.region, seed, draw)
    named = (operation.variable,) if isinstance(operation, AddPlume) else tuple(operation.variables)
    return AddRedNoise(named, amplitude, **_extent(operation), seed=seed, draw=draw)


def _extent(operation: StateOperation) -> dict[str, Any]:
    return {name: getattr(operation, name) for name in ("region", "levels", "times", "consistent")}


def overlaps(region: Region, moved: Region, inputs: Inputs) -> bool:
    """Whether some place of the inputs' grid lies in both regions."""
    here_yx, there_yx = (each.weight(inputs.lat, inputs.lon) > 0 for each in (region, moved))
    return bool((here_yx & there_yx).any())


def controls(operation: Operation, inputs: Inputs, other: str) -> tuple[dict[str, Operation], list[str]]:
    """The controls of a change, by name.

    Args:
        operation: the change.
        inputs: what it changes.
        other: the variable of the second control; an emission, for a change of one.

    Returns:
        `east`: the same change 90 degrees east, to be scored in the region there. `other`: another variable scaled up in the same
        region, levels and times, `noise`: red noise of the same variables there, both as large as the change. And lines on
        controls that this change has none of.

    Raises:
        UserError: the other variable is one that changes already, or cannot be changed as much.
    """
    changed = apply(inputs, [operation])
    size = normalised_size(inputs, changed)
    if size == 0:
        raise UserError("the change to be controlled", "a value that differs", "none", "give a change other than none")
    found, lines = {}, []
    region = operation.region
    moved = region.moved_east(EAST)
    if overlaps(region, moved, inputs):
        lines.append(f"no control {EAST:g} degrees east: the region {region} overlaps itself there.")
    else:
        found["east"] = dataclasses.replace(operation, region=moved)
    refuse_same(other, [operation.emission] if isinstance(operation, StaticOperation) else changed.changed_names(inputs))
    found["other"] = matched(lambda a: scaled_instead(operation, other, a), inputs, size)
    found["noise"] = matched(lambda a: noise_instead(operation, a), inputs, size)
    return found, lines


def refuse_same(other: str, changed: Sequence[str]) -> None:
    """Refuse a variable that changes already as a control."""
    if other in changed:
        raise UserError("the control's other variable", f"none of {', '.join(changed)}, which change already", other, "take another")
