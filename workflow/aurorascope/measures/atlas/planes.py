"""Labels and input variables on the tokens of blocks, read once for all blocks that share a grid of tokens."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from aurorascope.atlas.baselines import Variables
from aurorascope.atlas.evaluate import PlaneBaselines
from aurorascope.atlas.nulls import rotations
from aurorascope.atlas.token_labels import GridLabels, Plane, TokenLabels, mean_field
from aurorascope.cams.states import load_state
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
from aurorascope.tokens import TokenGrid

# Where there is no such level, the nearest that there is.
_LEVELS = (850, 500, 250)


class Planes:
    """Labels and variables of the configured dates, by grid of tokens.

    Args:
        config: the configuration.
        results: the results folder, with days of states and labels.
        folder: for scratch files, which end with the process.

    Attributes:
        lat: degrees north, (rows,), of the states.
        lon: degrees east, (columns,).
        kinds: kind of each label by its id, in the order of the labels.
    """

    def __init__(self, config: Config, results: Path, folder: Path) -> None:
        self._results, self._folder, self._settings = results, folder, settings_of(config)
        split = read_record(KINDS["states"].where(results, split="held_out"), "states")
        self.lat, self.lon = (np.asarray(split[axis], np.float64) for axis in ("latitude", "longitude"))
        self._times = {name: [s.time for s in snapshots(config.cams, name)] for name in ("train", "held_out")}
        first = self._day(self._times["train"][0][:10])
        self.kinds = {name: str(first.record["labels"][name]["kind"]) for name in first.labels}
        self._made: dict[tuple[int, ...], tuple[dict[str, TokenLabels], PlaneBaselines]] = {}

    def of(self, grid: TokenGrid) -> tuple[dict[str, TokenLabels], PlaneBaselines]:
        """Labels of each split, and what competes with features on the training times, on the tokens of a grid.

        Raises:
            UserError: labels or states are missing or damaged, or labels of one date are others, or lie on another grid.
        """
        if grid.shape not in self._made:
            plane = Plane.of(grid, cell_areas(self.lat, len(self.lon)))
            turns = rotations(plane, self._settings)
            shifts = {"train": (*turns.shifts, *turns.held_out), "held_out": ()}
            labels = {split: self._labels(plane, times, shifts[split]) for split, times in self._times.items()}
            self._made[grid.shape] = labels, PlaneBaselines(self._variables(plane), self._folder)
        return self._made[grid.shape]

    def _labels(self, plane: Plane, times: Sequence[str], shifts: Sequence[int]) -> TokenLabels:
        opened: dict[str, LabelDay] = {}

        def read(time: str) -> GridLabels:
            if time[:10] not in opened:
                opened.clear()
                opened[time[:10]] = self._day(time[:10])
            return GridLabels(*opened[time[:10]].read_all(time))

        lines = [name for name, definition in LABELS.items() if "line_km" in definition.thresholds]
        return TokenLabels(list(self.kinds), plane, times, read, self._folder, lines, shifts)

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

    def _variables(self, plane: Plane) -> Variables:
        first = load_state(self._results / "scratch" / "cams", self._times["train"][0])
        there = [int(level) for level in first["level"].values]
        levels = sorted({min(there, key=lambda level, wanted=wanted: abs(level - wanted)) for wanted in _LEVELS}, reverse=True)
        names = [f"{v.netcdf} ({v.units})" for v in SURFACE]
        names += [f"{v.netcdf} at {level} hPa ({v.units})" for v in ATMOS for level in levels]
        found = [np.stack(list(self._means(plane, time, levels))) for time in self._times["train"]]
        return Variables(names, np.stack(found))

    def _means(self, plane: Plane, time: str, levels: Sequence[int]) -> Iterator[np.ndarray]:
        state = load_state(self._results / "scratch" / "cams", time)
        for variable in SURFACE:
            yield mean_field(state[variable.netcdf].values, plane)
        for variable in ATMOS:
            for level in levels:
                yield mean_field(state[variable.netcdf].sel(level=level).values, plane)
