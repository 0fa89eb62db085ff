"""What the configuration tells of a study before anything is made: names, levels and numbers that there will not be.

Whatever weights, states or a grid that is not known yet decide is refused before any forward, when the study runs. Nothing heavy is
imported here.
"""

from collections.abc import Mapping
from typing import Any

from aurorascope.blocks import BY_ID
from aurorascope.cams.variables import ATMOS, SURFACE
from aurorascope.config.model import Config
from aurorascope.errors import UserError, nearest
from aurorascope.labels.levels import LEVELS_OF
from aurorascope.sae.architectures import ARCHITECTURES
from aurorascope.sae.feature_ids import Asked, FeatureId, read_features, refuse_bare_pair, resolve_features
from aurorascope.spec import GRID, PATCH
from aurorascope.studies.keys import Levels, check_field, check_placebo, check_spacing, check_truth
from aurorascope.studies.reading import check_list, reads_as_number
from aurorascope.studies.study_file import naming
from aurorascope.studies.written import AskedFile


def check_planned(file: AskedFile, config: Config) -> None:
    """Refuse what the configuration says that there will not be; forms are for those who read the study.

    Args:
        file: of the study, of which `needs.needs_of` was content.
        config: the configuration.

    Raises:
        UserError: an unknown label, variable, level or feature; a tracker or a placebo on a grid that is too coarse; an outcome that is
            an edited feature, or at a block before the edit.
    """
    with naming(file.path):
        asked = file.asked
        is_edit = "perturb" not in asked
        edited = _features("the study, features", asked["block"], asked["features"], config) if is_edit else ()
        check_label("the study, region", asked.get("region"), config)
        for at, each in enumerate(asked["outcomes"]):
            if isinstance(each, Mapping):
                where = f"the study, outcome {at}"
                _check_outcome(where, each, asked.get("steps", 1), config)
                if is_edit and _reads_feature(each):
                    _check_readout(where, each, asked["block"], edited, config)
        if is_edit:
            _check_placebo(asked, config)
        else:
            _check_levels(asked["perturb"], config)


def _features(where: str, block: str, given: Any, config: Config) -> tuple[FeatureId, ...]:
    asked = read_features(where, [tuple(each) if isinstance(each, list) else each for each in check_list(where, given)])
    refuse_bare_pair(where, asked, ARCHITECTURES[config.sae.architecture].signed)
    return _resolved(where, block, asked, config)


def _resolved(where: str, block: str, asked: tuple[Asked, ...], config: Config) -> tuple[FeatureId, ...]:
    d_hidden = BY_ID[block].width(config.aurora.embed_dim) * config.sae.expansion
    return resolve_features(where, asked, d_hidden, ARCHITECTURES[config.sae.architecture].signed)


def _check_outcome(where: str, given: Mapping[str, Any], steps: Any, config: Config) -> None:
    check_label(f"{where}, region", given.get("region"), config)
    if given.get("kind") == "linear":
        check_linear(where, given, config)
    elif given.get("kind") == "tracker":
        check_field(f"{where}, which the tracker reads", "z", 700, _levels(config))
        if (shape := grid_shape(config)) is not None:
            check_spacing(where, max(180 / (shape[0] - 1), 360 / shape[1]))
        if given.get("reads") == "error" and isinstance(given.get("truth"), list) and isinstance(steps, int):
            check_truth(where, given["truth"], steps)
    elif _reads_feature(given):
        _resolved(f"{where}, feature", given["block"], _feature(where, given), config)


def check_linear(where: str, given: Mapping[str, Any], config: Config) -> None:
    """Refuse terms of a linear outcome that Aurora does not forecast.

    Args:
        where: what errors begin with.
        given: keys variable and level, or terms.
        config: the configuration.

    Raises:
        UserError: an unknown variable or level.
    """
    terms = given.get("terms") if "terms" in given else [given]
    for each in terms if isinstance(terms, list) else []:
        if isinstance(each, Mapping) and each.get("variable") is not None:
            check_field(where, each["variable"], each.get("level"), _levels(config))


def _levels(config: Config) -> Levels:
    return {each.aurora: None for each in SURFACE} | {each.aurora: sorted(config.cams.levels) for each in ATMOS}


def _reads_feature(given: Mapping[str, Any]) -> bool:
    return given.get("kind") == "feature" and all(given.get(key) is not None for key in ("block", "feature"))


def _feature(where: str, given: Mapping[str, Any]) -> tuple[Asked, ...]:
    return read_features(f"{where}, feature", tuple(given["feature"]) if isinstance(given["feature"], list) else given["feature"])


def _check_readout(where: str, given: Mapping[str, Any], block: str, edited: tuple[FeatureId, ...], config: Config) -> None:
    if BY_ID[given["block"]].depth_index < BY_ID[block].depth_index:
        raise UserError(f"{where}, block", f"{block} or a later one", given["block"], "an edit changes nothing before its block")
    if given["block"] != block:
        return
    read = {number for number, _ in _resolved(f"{where}, feature", block, _feature(where, given), config)}
    for each in edited:
        if each[0] in read:
            found = f"{each}, which is outcome {given.get('name')}"
            raise UserError("the study, features", "features that no outcome reads", found, "leave it out of one")


def check_label(where: str, region: Any, config: Config) -> None:
    """Refuse a label of a region, which is as a file has it, that there will not be.

    Raises:
        UserError: there is none of that name, or cams.levels lacks a level that it is made from.
    """
    label = region.get("label") if isinstance(region, Mapping) else None
    if not isinstance(label, str):
        return
    levels, there = LEVELS_OF.get(label), set(config.cams.levels)
    if levels is not None and not set(levels) <= there:
        missing = ", ".join(str(each) for each in levels if each not in there)
        expected = f"levels {', '.join(map(str, levels))} hPa, which {label} is made from"
        raise UserError(f"{where}, label", expected, f"no {missing}", "add them to cams.levels")
    # Of the user's own labels names are known once they have been read.
    if levels is None and config.labels.own is None:
        known = [name for name, needed in LEVELS_OF.items() if set(needed) <= there]
        raise UserError(f"{where}, label", f"one of {', '.join(known)}", repr(label), nearest(label, known))


def grid_shape(config: Config) -> tuple[int, int] | None:
    """Rows and columns of the states; None where files of the user's decide."""
    return {"demo": config.cams.demo_grid, "ads": GRID}.get(config.cams.source)


def _check_placebo(asked: Mapping[str, Any], config: Config) -> None:
    shape, degrees = grid_shape(config), asked.get("placebo_degrees")
    if shape is None or not reads_as_number(degrees) or not 0 < float(degrees) < 360:
        return
    columns = shape[1] // PATCH
    for _ in range(BY_ID[asked["block"]].merges):
        columns = -(-columns // 2)
    check_placebo(float(degrees), columns)


def _check_levels(perturb: Any, config: Config) -> None:
    known = sorted(config.cams.levels)
    for at, each in enumerate(perturb if isinstance(perturb, list) else []):
        keys = next(iter(each.values())) if isinstance(each, Mapping) and len(each) == 1 else None
        levels = keys.get("levels") if isinstance(keys, Mapping) else None
        for level in levels if isinstance(levels, list) else []:
            if isinstance(level, bool) or level not in known:
                where = f"the study, change {at}, {next(iter(each))}, levels"
                raise UserError(where, f"some of {', '.join(map(str, known))} hPa, cams.levels", repr(level), nearest(level, known))
