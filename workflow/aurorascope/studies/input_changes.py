"""Changes of Aurora's inputs as a study describes them, which turn into operations at any dose and place."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import xarray as xr

from aurorascope.errors import UserError
from aurorascope.perturbations import (
    AddPlume,
    AddRedNoise,
    Band,
    Box,
    Disk,
    Everywhere,
    Region,
    ReplaceByMean,
    ScaleEmission,
    ScaleVariables,
)
from aurorascope.perturbations.consistency import COLUMNS
from aurorascope.perturbations.inputs import find_variable
from aurorascope.perturbations.operations import Operation
from aurorascope.studies.reading import MOST, check_each_once, check_keys, check_list, check_number, nearest

SHAPES = {"disk": (Disk, "lat, lon, km"), "box": (Box, "south, north, west, east"), "band": (Band, "south, north")}
_COMMON = ("region", "levels", "times", "consistent")
_KEYS = {
    "scale": (("variables", "factor"), _COMMON),
    "add_plume": (("variable", "kg", "region"), (*_COMMON[1:], "depth_m")),
    "replace_by_mean": (("variables",), _COMMON),
    "scale_emission": (("emission", "factor"), ("region",)),
    "add_red_noise": (("variables", "amplitude"), _COMMON),
}
_AMOUNTS = ("factor", "kg", "amplitude")


def kinds() -> Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Keys of each kind of change: those that it needs, and those that it takes."""
    return _KEYS


@dataclass(frozen=True)
class InputChange:
    """One change.

    Attributes:
        kind: scale, add_plume, replace_by_mean, scale_emission or add_red_noise.
        names: variables, the plume's variable or the emission.
        amount: factor, kg or amplitude at dose 1; 1 for a replacement, the whole way to the mean.
        region: where.
        levels: hPa; None for all.
        times: "both" or "latest".
        consistent: whether columns move with levels and particles of all sizes together.
        depth_m: of a plume of particles.
    """

    kind: str
    names: tuple[str, ...]
    amount: float
    region: Region
    levels: tuple[int, ...] | None = None
    times: str = "both"
    consistent: bool = True
    depth_m: float | None = None

    @classmethod
    def read(cls, where: str, given: Any) -> "InputChange":
        """From a mapping of one kind to its keys.

        Raises:
            UserError: an unknown kind or key (the message names the nearest), or a value of another form.
        """
        if not (isinstance(given, Mapping) and len(given) == 1):
            raise UserError(where, f"a mapping with one of {', '.join(_KEYS)}", repr(given)[:80], "correct it")
        kind, keys = next(iter(given.items()))
        if kind not in _KEYS:
            raise UserError(where, f"one of {', '.join(_KEYS)}", repr(kind), nearest(kind, _KEYS))
        where, (needed, optional) = f"{where}, {kind}", _KEYS[kind]
        keys = check_keys(where, keys, needed + optional, needed)
        names = next(keys[name] for name in ("variables", "variable", "emission") if name in keys)
        names = check_list(f"{where}, variables", names) if isinstance(names, list | tuple) else [names]
        if any(not isinstance(name, str) for name in names) or (len(names) > 1 and "variables" not in keys):
            raise UserError(where, "names of variables", repr(names), "correct it")
        amount, levels = _amount(where, keys), _levels(where, keys.get("levels"))
        found = cls(
            kind, tuple(names), amount, read_region(f"{where}, region", keys.get("region")), levels,
            keys.get("times", "both"), _consistent(where, keys.get("consistent", True)),
            check_number(f"{where}, depth_m", keys["depth_m"]) if "depth_m" in keys else None,
        )
        # Operations refuse what no value of theirs is; the mean is known later.
        with of_change(where):
            found.operation(mean=xr.Dataset())
            if kind != "scale_emission":
                found._check_variables()
        return found

    def _check_variables(self) -> None:
        named = [find_variable(name) for name in self.names]
        check_each_once("variables", [each.netcdf for each in named], "variable")
        following = {COLUMNS.get(each.netcdf) for each in named} if self.consistent else set()
        for each in named:
            if self.levels is not None and each.kind == "surface" and each.netcdf not in following:
                expected = f"none, since {each.netcdf} is a variable of the surface"
                raise UserError("levels", expected, ", ".join(map(str, self.levels)), "leave levels out, or give it a change of its own")

    def operation(self, dose: float = 1.0, mean: xr.Dataset | None = None, degrees: float = 0.0) -> Operation:
        """The operation.

        Args:
            dose: share of the change; of its reverse where negative.
            mean: what variables are on average, for a replacement, as `perturbations.position_mean` has it.
            degrees: how far east of the region it is made.

        Raises:
            UserError: there is none at this dose, or a mean is missing.
        """
        region = self.region.moved_east(degrees) if degrees else self.region
        if self.kind == "scale_emission":
            return ScaleEmission(self.names[0], _factor(self.amount, dose), region)
        common = {"region": region, "levels": self.levels, "times": self.times, "consistent": self.consistent}
        if self.kind == "scale":
            return ScaleVariables(self.names, _factor(self.amount, dose), **common)
        if self.kind == "add_plume":
            return AddPlume(self.names[0], dose * self.amount, **common, depth_m=self.depth_m)
        if self.kind == "add_red_noise":
            return AddRedNoise(self.names, dose * self.amount, **common)
        if mean is None:
            raise UserError("the study, perturb, replace_by_mean", "means of states", "none", "give mean=, what position_mean returns")
        return ReplaceByMean(self.names, mean, **common, share=dose)


@contextlib.contextmanager
def of_change(where: str) -> Iterator[None]:
    """Let errors of an operation, which knows of no study, say where in it the change stands."""
    try:
        yield
    except UserError as error:
        if error.where.startswith("the "):
            raise
        raise UserError(f"{where}, {error.where}", error.expected, error.found, error.fix) from None


def _amount(where: str, keys: Mapping[str, Any]) -> float:
    name = next((name for name in _AMOUNTS if name in keys), None)
    if name is None:
        return 1.0
    # A mass is compared with that of the air.
    amount, nothing = check_number(f"{where}, {name}", keys[name], *([] if name == "kg" else [MOST])), 1.0 if name == "factor" else 0.0
    if amount == nothing:
        raise UserError(f"{where}, {name}", f"a number other than {nothing:g}, which changes nothing", repr(keys[name]), "correct it")
    return amount


def _factor(factor: float, dose: float) -> float:
    return 1 + dose * (factor - 1)


def _levels(where: str, given: Any) -> tuple[int, ...] | None:
    if given is None:
        return None
    levels = check_list(f"{where}, levels", given)
    if any(isinstance(level, bool) or not isinstance(level, int) for level in levels):
        raise UserError(f"{where}, levels", "whole numbers of hPa", repr(levels), "correct it")
    check_each_once(f"{where}, levels", levels, "level")
    return tuple(levels)


def _consistent(where: str, given: Any) -> bool:
    if not isinstance(given, bool):
        raise UserError(f"{where}, consistent", "true or false", repr(given), "correct it")
    return given


def read_region(where: str, given: Any) -> Region:
    """A region from one of disk, box and band, and taper_km where it has a rim; everywhere for None.

    Raises:
        UserError: an unknown key, no or several shapes, or a shape that there is not.
    """
    if given is None:
        return Everywhere()
    given = check_keys(where, given, (*SHAPES, "taper_km"))
    shapes = [name for name in SHAPES if name in given]
    if len(shapes) != 1:
        raise UserError(where, f"one of {', '.join(SHAPES)}", ", ".join(shapes) or "none", "give one; several changes may each have their own")
    (name,) = shapes
    shape, words = SHAPES[name]
    numbers = [check_number(f"{where}, {name}", each) for each in check_list(f"{where}, {name}", given[name])]
    if len(numbers) != len(words.split(", ")):
        raise UserError(f"{where}, {name}", f"{len(words.split(', '))} numbers: {words}", repr(given[name]), "correct it")
    taper = check_number(f"{where}, taper_km", given.get("taper_km", 0.0))
    with of_change(where):
        return shape(*numbers, taper_km=taper)
