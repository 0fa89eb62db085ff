"""A cyclone's track as an outcome: Aurora's own `aurora.Tracker` follows a low from where it is at the input's time.

The tracker looks for the inner minimum of sea-level pressure, or over land of the geopotential at 700 hPa, that is nearest to where the
track so far leads, within 5 degrees. Where it finds none the track is lost in that step: there is no value, and no error.
"""

import copy
import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from aurora import Batch, Metadata, Tracker
from aurora.tracker import NoEyeException

from aurorascope.errors import UserError
from aurorascope.spec import STEP_HOURS
from aurorascope.sphere import RADIUS_M, great_circle_km
from aurorascope.studies.fields import Field, KeptFields, values_of
from aurorascope.studies.keys import check_spacing, check_truth
from aurorascope.studies.reading import check_keys, check_list, check_number, nearest, reads_as_number
from aurorascope.studies.where import Where, read_cells

_READS = ("shift", "error", "pressure", "wind")
_REGION_KM = 1500.0
_NAN = float("nan")

Place = tuple[float, float]
"""Degrees north and east."""


@dataclass(frozen=True)
class Track:
    """What is read of a low in each step, 12 hours apart.

    Attributes:
        name: of the outcome.
        start: where the low is at the input's time.
        reads: shift (km from the clean run's track), error (km from `truth`), pressure (least sea-level pressure within 1.5 degrees,
            Pa) or wind (greatest wind speed at 10 m there, m/s).
        truth: for error, where the low really is, one place a step.
        where: cells whose change is on target.
    """

    name: str
    start: Place
    reads: str
    truth: tuple[Place, ...]
    where: Where
    fields: tuple[Field, ...] = (("msl", None), ("10u", None), ("10v", None), ("z", 700))

    @classmethod
    def read(cls, where: str, given: Mapping[str, Any]) -> "Track":
        """From keys name, lat, lon, reads, truth (a list of [lat, lon], for error alone) and region (1500 km around the start)."""
        given = check_keys(where, given, ("name", "lat", "lon", "reads", "truth", "region"), ("name", "lat", "lon", "reads"))
        reads = given["reads"]
        if reads not in _READS:
            raise UserError(f"{where}, reads", f"one of {', '.join(_READS)}", repr(reads), nearest(reads, _READS))
        if (reads == "error") != (given.get("truth") is not None):
            if reads == "error":
                fix = "add the key truth, or take reads: shift"
                raise UserError(f"{where}, truth", "where the low really is, [lat, lon] a step", "none", fix)
            raise UserError(f"{where}, truth", f"none, since {reads} needs none", repr(given["truth"])[:80], "leave it out, or take reads: error")
        start = _place(f"{where}, lat and lon", [given["lat"], given["lon"]])
        truth = [_place(f"{where}, truth", each) for each in check_list(f"{where}, truth", given["truth"])] if reads == "error" else []
        around = Where(disk=(*start, _REGION_KM)) if given.get("region") is None else read_cells(where, given)
        return cls(str(given["name"]), start, reads, tuple(truth), around)


def _place(where: str, given: Any) -> Place:
    if not (isinstance(given, list | tuple) and len(given) == 2 and all(map(reads_as_number, given))):
        raise UserError(where, "degrees north and degrees east", repr(given)[:80], "correct it")
    lat, lon = (check_number(where, each) for each in given)
    if not -90 <= lat <= 90:
        raise UserError(where, "a latitude from -90 to 90", repr(given[0]), "correct it")
    return lat, lon % 360


def check_track(outcome: Track, batch: Batch, steps: int) -> None:
    """Refuse an input that the tracker cannot look for a low in.

    Raises:
        UserError: the grid is too coarse, the land-sea mask is missing, or the truth is not that of each step.
    """
    where = f"outcome {outcome.name}"
    spacing = max(float(np.abs(np.diff(axis.cpu().numpy())).max()) for axis in (batch.metadata.lat, batch.metadata.lon))
    check_spacing(where, spacing)
    if "lsm" not in batch.static_vars:
        raise UserError(where, "the land-sea mask lsm among the static fields", "none", "give inputs as aurorascope.load_batch does")
    if outcome.reads == "error":
        check_truth(where, outcome.truth, steps)


@dataclass(frozen=True)
class Eye:
    """A low in one step; all NaN where the track is lost: degrees north and east, Pa, m/s."""

    lat: float = _NAN
    lon: float = _NAN
    pressure: float = _NAN
    wind: float = _NAN


Eyes = Mapping[Place, Eye]
"""By start of the track."""


class Follower:
    """Follows lows through one run, step after step.

    Args:
        outcomes: the tracks; those that start at one place are one track.
        state: the input.
        n_rows: rows that Aurora predicts.
    """

    def __init__(self, outcomes: Sequence[Track], state: Batch, n_rows: int) -> None:
        self._time, self._n, self._step = state.metadata.time[0], n_rows, 0
        self._dtype = state.surf_vars["msl"].dtype if outcomes else torch.float32
        self._axes = state.metadata.lat[:n_rows].cpu(), state.metadata.lon.cpu()
        self._lsm = {"lsm": state.static_vars["lsm"][:n_rows].cpu()} if outcomes else {}
        # The tracker extrapolates longitudes by a straight line, which a track across 0 degrees breaks: it is given a globe that
        # is turned so that the low starts at 180.
        self._turns = {each.start: _turn(self._axes[1], each.start[1]) for each in outcomes}
        self._trackers = {
            start: Tracker(start[0], (start[1] + turn.degrees) % 360, self._time) for start, turn in self._turns.items()
        }

    def copy(self) -> "Follower":
        """One that goes on from here by itself."""
        found = copy.copy(self)
        found._trackers = {start: copy.deepcopy(tracker) for start, tracker in self._trackers.items()}
        return found

    def follow(self, forecast: Batch | KeptFields) -> Eyes:
        """The lows in the next step's forecast, which is finite."""
        self._step += 1
        if not self._trackers:
            return {}
        found = {}
        for start, tracker in self._trackers.items():
            turn = self._turns[start]
            eye = _follow(tracker, self._batch(forecast, turn.columns))
            found[start] = dataclasses.replace(eye, lon=(eye.lon - turn.degrees) % 360)
        return found

    def _batch(self, forecast: Batch | KeptFields, columns: int) -> Batch:
        """What the tracker reads, in the form that it reads, turned eastwards by so many columns."""
        def tensor(name: str, level: int | None = None) -> torch.Tensor:
            return torch.from_numpy(np.roll(values_of(forecast, (name, level), self._n), columns, axis=-1)).to(self._dtype)

        time = self._time + datetime.timedelta(hours=STEP_HOURS * self._step)
        surface = {name: tensor(name)[None, None] for name in ("msl", "10u", "10v")}
        metadata = Metadata(*self._axes, time=(time,), atmos_levels=(700,), rollout_step=self._step)
        lsm = {name: field.roll(columns, dims=-1) for name, field in self._lsm.items()}
        return Batch(surface, lsm, {"z": tensor("z", 700)[None, None, None]}, metadata)


@dataclass(frozen=True)
class _Turn:
    """A turn of the globe eastwards, by whole columns of cells."""

    columns: int
    degrees: float


def _turn(lon: torch.Tensor, start: float) -> _Turn:
    """The turn that brings a longitude to 180 degrees; none where columns do not go around the globe evenly."""
    axis = lon.double().numpy()
    width = 360 / len(axis)
    if not np.allclose(np.diff(axis), width, rtol=0, atol=1e-3):
        return _Turn(0, 0.0)
    columns = round((180 - start) / width) % len(axis)
    return _Turn(columns, columns * width)


def _follow(tracker: Tracker, batch: Batch) -> Eye:
    failed = tracker.fails
    try:
        tracker.step(batch)
    except NoEyeException:
        # No low was found since the start, where the tracker looks again in the next step.
        return Eye()
    except ValueError as error:
        # A box of the tracker's without a cell, beyond the last row.
        if "zero-size array" not in str(error):
            raise
        return Eye()
    if tracker.fails > failed:
        return Eye()
    latest = (tracker.tracked_lats, tracker.tracked_lons, tracker.tracked_msls, tracker.tracked_winds)
    return Eye(*(float(each[-1]) for each in latest))


def track_value(outcome: Track, step: int, eyes: Eyes, clean: Eyes) -> float:
    """What an outcome reads in a step, from 0; NaN where the track is lost."""
    eye = eyes[outcome.start]
    if outcome.reads in ("pressure", "wind"):
        return getattr(eye, outcome.reads)
    other = clean[outcome.start] if outcome.reads == "shift" else Eye(*outcome.truth[step])
    return float(great_circle_km(eye.lat, eye.lon, other.lat, other.lon))


def track_rounding(outcome: Track, clean: float, lat: np.ndarray) -> float:
    """What no smaller effect can be told from: half a row of cells in km, as a low lies at a cell, or a rounding of the clean value."""
    if outcome.reads in ("pressure", "wind"):
        return 2.0**-24 * abs(clean)
    return float(np.deg2rad(np.abs(np.diff(lat)).max()) * RADIUS_M / 2000)
