"""Labels and input variables on the tokens of blocks, read once for all blocks that share a grid of tokens."""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from aurorascope.atlas.baselines import Variables
from aurorascope.atlas.evaluate import PlaneBaselines
from aurorascope.atlas.nulls import rotations
from aurorascope.atlas.plane import Plane, mean_field
from aurorascope.atlas.token_labels import GridLabels, TokenLabels
from aurorascope.blocks import BY_ID
from aurorascope.cams.states import load_state, open_states
from aurorascope.cams.variables import ATMOS, SURFACE
from aurorascope.config.calendar import snapshots
from aurorascope.config.model import Config
from aurorascope.errors import UserError
from aurorascope.files import read_record
from aurorascope.labels.all import LABELS
from aurorascope.labels.read import LabelDay, read_day
from aurorascope.measures.atlas.settings import settings_of
from aurorascope.records import KINDS
from aurorascope.sphere import cell_areas
from aurorascope.tokens import TokenGrid, token_grid

# Where there is no such level, the nearest that there is.
_LEVELS = (850, 500, 250)


class Planes:
    """Labels and variables of the configured dates, by grid of tokens.

    Args:
        config: the configuration.
        results: the results folder, with days of states and labels.
        folder: for scratch files, which end with the process.
        block_ids: blocks whose grids will be asked for; every date is read once for all of them.

    Attributes:
        lat: degrees north, (rows,), of the states.
        lon: degrees east, (columns,).
        kinds: kind of each label by its id, in the order of the labels.
    """

    def __init__(self, config: Config, results: Path, folder: Path, block_ids: Sequence[str]) -> None:
        self._results, self._folder, self._settings = results, folder, settings_of(config)
        split = read_record(KINDS["states"].where(results, split="held_out"), "states")
        self.lat, self.lon = (np.asarray(split[axis], np.float64) for axis in ("latitude", "longitude"))
        self._times = {name: [s.time for s in snapshots(config.cams, name)] for name in ("train", "held_out")}
        first = self._day(self._times["train"][0][:10])
        self.kinds = {name: str(first.record["labels"][name]["kind"]) for name in first.labels}
        self._grids = {grid.shape: grid for grid in map(self.grid, block_ids)}
        self._made: dict[tuple[int, ...], tuple[dict[str, TokenLabels], PlaneBaselines]] = {}

    def grid(self, block_id: str) -> TokenGrid:
        """Grid of a block's tokens over the states' cells."""
        return token_grid(BY_ID[block_id], self.lat, self.lon)

    def of(self, grid: TokenGrid) -> tuple[dict[str, TokenLabels], PlaneBaselines]:
        """Labels of each split, and what competes with features on the training times, on the tokens of a grid.

        Raises:
            UserError: labels or states are missing or damaged, or labels of one date are others, or lie on another grid.
        """
        if not self._made:
            planes = {shape: Plane.of(each, cell_areas(self.lat, len(self.lon))) for shape, each in self._grids.items()}
            labels = {split: self._labels(list(planes.values()), split) for split in self._times}
            variables = self._variables(list(planes.values()))
            for place, shape in enumerate(planes):
                on_plane = PlaneBaselines(variables[place], self._folder)
                self._made[shape] = {split: found[place] for split, found in labels.items()}, on_plane
        return self._made[grid.shape]

    def _labels(self, planes: Sequence[Plane], split: str) -> list[TokenLabels]:
        """Labels of a split, on each plane."""
        lines = [name for name, definition in LABELS.items() if "line_km" in definition.thresholds]
        found = []
        for plane in planes:
            turns = rotations(plane, self._settings)
            # Nulls are of the training dates.
            shifts = (*turns.shifts, *turns.held_out) if split == "train" else ()
            found.append(TokenLabels(list(self.kinds), plane, self._times[split], self._folder, lines, shifts))
        for date, times in itertools.groupby(self._times[split], key=lambda time: time[:10]):
            day = self._day(date)
            for time in times:
                labels = GridLabels(*day.read_all(time))
                for each in found:
                    each.add(labels)
        return found

    def _day(self, date: str) -> LabelDay:
        """A day's labels, compared with the states and with the first day."""
        day = read_day(KINDS["labels"].where(self._results, day=date).parent, date)
        for axis, mine, its in (("latitude", self.lat, day.lat), ("longitude", self.lon, day.lon)):
            if not np.array_equal(mine, its):
                raise UserError.stale(day.path, f"labels on the states' {len(mine)} of {axis}", f"on {len(its)}, or others")
        if hasattr(self, "kinds") and day.labels != tuple(self.kinds):
            strange = sorted(set(day.labels) ^ set(self.kinds))
            raise UserError.stale(day.path, f"the {len(self.kinds)} labels of the first date", f"others: {', '.join(strange)[:200]}")
        return day

    def _variables(self, planes: Sequence[Plane]) -> list[Variables]:
        """Input variables of the training times, on each plane."""
        first = load_state(self._results / "scratch" / "cams", self._times["train"][0])
        there = [int(level) for level in first["level"].values]
        levels = sorted({min(there, key=lambda level, wanted=wanted: abs(level - wanted)) for wanted in _LEVELS}, reverse=True)
        names = [f"{v.netcdf} ({v.units})" for v in SURFACE]
        names += [f"{v.netcdf} at {level} hPa ({v.units})" for v in ATMOS for level in levels]
        found = [np.empty((len(self._times["train"]), len(names), plane.n), np.float32) for plane in planes]
        at = 0
        # A day is opened once for all its times.
        for _, times in itertools.groupby(self._times["train"], key=lambda time: time[:10]):
            for fields_vyx in self._fields(list(times), levels):
                for values_tvp, plane in zip(found, planes, strict=True):
                    values_tvp[at] = mean_field(fields_vyx, plane)
                at += 1
        return [Variables(names, each) for each in found]

    def _fields(self, times: Sequence[str], levels: Sequence[int]) -> Iterator[np.ndarray]:
        """Variables of each of some times, (variables, rows, columns), in the order of their names."""
        states = open_states(self._results / "scratch" / "cams", times)
        place = [int(np.flatnonzero(states["level"].values == level)[0]) for level in levels]
        for at in range(len(times)):
            surface = [states[variable.netcdf].values[at] for variable in SURFACE]
            atmos = [states[variable.netcdf].values[at, each] for variable in ATMOS for each in place]
            yield np.stack([*surface, *atmos])
