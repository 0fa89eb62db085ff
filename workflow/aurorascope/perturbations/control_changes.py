"""What a change is compared with: the same one elsewhere, another variable and red noise, each as large in Aurora's units."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from aurorascope.errors import UserError
from aurorascope.perturbations.apply_changes import apply
from aurorascope.perturbations.checks import normalised_size
from aurorascope.perturbations.inputs import Inputs
from aurorascope.perturbations.noise import AddRedNoise
from aurorascope.perturbations.operations import AddPlume, Operation, ScaleEmission, ScaleVariables

EAST = 90.0
"""How far east of the region the same change is made, degrees."""
_TRIES, _PRECISION = 60, 1e-3


def matched(make: Callable[[float], Operation], inputs: Inputs, size: float) -> Operation:
    """The operation of a family whose change is as large as asked for, within a thousandth.

    Args:
        make: the operation of an amplitude above 0, whose change grows with it.
        inputs: what it changes.
        size: root mean square of the change, as `checks.normalised_size` has it.

    Raises:
        UserError: no amplitude changes anything, or none changes as much.
    """
    amplitude = 1.0
    for _ in range(_TRIES):
        found = normalised_size(inputs, apply(inputs, [make(amplitude)]))
        if not 0 < found < np.inf:
            break
        if abs(found / size - 1) <= _PRECISION:
            return make(amplitude)
        amplitude *= size / found
    raise UserError(
        f"a control as large as {size:.3g} of Aurora's units", "an amplitude that changes as much",
        f"{found:.3g} at amplitude {amplitude:.3g}", "take another variable for the control, or a smaller change",
    )


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
    here_yx, there_yx = (each.weight(inputs.lat, inputs.lon) > 0 for each in (region, moved))
    if (here_yx & there_yx).any():
        lines.append(f"no control {EAST:g} degrees east: the region {region} overlaps itself there.")
    else:
        found["east"] = dataclasses.replace(operation, region=moved)
    if isinstance(operation, ScaleEmission):
        _refuse_same(other, [operation.emission])
        found["other"] = matched(lambda a: ScaleEmission(other, 1 + a, region), inputs, size)
        lines.append("no control by red noise: emissions have none.")
        return found, lines
    named = (operation.variable,) if isinstance(operation, AddPlume) else tuple(operation.variables)
    _refuse_same(other, changed.changed_names(inputs))
    common = {"region": region, "levels": operation.levels, "times": operation.times, "consistent": operation.consistent}
    found["other"] = matched(lambda a: ScaleVariables((other,), 1 + a, **common), inputs, size)
    found["noise"] = matched(lambda a: AddRedNoise(named, a, **common), inputs, size)
    return found, lines


def _refuse_same(other: str, changed: Sequence[str]) -> None:
    if other in changed:
        raise UserError("the control's other variable", f"none of {', '.join(changed)}, which change already", other, "take another")
