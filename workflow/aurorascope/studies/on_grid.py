"""What a grid tells of a study before anything is made: regions that hold nothing of it, and plumes that its air does not hold."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from aurorascope.blocks import BY_ID
from aurorascope.cams.grid import regular_grid
from aurorascope.errors import UserError
from aurorascope.interventions.places import Place
from aurorascope.perturbations.consistency import PARTICLES, level_masses
from aurorascope.perturbations.inputs import cell_areas_m2
from aurorascope.perturbations.operations import DENSITY, AddPlume
from aurorascope.studies.input_changes import InputChange, of_change
from aurorascope.studies.input_study import InputStudy
from aurorascope.studies.outcomes import FeatureMean
from aurorascope.studies.study import Study
from aurorascope.studies.where import Where, cells_of

_FIX = "make the region larger, or move it"


def check_on_grid(study: Study | InputStudy, grid: tuple[int, int] | None, levels: Sequence[int]) -> None:
    """Refuse what nothing of the grid lies in, but for labels, of which only dates tell, and plumes that are no plumes.

    Mountains are left out here, so that the air is at least what it is on any date; the job looks again at each date's.

    Args:
        study: the study.
        grid: rows and columns of the states; None where they are not known, and nothing is looked at.
        levels: of the states, hPa.

    Raises:
        UserError: a region holds no cell or token, or a plume is more than `operations.MOST_OF_AIR` of the air that it lies in.
    """
    if grid is None:
        return
    lat, lon = regular_grid(*grid)
    for at, outcome in enumerate(study.outcomes):
        place = Place.of(BY_ID[outcome.block], lat, lon) if isinstance(outcome, FeatureMean) else cells_of(lat, lon)
        check_region(f"the study, outcome {at}, region", outcome.where, place, grid)
    if isinstance(study, Study):
        check_region("the study, region", study.where, Place.of(BY_ID[study.block], lat, lon), grid)
        return
    for at, change in enumerate(study.perturb):
        _check_change(f"the study, change {at}, {change.kind}", change, lat, lon, levels)


def check_region(where: str, region: Where, place: Place, grid: tuple[int, int]) -> None:
    """Refuse a region that nothing lies in, but for its label.

    Raises:
        UserError: none of the place's cells or tokens lies in it.
    """
    shapes = dataclasses.replace(region, label=None)
    if not shapes.region(where, "", None).holds(place).any():
        raise UserError(where, "at least one cell or token of the grid", f"none of {grid[0]} x {grid[1]}", _FIX)


def _check_change(where: str, change: InputChange, lat: np.ndarray, lon: np.ndarray, levels: Sequence[int]) -> None:
    weight_yx = change.region.weight(lat, lon)
    if not weight_yx.any():
        raise UserError(f"{where}, region", "at least one cell of the grid", f"none of {len(lat)} x {len(lon)}", _FIX)
    operation = change.operation() if change.kind == "add_plume" else None
    if not isinstance(operation, AddPlume):
        return
    area = float((weight_yx * cell_areas_m2(lat, len(lon))[:, None]).sum())
    with of_change(where):
        if change.names[0] in PARTICLES:
            depth = change.depth_m * DENSITY
        else:
            mass_l = level_masses(levels, np.ones((len(levels), 1, 1)), np.zeros((1, 1)))[:, 0, 0]
            depth = sum(float(mass) for level, mass in zip(levels, mass_l, strict=True) if change.levels is None or level in change.levels)
        operation.check_air(area * depth)
