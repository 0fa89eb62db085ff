"""Which cells of the grid a study's edit or change lies over, on each of its dates, to outline them on maps."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from aurorascope import perturbations
from aurorascope.errors import UserError
from aurorascope.files import sha256_json
from aurorascope.interventions.regions import Everywhere
from aurorascope.records import KINDS
from aurorascope.studies.finished import FinishedStudy
from aurorascope.studies.where import Where, cells_of

_SHAPES = {"disk": perturbations.Disk, "box": perturbations.Box, "band": perturbations.Band}


def outlined_cells(study: FinishedStudy, results: Path, lat: np.ndarray, lon: np.ndarray) -> dict[str, np.ndarray]:
    """Cells of the edit's region by date, (rows that Aurora predicts, columns) bool; nothing where it is everywhere.

    Latent levels play no part: cells are those below or above the tokens that may be edited.

    Args:
        study: a finished study.
        results: the results folder, with labels of the dates where the region has one.
        lat: latitudes of the input, degrees north.
        lon: longitudes, degrees east.

    Raises:
        UserError: labels are missing, damaged, or others than those that the study ran on.
    """
    if study.changes_inputs:
        inside_yx = _changed(study.asked["perturb"], lat, lon)
        return {} if inside_yx.all() else dict.fromkeys(study.record["dates"], inside_yx[: study.maps.sizes["latitude"]])
    where = dataclasses.replace(Where.read("the study, region", study.asked.get("region")), levels=None)
    labels = None
    if where.label is not None:
        labels = KINDS["labels"].where(results, day="").parent
        _check_labels(study, results)
    cells, found = cells_of(lat, lon), {}
    for date in study.record["dates"]:
        region = where.region("the study, region", f"{date}T{study.record['hour']:02d}:00:00Z", labels)
        if isinstance(region, Everywhere):
            return {}
        found[date] = region.holds(cells).reshape(cells.plane.shape)
    return found


def _changed(perturb: list[Mapping[str, Any]], lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    """Cells that any of the changes lies over, (latitudes, longitudes) bool."""
    inside_yx = np.zeros((len(lat), len(lon)), bool)
    for change in perturb:
        ((_, keys),) = change.items()
        region = keys.get("region") or {}
        shape = next((_SHAPES[key](*map(float, region[key])) for key in _SHAPES if key in region), perturbations.Everywhere())
        inside_yx |= shape.weight(lat, lon) > 0
    return inside_yx


def _check_labels(study: FinishedStudy, results: Path) -> None:
    for date, expected in study.record["labels_sha256"].items():
        entries = KINDS["labels"].read(results, day=date)["labels"]
        found = sha256_json({name: entry["sha256"] for name, entry in entries.items()})
        if found != expected:
            path = KINDS["study"].where(results, study=study.name)
            raise UserError.stale(path, f"a study on the labels of {date} that are there", f"one on others, {expected[:12]}")
