"""All pictures of a finished study, beside its files; those of an earlier one go."""

from pathlib import Path

import numpy as np
import xarray as xr

from aurorascope.backbone.static import load_static, static_path
from aurorascope.errors import UserError
from aurorascope.figures.study_arms import draw_arms
from aurorascope.figures.study_doses import draw_doses
from aurorascope.figures.study_maps import Ground, draw_maps
from aurorascope.figures.study_reach import draw_reach
from aurorascope.records import KINDS
from aurorascope.studies.finished import FinishedStudy
from aurorascope.studies.outline import outlined_cells
from aurorascope.studies.pictures import StudyPictures

_NAMES = ("doses_*", "arms_*", "map_*", "reach")


def draw_study_pictures(study: FinishedStudy, results: Path) -> StudyPictures:
    """Draw into the study's folder: doses and arms of each outcome, maps, and of changed inputs the reach; each with its CSV.

    Args:
        study: a finished study.
        results: the results folder, with static fields, and labels of its dates where its region has one.

    Raises:
        UserError: static fields or labels are missing, damaged or others than the study's.
    """
    ground = _ground(study, results)
    for name in _NAMES:
        for kind in ("png", "csv"):
            for path in study.folder.glob(f"{name}.{kind}"):
                path.unlink()
    names = [str(asked["name"]) for asked, _ in study.outcomes]
    doses, arms = ([f"{kind}_{at}" for at in range(len(names))] for kind in ("doses", "arms"))
    for at, name in enumerate(names):
        draw_doses(study, name, study.folder / f"{doses[at]}.png")
        draw_arms(study, name, study.folder / f"{arms[at]}.png")
    has_reach = len(study.tables.get("reach", ())) > 0
    if has_reach:
        draw_reach(study, study.folder / "reach.png")
    maps = draw_maps(study, ground, study.folder)
    return StudyPictures(tuple(doses), tuple(arms), tuple(maps), "reach" if has_reach else None, bool(ground.inside))


def _ground(study: FinishedStudy, results: Path) -> Ground:
    path = KINDS["static"].where(results)
    found, fields = KINDS["static"].read(results)["content_sha256"], load_static(path)
    if found != study.record["static_sha256"]:
        record = KINDS["study"].where(results, study=study.name)
        raise UserError.stale(record, f"a study with the static fields {found[:12]}", f"one with {study.record['static_sha256'][:12]}")
    with xr.open_dataset(static_path(path), engine="scipy") as dataset:
        lat, lon = (np.asarray(dataset[name].values, np.float64) for name in ("latitude", "longitude"))
    return Ground(fields["lsm"], lat, lon, outlined_cells(study, results, lat, lon))
