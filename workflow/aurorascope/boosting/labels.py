"""Which tokens of a store's snapshots are under a label."""

import functools
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aurorascope.atlas.parts import ON, parts_of
from aurorascope.atlas.plane import Plane
from aurorascope.blocks import Block
from aurorascope.errors import UserError, nearest
from aurorascope.files import sha256_json
from aurorascope.labels.all import LABELS
from aurorascope.labels.read import LabelDay, read_day
from aurorascope.records import KINDS
from aurorascope.sphere import cell_areas
from aurorascope.tokens import token_grid


class TokenMasks:
    """One label on the tokens of a block, by the atlas's rule: half of a token's area or more, of a line any of it.

    Args:
        results: the results folder, with days of labels.
        block: the block.
        label: the label.
        split: the split whose snapshots are asked for; its record has the grid.
        times: of the snapshots, ascending.

    Attributes:
        mask_sp: (times, tokens of a latent level) bool, once `read`.
        sha256: over the label's digests at these times, which records of the days have.

    Raises:
        UserError: a day's labels are missing, or lack the label or a time.
    """

    def __init__(self, results: Path, block: Block, label: str, split: str, times: Sequence[str]) -> None:
        self._results, self._label, self._times = results, label, tuple(times)
        states = KINDS["states"].read(results, split=split)
        self._lat, self._lon = (np.asarray(states[axis], np.float64) for axis in ("latitude", "longitude"))
        self._plane = Plane.of(token_grid(block, self._lat, self._lon), cell_areas(self._lat, len(self._lon)))
        records = {date: KINDS["labels"].read(results, day=date) for date in sorted({time[:10] for time in times})}
        self.sha256 = sha256_json([[time, self._digest(time, records[time[:10]])] for time in times])

    @functools.cached_property
    def mask_sp(self) -> np.ndarray:
        """See the class; labels are read, and compared with their digests, when this is asked for first.

        Raises:
            UserError: labels are damaged, or lie on another grid than the states.
        """
        found = []
        for date, times in itertools.groupby(self._times, key=lambda time: time[:10]):
            day = self._day(date)
            found += [self._mask(day, time) for time in times]
        return np.stack(found)

    @property
    def n_under(self) -> int:
        """Tokens under the label, over all times and latent levels."""
        return int(self.mask_sp.sum()) * self._plane.n_levels

    def check_some(self, what: str) -> None:
        """Refuse a label that no token of these times is under.

        Raises:
            UserError: with how many tokens there are.
        """
        if not self.n_under:
            n = self.mask_sp.size * self._plane.n_levels
            raise UserError(
                "config key sae.boost.label", f"a label that some {what} token is under", f"{self._label}, over none of {n:,} tokens",
                "take another label or other dates, or set sae.boost.label: null",
            )

    def _mask(self, day: LabelDay, time: str) -> np.ndarray:
        mask_yx, object_yx, _ = day.read(self._label, time)
        is_line = self._label in LABELS and "line_km" in LABELS[self._label].thresholds
        parts = parts_of(mask_yx[None], object_yx[None], self._plane, self._plane.col_of_cells(), [is_line])[0]
        under_p = np.zeros(self._plane.n, bool)
        under_p[parts.token[parts.kind == ON]] = True
        return under_p

    def _day(self, date: str) -> LabelDay:
        day = read_day(KINDS["labels"].where(self._results, day=date).parent, date)
        for axis, mine, its in (("latitude", self._lat, day.lat), ("longitude", self._lon, day.lon)):
            if not np.array_equal(mine, its):
                raise UserError.stale(day.path, f"labels on the states' {len(mine)} of {axis}", f"on {len(its)}, or others")
        return day

    def _digest(self, time: str, record: Mapping[str, Any]) -> str:
        """Digest of the label at a time, from its day's record."""
        path, labels = KINDS["labels"].where(self._results, day=time[:10]), record["labels"]
        if self._label not in labels:
            expected = f"a label of {path}: {', '.join(labels)}"
            raise UserError("config key sae.boost.label", expected, repr(self._label), nearest(self._label, labels))
        if time not in labels[self._label]["sha256"]:
            raise UserError.stale(path, f"labels at {time}", ", ".join(sorted(labels[self._label]["sha256"])) or "none")
        return labels[self._label]["sha256"][time]
