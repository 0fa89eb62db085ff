"""Apply changes to Aurora's inputs, one after the other, and say what of them its encoder will not see."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import xarray as xr

from aurorascope.errors import UserError
from aurorascope.perturbations.checks import emptied, unseen
from aurorascope.perturbations.consistency import (
    COLUMNS,
    PARTICLES,
    level_masses,
    moved_column,
    moved_particles,
)
from aurorascope.perturbations.inputs import Inputs, find_variable
from aurorascope.perturbations.logarithms import fit_logarithm
from aurorascope.perturbations.operations import Fields, Operation, StateOperation, StaticOperation


def perturb(inputs: Inputs, operations: Sequence[Operation]) -> tuple[Inputs, list[str]]:
    """The changed inputs, and lines that a user should read before anything runs.

    Args:
        inputs: what is changed; it stays as it is.
        operations: the changes, in order, each of what the one before left.

    Returns:
        The inputs after the changes, states float32; values that no operation changed are the same bits. One line for each
        variable of whose change the encoder will see a part only, and for each column that its levels empty.

    Raises:
        UserError: nothing changes, the encoder would see nothing of it, or more is taken away than there is.
    """
    changed = apply(inputs, operations)
    return changed, unseen(inputs, changed) + emptied(inputs, changed)


def apply(inputs: Inputs, operations: Sequence[Operation]) -> Inputs:
    """The changed inputs alone, whatever the encoder sees of them; see `perturb`."""
    for operation in operations:
        if isinstance(operation, StaticOperation):
            inputs = _scaled_emission(inputs, operation)
        else:
            inputs = _changed_states(inputs, operation)
    return inputs


def _scaled_emission(inputs: Inputs, operation: StaticOperation) -> Inputs:
    name = operation.emission
    emission_yx, log_yx = inputs.static[name], inputs.static[f"{name}_log"]
    logarithm = fit_logarithm(name, emission_yx, log_yx)
    new_yx = (emission_yx * operation.factors(inputs)).astype(np.float32)
    # Where the emission stays, so do the logarithm's bits.
    new_log_yx = np.where(new_yx == emission_yx, log_yx, logarithm(new_yx)).astype(np.float32)
    return dataclasses.replace(inputs, static={**inputs.static, name: new_yx, f"{name}_log": new_log_yx})


def _changed_states(inputs: Inputs, operation: StateOperation) -> Inputs:
    places = (0, 1) if operation.times == "both" else (1,)
    states = list(inputs.states)
    for place in places:
        fields = operation.new_values(inputs, place)
        _check_amounts(states[place], fields)
        if operation.consistent:
            fields |= _following(inputs, place, fields)
        states[place] = states[place].assign({
            name: states[place][name].copy(data=values.astype(np.float32)) for name, values in fields.items()
        })
    return dataclasses.replace(inputs, previous=states[0], current=states[1])


def _check_amounts(state: xr.Dataset, fields: Fields) -> None:
    for name, values in fields.items():
        if find_variable(name).units.startswith("kg"):
            n_below = int(((values < 0) & (values < state[name].values)).sum())
            if n_below:
                raise UserError(
                    f"the change of {name}", "no more taken away than there is", f"less than nothing at {n_below} places",
                    "take away less, or in a region where there is more",
                )


def _following(inputs: Inputs, place: int, fields: Fields) -> Fields:
    """What moves with the fields that changed."""
    state, found = inputs.states[place], {}
    gases = [gas for gas in COLUMNS if gas in fields]
    if gases:
        mass_lyx = level_masses(inputs.levels, state["z"].values, inputs.static["z"])
    for gas in gases:
        # Of the levels as they are stored, so that column and levels agree to the column's last bit.
        change_lyx = fields[gas].astype(np.float32).astype(np.float64) - state[gas].values
        found[COLUMNS[gas]] = moved_column(state[COLUMNS[gas]].values, change_lyx, mass_lyx)
    sizes = [size for size in PARTICLES if size in fields]
    if len(sizes) == 1:
        old = {size: state[size].values for size in PARTICLES}
        found |= moved_particles(sizes[0], old, fields[sizes[0]])
    return found
