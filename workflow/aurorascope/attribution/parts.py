"""What a job has found so far, one block and date at a time, kept for a job that goes on."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aurorascope.attribution.checks import Checked
from aurorascope.attribution.projection import Projected
from aurorascope.studies.kept_arms import KeptArms


@dataclass(frozen=True, eq=False)
class Effects:
    """What a pass found.

    Attributes:
        projected: effects.
        y: the clean y.
        floor: what one rounding of the forecast amounts to.
    """

    projected: Projected
    y: float
    floor: float


class _Packing:
    """Of effects and checks."""

    @staticmethod
    def pack(found: Effects | Checked) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        if isinstance(found, Checked):
            return {"at_mean": found.at_mean, "y": found.y, "floor": found.floor}, {"exact": found.exact_k}
        part = found.projected
        numbers = {"total": part.total, "n_tokens": part.n_tokens, "y": found.y, "floor": found.floor}
        return numbers, {"effect": part.effect_f, "n_active": part.n_active_f, "sum": part.sum_f}

    @staticmethod
    def unpack(rows: Mapping[str, Any], arrays: dict[str, np.ndarray]) -> Effects | Checked:
        if "at_mean" in rows:
            return Checked(arrays["exact"], rows["at_mean"], rows["y"], rows["floor"])
        part = Projected(arrays["effect"], rows["total"], arrays["n_active"], arrays["sum"], rows["n_tokens"])
        return Effects(part, rows["y"], rows["floor"])


class Parts:
    """The parts of one block.

    Args:
        folder: the block's own.
        digest: of all that they depend on; parts of another one are deleted.

    Attributes:
        effects: by date.
        checks: by date.
    """

    def __init__(self, folder: Path, digest: str) -> None:
        for path in folder.iterdir():
            if path.is_dir() and path.name != digest:
                shutil.rmtree(path)
        self._kept = KeptArms(folder / digest, _Packing())
        found = self._kept.read()
        self.effects: dict[str, Effects] = {date: part for (date, name), part in found.items() if name == "effects"}
        self.checks: dict[str, Checked] = {date: part for (date, name), part in found.items() if name == "checks"}

    def add_effects(self, date: str, part: Effects) -> None:
        """Keep a date's effects.

        Raises:
            DiskError: the disk is full or read-only.
        """
        self._kept.keep((date, "effects"), part)
        self.effects[date] = part

    def add_checks(self, date: str, part: Checked) -> None:
        """Keep a date's checks; raises as `add_effects`."""
        self._kept.keep((date, "checks"), part)
        self.checks[date] = part
