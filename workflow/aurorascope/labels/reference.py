"""What percentiles need to know of the weather: quantiles of the training states alone, the same in whatever order they come."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from aurorascope.cams.day_group import iso_time
from aurorascope.config.thresholds import Thresholds
from aurorascope.files import sha256_bytes, sha256_json
from aurorascope.labels import fields
from aurorascope.labels.quantiles import AreaHistogram
from aurorascope.labels.state import LabelState, Place

FORMAT = 1
# Values at a place are stacked in blocks of as many rows.
_ROWS = 8
_TCCO = ("smoke", "salt")


@dataclass(frozen=True, eq=False)
class Reference:
    """Quantiles of the training states.

    Attributes:
        values: `dust_pm10`, `salt_pm10`, `smoke_pm2p5` and `coarse` in kg m-3, `no2` and `so2` in kg m-2, `edge_low` and `edge_high`
            in 1/s, `city_nox`, `smoke_nox`, `urban_nox` and `so2_emission` in kg m-2 s-1.
        changes: change over 12 hours from which on a label of `fields.CHANGING` has its change labelled, in its field's unit.
        tcco: column of carbon monoxide, kg m-2, float32, (rows, columns), from which it is high for its place, for "smoke" and for
            "salt". A column less its place's mean is high where the column is, so that no mean is needed.
        lat: degrees north, (rows,).
        lon: degrees east, (columns,).
        times: times of the training states, `YYYY-MM-DDTHH:00:00Z`, ascending.
        thresholds_sha256: digest of the thresholds whose percentiles these are.
    """

    values: Mapping[str, float]
    changes: Mapping[str, float]
    tcco: Mapping[str, np.ndarray]
    lat: np.ndarray
    lon: np.ndarray
    times: tuple[str, ...]
    thresholds_sha256: str

    @classmethod
    def of(cls, states: Iterable[LabelState], thresholds: Thresholds) -> "Reference":
        """Read training states one after the other; between them only carbon monoxide's columns are kept.

        At 451 x 900 a year of 730 states keeps 1.2 GB, beside 0.2 GB of sums and one pair of states of 0.5 GB.

        Raises:
            ValueError: no state, a time twice, or states on different grids or levels.
        """
        census = _Census(thresholds)
        for state in states:
            census.add(state)
            # At full size a pair of states is half a gigabyte, which the next one need not find in memory.
            del state
        return census.finish()

    def check(self, place: Place, thresholds: Thresholds) -> None:
        """Refuse states and thresholds that these quantiles are not for.

        Raises:
            ValueError: another grid, or other thresholds.
        """
        if not (np.array_equal(self.lat, place.lat) and np.array_equal(self.lon, place.lon)):
            raise ValueError("the reference lies on another grid than the states")
        if self.thresholds_sha256 != thresholds_digest(thresholds):
            raise ValueError("the reference was made with other thresholds")

    def to_dataset(self) -> xr.Dataset:
        """As a dataset that NetCDF and zarr can hold; `from_dataset` gives the same reference back, bit by bit."""
        names, changing = sorted(self.values), sorted(self.changes)
        data = xr.Dataset(
            {
                "value": ("name", np.array([self.values[name] for name in names], np.float64)),
                "change": ("label", np.array([self.changes[name] for name in changing], np.float64)),
                **{
                    f"tcco_{name}": (("latitude", "longitude"), self.tcco[name], {"units": "kg m-2"}) for name in _TCCO
                },
            },
            coords={
                "name": names, "label": changing, "latitude": self.lat, "longitude": self.lon,
                "training_time": ("training_time", list(self.times)),
            },
        )
        data.attrs = {"format": FORMAT, "thresholds_sha256": self.thresholds_sha256}
        return data

    @classmethod
    def from_dataset(cls, data: xr.Dataset) -> "Reference":
        """The reference that `to_dataset` made a dataset of."""
        by_name = {
            kind: dict(zip(map(str, data[axis].values), map(float, data[kind].values), strict=True))
            for kind, axis in (("value", "name"), ("change", "label"))
        }
        return cls(
            by_name["value"], by_name["change"], {name: data[f"tcco_{name}"].values.astype(np.float32) for name in _TCCO},
            data["latitude"].values, data["longitude"].values, tuple(map(str, data["training_time"].values)), str(data.attrs["thresholds_sha256"]),
        )

    def sha256(self) -> str:
        """Digest of the content: grid, quantiles and times."""
        arrays = [
            sha256_bytes(np.ascontiguousarray(each, "<f8").tobytes()) for each in (*(self.tcco[name] for name in _TCCO), self.lat, self.lon)
        ]
        content = [FORMAT, dict(self.values), dict(self.changes), arrays, list(self.times), self.thresholds_sha256]
        return sha256_json(content)


def thresholds_digest(thresholds: Thresholds) -> str:
    """sha256 of all thresholds by name."""
    return sha256_json(thresholds.by_name())


def doubts(n_states: int, thresholds: Thresholds) -> list[str]:
    """What a user should know of labels that need a percentile over times at each place, of so few training states: a line, or none.

    Of n values that percentile p is the largest where n (100 - p) < 100.
    """
    asked = {"smoke": thresholds.smoke_tcco_percentile, "sea_salt": thresholds.salt_tcco_percentile}
    few = {label: percentile for label, percentile in asked.items() if n_states * (100 - percentile) < 100}
    if not few:
        return []
    needed = max(math.ceil(100 / (100 - percentile)) for percentile in few.values())
    if n_states == 1:
        states, times = "1 training state is", {"smoke": "is always high enough for smoke", "sea_salt": "is never low enough for sea_salt"}
    else:
        states = f"{n_states} training states are"
        times = {
            "smoke": "is high enough for smoke at one of these times alone", "sea_salt": "is low enough for sea_salt at all of these times but one",
        }
    return [
        f"Labels: {states} too few for percentiles over times, which take {needed}: at each place carbon monoxide "
        f"{' and '.join(times[label] for label in few)}."
    ]


class _Census:
    """Sums over the states that have been read."""

    def __init__(self, thresholds: Thresholds) -> None:
        self.thresholds = thresholds
        self.place: Place | None = None
        names = ("pm10", "smoke_pm2p5", "coarse", "no2", "so2", "edge")
        self.values = {name: AreaHistogram(name) for name in names}
        self.changes = {name: AreaHistogram(f"the change of {name}") for name in fields.CHANGING}
        self.tcco: dict[str, np.ndarray] = {}

    def add(self, state: LabelState) -> None:
        place, now, time = state.place, state.now, iso_time(state.now.time)
        if self.place is None:
            self.place = place
        axes = [(np.asarray(each.lat), np.asarray(each.lon), np.asarray(each.levels)) for each in (place, self.place)]
        if not all(np.array_equal(a, b) for a, b in zip(*axes, strict=True)):
            raise ValueError(f"the state of {time} has another grid or other levels than those before it")
        if time in self.tcco:
            raise ValueError(f"the state of {time} twice")
        self.tcco[time] = now.values["tcco"].astype(np.float32)
        is_land = place.static["lsm"] >= self.thresholds.land_share
        found = {
            "pm10": fields.pm10(now), "smoke_pm2p5": np.where(is_land, fields.pm2p5(now), np.float32(np.nan)),
            "coarse": fields.coarse(now), "no2": fields.no2_column(now), "so2": fields.so2_column(now),
        }
        if fields.can_have("transport_edge", place.levels):
            found["edge"] = fields.transport(now)
        for name, field in found.items():
            self.values[name].add(field, place.area_yx)
        for name, histogram in self.changes.items():
            if fields.can_have(name, place.levels):
                histogram.add(fields.FIELDS[name].change(state, self.thresholds), place.area_yx)

    def finish(self) -> Reference:
        if self.place is None:
            raise ValueError("a reference of no state")
        place, limits, values = self.place, self.thresholds, self.values
        asked = {
            "dust_pm10": ("pm10", limits.dust_percentile), "salt_pm10": ("pm10", limits.salt_percentile),
            "smoke_pm2p5": ("smoke_pm2p5", limits.smoke_percentile), "coarse": ("coarse", limits.coarse_percentile),
            "no2": ("no2", limits.no2_percentile), "so2": ("so2", limits.so2_percentile),
        }
        if fields.can_have("transport_edge", place.levels):
            asked |= {"edge_low": ("edge", limits.edge_percentile), "edge_high": ("edge", 100 - limits.edge_percentile)}
        found = {name: values[source].quantile(percentile) for name, (source, percentile) in asked.items()}
        emissions = {
            "city_nox": ("static_nox", limits.city_percentile), "smoke_nox": ("static_nox", limits.smoke_nox_percentile),
            "urban_nox": ("static_nox", limits.urban_nox_percentile),
            "so2_emission": ("static_so2", limits.so2_emission_percentile),
        }
        for name, (source, percentile) in emissions.items():
            histogram = AreaHistogram(source)
            histogram.add(place.static[source].astype(np.float32), place.area_yx)
            found[name] = histogram.quantile(percentile)
        changes = {
            name: histogram.quantile(limits.change_percentile)
            for name, histogram in self.changes.items()
            if fields.can_have(name, place.levels)
        }
        times = tuple(sorted(self.tcco))
        stack = [self.tcco[time] for time in times]
        high = {
            "smoke": _quantile_at_each_place(stack, limits.smoke_tcco_percentile),
            "salt": _quantile_at_each_place(stack, limits.salt_tcco_percentile),
        }
        return Reference(found, changes, high, place.lat, place.lon, times, thresholds_digest(limits))


def _quantile_at_each_place(stack: list[np.ndarray], percentile: float) -> np.ndarray:
    """A percentile over several fields at each cell: one of the cell's values, which no order of the fields can change."""
    found = np.empty_like(stack[0])
    for first in range(0, len(found), _ROWS):
        rows = slice(first, first + _ROWS)
        found[rows] = np.quantile(np.stack([each[rows] for each in stack]), percentile / 100, axis=0, method="inverted_cdf")
    return found
