"""Outcomes: single numbers read off a forecast, or off a later block, and how far a forecast moved by field."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from aurora import Batch

from aurorascope.blocks import BY_ID, nearest_block
from aurorascope.errors import UserError
from aurorascope.interventions.ids import Asked, read_features
from aurorascope.studies.fields import Field, KeptFields, fields_of, values_of
from aurorascope.studies.keys import check_field
from aurorascope.studies.reading import MOST, check_each_once, check_keys, check_list, check_number
from aurorascope.studies.tracks import Track
from aurorascope.studies.where import Where, read_cells

# Half a unit in the last place of float32, which forecasts are made in.
_ROUNDING = 2.0**-24


@dataclass(frozen=True)
class Linear:
    """y = sum over terms of a * (area mean over the region of F) / T, with T the RMS there of the clean F - state: unit 1.

    Attributes:
        name: of the outcome.
        terms: field and coefficient a.
        where: cells.
    """

    name: str
    terms: tuple[tuple[Field, float], ...]
    where: Where

    @classmethod
    def read(cls, where: str, given: Mapping[str, Any]) -> "Linear":
        """From keys name, region, and either variable and level or terms, a list of {variable, level, coefficient}."""
        given = check_keys(where, given, ("name", "variable", "level", "terms", "region"), ("name",))
        if ("terms" in given) == ("variable" in given):
            raise UserError(where, "either variable or terms", "both" if "terms" in given else "neither", "give one of them")
        terms = given.get("terms", [{"variable": given.get("variable"), "level": given.get("level")}])
        found = []
        for at, each in enumerate(check_list(f"{where}, terms", terms)):
            each = check_keys(f"{where}, term {at}", each, ("variable", "level", "coefficient"), ("variable",))
            coefficient = check_number(f"{where}, term {at}, coefficient", each.get("coefficient", 1.0))
            if not 0 < abs(coefficient) <= MOST:
                expected = f"a number other than 0, of size {MOST:g} at most"
                raise UserError(f"{where}, term {at}, coefficient", expected, f"{coefficient:g}", "correct it, or leave the term out")
            found.append(((each["variable"], each.get("level")), coefficient))
        # Of one field twice coefficients may cancel.
        check_each_once(f"{where}, terms", [" at ".join(map(str, filter(None, field))) for field, _ in found], "variable and level")
        return cls(str(given["name"]), tuple(found), read_cells(where, given))

    @property
    def fields(self) -> tuple[Field, ...]:
        """What it reads."""
        return tuple(field for field, _ in self.terms)


@dataclass(frozen=True)
class _Extreme:
    """An extreme over the cells of a region, in the variable's unit."""

    name: str
    where: Where

    @classmethod
    def read(cls, where: str, given: Mapping[str, Any]) -> "_Extreme":
        """From keys name and region."""
        given = check_keys(where, given, ("name", "region"), ("name", "region"))
        return cls(str(given["name"]), read_cells(where, given))


class PressureMinimum(_Extreme):
    """Least sea-level pressure, Pa."""

    fields: tuple[Field, ...] = (("msl", None),)


class WindMaximum(_Extreme):
    """Greatest wind speed at 10 m, m/s."""

    fields: tuple[Field, ...] = (("10u", None), ("10v", None))


@dataclass(frozen=True)
class FeatureMean:
    """Area mean of a feature of the edited block or a later one over the tokens of a region.

    Attributes:
        name: of the outcome.
        block: its block.
        feature: number and sign.
        where: tokens.
    """

    name: str
    block: str
    feature: Asked
    where: Where
    fields: tuple[Field, ...] = ()

    @classmethod
    def read(cls, where: str, given: Mapping[str, Any]) -> "FeatureMean":
        """From keys name, block, feature (a number or [number, sign]) and region."""
        given = check_keys(where, given, ("name", "block", "feature", "region"), ("name", "block", "feature"))
        if not isinstance(given["block"], str) or given["block"] not in BY_ID:
            raise UserError(f"{where}, block", "a block of Aurora", repr(given["block"]), nearest_block(given["block"]))
        feature = tuple(given["feature"]) if isinstance(given["feature"], list) else given["feature"]
        found = read_features(f"{where}, feature", feature)[0]
        return cls(str(given["name"]), given["block"], found, Where.read(f"{where}, region", given.get("region")))


Outcome = Linear | PressureMinimum | WindMaximum | FeatureMean | Track
KINDS = {"linear": Linear, "msl_min": PressureMinimum, "wind_max": WindMaximum, "feature": FeatureMean, "tracker": Track}


def area_mean(values_yx: np.ndarray, area_yx: np.ndarray) -> float:
    """Mean by area, rows first, then over rows: the same bits whatever the number of threads."""
    return float((values_yx * area_yx).sum(axis=1).sum() / area_yx.sum())


def check_fields(outcome: Outcome, batch: Batch) -> None:
    """Refuse a variable or level that the input does not have.

    Raises:
        UserError: there is none of that name or level.
    """
    known: dict[str, list[int] | None] = {}
    for name, level in fields_of(batch):
        known[name] = None if level is None else [*(known.get(name) or []), level]
    for name, level in outcome.fields:
        check_field(f"outcome {outcome.name}", name, level, known)


class Reader:
    """Reads outcomes and divergence off the forecasts of one date and step.

    Args:
        outcomes: those that read one forecast; of others only what is on target is asked.
        areas: by outcome, the area of each cell of its region, 0 outside, (rows, columns).
        area_yx: area of each cell.
        state: the input.
        clean: the clean forecast, in memory or on disk.
    """

    def __init__(
        self, outcomes: list[Outcome], areas: Mapping[str, np.ndarray], area_yx: np.ndarray, state: Batch, clean: Batch | KeptFields
    ) -> None:
        for outcome in outcomes:
            if isinstance(outcome, Track):
                raise UserError(f"outcome {outcome.name}", "an outcome of a single forecast", "a track, which is of a whole run", "leave it out")
        self._outcomes, self._areas, self._area_yx, self._n, self._clean = outcomes, areas, area_yx, len(area_yx), clean
        # Of how far each field moves only means are kept.
        self._moved: dict[Field, float] = {}
        self._scales: dict[tuple[str, Field], float] = {}
        for field in fields_of(clean):
            moved_yx = np.square(self._clean_of(field) - values_of(state, field, self._n))
            self._moved[field] = area_mean(moved_yx, area_yx)
            for outcome in outcomes:
                if isinstance(outcome, Linear) and field in outcome.fields:
                    self._scales[outcome.name, field] = float(np.sqrt(area_mean(moved_yx, areas[outcome.name])))

    def _clean_of(self, field: Field) -> np.ndarray:
        return values_of(self._clean, field, self._n)

    def scale(self, outcome: Linear, field: Field) -> float:
        """T of a linear outcome's term: RMS by area over the region of what the clean forecast moves by.

        Raises:
            UserError: it does not move there.
        """
        scale = self._scales[outcome.name, field]
        if not scale > 0:
            raise UserError(f"outcome {outcome.name}", "a clean forecast that moves there", f"none of {field[0]}", "take another outcome")
        return scale

    def read(self, forecast: Batch | KeptFields) -> dict[str, float]:
        """Each outcome's value.

        Raises:
            UserError: a linear one's clean forecast does not move in its region.
        """
        return {outcome.name: self._read(outcome, forecast) for outcome in self._outcomes}

    def _read(self, outcome: Outcome, forecast: Batch | KeptFields) -> float:
        area_yx, fields = self._areas[outcome.name], [values_of(forecast, field, self._n) for field in outcome.fields]
        if isinstance(outcome, Linear):
            terms = zip(outcome.terms, fields, strict=True)
            return sum(a * area_mean(field_yx, area_yx) / self.scale(outcome, field) for (field, a), field_yx in terms)
        if isinstance(outcome, PressureMinimum):
            return float(fields[0][area_yx > 0].min())
        return float(np.hypot(*fields)[area_yx > 0].max())

    def rounding(self, outcome: Outcome) -> float:
        """What one rounding of the clean forecast in float32 amounts to: no smaller effect can be told."""
        area_yx, clean = self._areas[outcome.name], [np.abs(self._clean_of(field)) for field in outcome.fields]
        if isinstance(outcome, Linear):
            terms = zip(outcome.terms, clean, strict=True)
            return _ROUNDING * sum(abs(a) * area_mean(each, area_yx) / self.scale(outcome, field) for (field, a), each in terms)
        return _ROUNDING * float(np.sqrt(sum(np.square(each[area_yx > 0].max()) for each in clean)))

    def divergence(
        self, forecast: Batch | KeptFields, outcomes: Sequence[Outcome] = ()
    ) -> tuple[dict[Field, float], dict[str, tuple[float, float]]]:
        """How far a forecast is from the clean one, each field of which is read once.

        Returns:
            By field D2 = mean by area of (F - F_clean)^2 over that of (F_clean - state)^2, NaN where the clean forecast does not move;
            and of outcomes, by name, D2 summed over fields: the part in the outcome's fields and region, and all of it.
        """
        shares: dict[Field, float] = {}
        targets, everything = dict.fromkeys((each.name for each in outcomes), 0.0), 0.0
        for field in self._moved:
            square_yx = np.square(values_of(forecast, field, self._n) - self._clean_of(field))
            shares[field] = whole = self._share(square_yx, field)
            if np.isnan(whole):
                continue
            everything += whole
            for outcome in outcomes:
                if field in outcome.fields:
                    targets[outcome.name] += self._share(np.where(self._areas[outcome.name] > 0, square_yx, 0.0), field)
        return shares, {name: (target, everything) for name, target in targets.items()}

    def _share(self, square_yx: np.ndarray, field: Field) -> float:
        moved = self._moved[field]
        return area_mean(square_yx, self._area_yx) / moved if moved > 0 else float("nan")

    def change(self, forecast: Batch | KeptFields, field: Field) -> np.ndarray:
        """F - F_clean, (rows, columns) float32."""
        return (values_of(forecast, field, self._n) - self._clean_of(field)).astype(np.float32)
