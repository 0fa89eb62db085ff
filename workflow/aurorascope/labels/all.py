"""Every label by formula, and the labels of one time."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr

from aurorascope.config.thresholds import UNCHECKED, Thresholds
from aurorascope.labels import air_quality, controls, dynamics, fields, places
from aurorascope.labels.reference import Reference
from aurorascope.labels.state import LabelState
from aurorascope.sphere import connected

VERSION = 1
"""Raised whenever a definition gives other masks, objects or fields."""
CHANGE = "_change"
Kind = Literal["event", "place", "calendar", "control"]
Function = Callable[[LabelState, Reference, Thresholds], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Definition:
    """One label.

    Attributes:
        id: lower case, digits and underscores.
        function: mask (bool) and field (float32) of one time, each (rows, columns).
        units: the field's unit.
        formula: the definition in words; {names} are thresholds.
        source: where it comes from.
        kind: an event's objects are the connected cells of its mask; a place, the calendar and a control are one object.
        needs: levels without which it cannot be had, hPa.
    """

    id: str
    function: Function
    units: str
    formula: str
    source: str
    kind: Kind
    needs: tuple[int, ...] = ()

    def text(self, thresholds: Thresholds) -> str:
        """The formula with its thresholds in numbers."""
        return self.formula.format(**{name: f"{value:g}" for name, value in thresholds.by_name().items()})

    @property
    def thresholds(self) -> tuple[str, ...]:
        """Names of the thresholds in the formula."""
        return tuple(re.findall(r"\{(\w+)\}", self.formula))


def _event(function: Function, formula: str, source: str) -> Definition:
    field = fields.FIELDS[function.__name__]
    return Definition(function.__name__, function, field.units, formula, source, "event", field.needs)


def _one(function: Function, units: str, formula: str, source: str, kind: Kind) -> Definition:
    return Definition(function.__name__, function, units, formula, source, kind)


def _change(name: str) -> Definition:
    field = fields.FIELDS[name]

    def change(state: LabelState, reference: Reference, thresholds: Thresholds) -> tuple[np.ndarray, np.ndarray]:
        grown = field.change(state, thresholds)
        return (grown >= reference.changes[name]) & (grown > 0), grown

    formula = (
        f"field of {name} at t less that at t - 12 h >= p{{change_percentile}} of such changes over area and training states, and > 0"
    )
    return Definition(name + CHANGE, change, field.units, formula, "the model sees both states", "event", field.needs)


_WEATHER = (
    _event(dynamics.jet, "mean over 200-300 hPa of |(u, v)| >= {jet_speed} m/s", "Koch et al. 2006; unchecked"),
    _event(
        dynamics.jet_core, "the jet's speed >= {jet_core_speed} m/s and largest across the flow, dilated by {line_km} km",
        "methods disagree: jsmetrics, GMD 17, 1229",
    ),
    _event(
        dynamics.low,
        "local minimum of msl that rises by >= {low_rise} Pa within {low_radius_degrees} degrees on all sides: disk of "
        "{low_disk_km} km",
        "TempestExtremes",
    ),
    _event(
        dynamics.tropical_cyclone,
        "low within {cyclone_lat} degrees of the equator whose z300 - z500 falls by >= {cyclone_fall} m2 s-2 within "
        "{cyclone_radius_degrees} degrees of a maximum at most {cyclone_offset_degrees} degrees away: disk of {low_disk_km} km",
        "TempestExtremes; truth would be IBTrACS",
    ),
    _event(dynamics.cyclonic_core, "vorticity at 850 hPa x sign of latitude >= {vorticity} 1/s", "unchecked"),
    _event(
        dynamics.atmospheric_river,
        "IVT of 300-1000 hPa >= {river_transport} kg/m/s from {river_lat} degrees on; objects >= {river_length_km} km long "
        "and <= {river_width_km} km wide",
        "NOAA PSL; Goldenson; ARTMIP: algorithms disagree",
    ),
    _event(
        dynamics.blocking,
        "Z500 rises towards the pole by > {blocking_equatorward} m per degree over 15 degrees equatorward and by < "
        "{blocking_poleward} over 15 degrees poleward, between {blocking_lowest_lat} and {blocking_highest_lat} degrees",
        "Tibaldi and Molteni, Scherrer, Davini; instantaneous; unchecked",
    ),
    _event(
        dynamics.front,
        "|gradient of theta_e at 850 hPa| >= {front_gradient} K/m, objects >= {front_length_km} km long, dilated by {line_km} km",
        "Schemm; unchecked",
    ),
    _event(
        dynamics.stratospheric_air,
        "at 300, 400 or 500 hPa PV >= {stratospheric_vorticity} K m2 kg-1 s-1, ozone >= {stratospheric_ozone} mol/mol and relative "
        "humidity <= {stratospheric_humidity}, beyond {stratospheric_lat} degrees",
        "ozone, PV and dryness agree; unchecked",
    ),
    _event(dynamics.inversion, "t at 925 hPa - t2m > {inversion} K where 925 hPa is above ground", "textbook"),
    _event(
        air_quality.dust, "PM10 - {dust_salt} x share of sea x squared wind at 10 m >= p{dust_percentile} of PM10 and PM2.5 / PM10 < {dust_ratio}",
        "CAMS formula for PM since cycle 43r1"
    ),
    _event(air_quality.coarse_pm, "PM10 - PM2.5 >= p{coarse_percentile}", "CAMS formula for PM since cycle 43r1"),
    _event(
        air_quality.smoke,
        "PM2.5 >= p{smoke_percentile} of land, PM2.5 / PM10 >= {smoke_ratio}, tcco >= p{smoke_tcco_percentile} of its place, static NOx < "
        "p{smoke_nox_percentile}, CO / SO2 on the lowest level >= {smoke_co_so2}",
        "proxy; truth would be GFAS",
    ),
    _event(
        air_quality.sea_salt,
        "sea, wind at 10 m >= {salt_wind} m/s, PM10 >= p{salt_percentile}, PM2.5 / PM10 of {salt_least_ratio} to "
        "{salt_largest_ratio}, tcco < p{salt_tcco_percentile} of its place",
        "CAMS formula for PM since cycle 43r1",
    ),
    _event(air_quality.urban_no2, "tcno2 >= p{no2_percentile} and static NOx >= p{urban_nox_percentile}", "own"),
    _event(
        air_quality.volcanic_so2,
        "tcso2 >= p{so2_percentile}, static SO2 < p{so2_emission_percentile}, largest so2 at < {so2_below_hpa} hPa", "own; unchecked",
    ),
    _event(dynamics.cold_ocean, "lsm < {land_share} and t2m < {cold_ocean} K", "proxy of sea ice"),
    _event(
        air_quality.transport_edge, "-(u, v) . grad ln PM2.5 with the wind at 925 hPa in the top or bottom {edge_percentile} %",
        "own; unchecked",
    ),
)
_PLACES = (
    _one(places.day, "1", "cosine of the sun's zenith angle > {day_cosine}", "textbook; unchecked", "calendar"),
    _one(places.land, "1", "lsm >= {land_share}", "static fields", "place"),
    _one(places.coast, "1", "land and sea (lsm >= {land_share} or not) within 3 x 3 cells", "static fields", "place"),
    _one(places.high_ground, "m", "static z / g > {high_ground_m} m", "static fields", "place"),
    _one(places.city, "kg m-2 s-1", "static NOx >= p{city_percentile}", "static fields", "place"),
)
_CONTROLS = (
    _one(controls.control_sin_lon, "1", "sin lon > 0", "control", "control"),
    _one(controls.control_cos_lon, "1", "cos lon > 0", "control", "control"),
    _one(controls.control_lat, "degrees_north", "lat > 0", "control", "control"),
    _one(controls.control_cell_area, "1", "cell area > its mean", "control", "control"),
    _one(controls.control_weekday, "1", "Saturday or Sunday", "control", "control"),
    _one(controls.control_day_of_month, "1", "day of the month > 15", "control", "control"),
    _one(controls.control_red_noise, "1", "random red field >= {red_noise} standard deviations", "control", "control"),
)
LABELS: dict[str, Definition] = {
    each.id: each for each in (*_PLACES, *_WEATHER, *(_change(name) for name in fields.CHANGING), *_CONTROLS)
}
"""Every label by formula, by its id, in the order of files."""


def available(levels: Iterable[int]) -> list[str]:
    """Ids of the labels that states on these levels, in hPa, can have, in the order of `LABELS`."""
    there = set(levels)
    return [name for name, definition in LABELS.items() if set(definition.needs) <= there]


def describe(levels: Iterable[int], thresholds: Thresholds) -> dict[str, dict[str, object]]:
    """What a reader should know of each available label, for records: text, source, unit, kind, and thresholds nobody checked."""
    return {
        name: {
            "formula": LABELS[name].text(thresholds), "source": LABELS[name].source, "units": LABELS[name].units,
            "kind": LABELS[name].kind, "unchecked": sorted(set(LABELS[name].thresholds) & UNCHECKED),
        }
        for name in available(levels)
    }


def label_state(state: LabelState, reference: Reference, thresholds: Thresholds) -> xr.Dataset:
    """All labels of one time that its levels allow.

    Returns:
        `mask` uint8 (1 where the label is on), `object` uint16 (number of the object from 1, 0 outside) and `field` float32 (NaN
        where undefined), dims (label, latitude, longitude); `time` as a scalar coordinate.

    Raises:
        ValueError: the reference is for another grid or other thresholds.
    """
    reference.check(state.place, thresholds)
    names = available(state.place.levels)
    shape = (len(names), *state.place.shape)
    mask, number, field = np.zeros(shape, np.uint8), np.zeros(shape, np.uint16), np.empty(shape, np.float32)
    for place, name in enumerate(names):
        definition = LABELS[name]
        mask[place], field[place] = definition.function(state, reference, thresholds)
        number[place] = connected(mask[place]) if definition.kind == "event" else mask[place]
    return label_dataset(names, state.now.time, state.place.lat, state.place.lon, mask, number, field)


def label_dataset(
    names: list[str], time: np.datetime64, lat: np.ndarray, lon: np.ndarray, mask: np.ndarray, number: np.ndarray, field: np.ndarray
) -> xr.Dataset:
    """Labels of one time as `label_state` gives them, of arrays (label, rows, columns)."""
    dims = ("label", "latitude", "longitude")
    return xr.Dataset(
        {"mask": (dims, mask), "object": (dims, number), "field": (dims, field)},
        coords={
            "label": np.array(names, object), "latitude": lat, "longitude": lon, "time": np.datetime64(time, "ns"),
        },
    )
