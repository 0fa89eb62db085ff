"""Read a study that has run: its record, and the files beside it after a comparison with the digests that the record names.

The record's own words and numbers are judged again from its table of effects.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from aurorascope.blocks import BY_ID
from aurorascope.records import KINDS
from aurorascope.studies.judged import check_judged
from aurorascope.studies.recorded import read_recorded
from aurorascope.studies.write import schema

KIND = KINDS["study"]
_TABLE = ".parquet"


@dataclass(frozen=True, eq=False)
class FinishedStudy:
    """A study's record and files.

    Attributes:
        name: of the study.
        folder: that the files lie in.
        record: as its schema says.
        tables: by name of the file without its ending; `effects` is among them.
        maps: `fields.nc`, variables on (date, latitude, longitude) float32.
    """

    name: str
    folder: Path
    record: Mapping[str, Any]
    tables: Mapping[str, pd.DataFrame]
    maps: xr.Dataset

    @property
    def asked(self) -> Mapping[str, Any]:
        """The keys of the study's file."""
        return self.record["asked"]

    @property
    def changes_inputs(self) -> bool:
        """Whether inputs were changed, and no features edited."""
        return "perturb" in self.asked

    @property
    def blocks(self) -> list[str]:
        """Ids of the blocks that are edited, or whose responses were wanted, in forward order."""
        found = self.record.get("blocks", []) if self.changes_inputs else [self.record["block"]]
        return sorted(found, key=lambda block: BY_ID[block].depth_index)

    @property
    def outcomes(self) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
        """What was asked of each outcome and what came of it, in the order of the file."""
        return [(asked, self.record["outcomes"][str(asked["name"])]) for asked in self.asked["outcomes"]]

    def asked_of(self, outcome: str) -> Mapping[str, Any]:
        """What was asked of an outcome, by its name."""
        return next(asked for asked, _ in self.outcomes if str(asked["name"]) == outcome)

    @property
    def steps(self) -> int:
        """Forecast steps; words and maps are about the last."""
        return int(self.asked.get("steps") or 1)

    def effects_of(self, outcome: str) -> pd.DataFrame:
        """Mean effect over dates of each arm on an outcome at the last step: arm, kind, number, dose, effect; NaN where one diverged."""
        effects = self.tables["effects"]
        rows = effects[(effects.outcome == outcome) & (effects.step == self.steps)]
        found = [
            {"arm": arm, "kind": part.kind.iloc[0], "number": int(part.number.iloc[0]), "dose": float(part.dose.iloc[0]),
             # As the verdict sums, so that the same number comes out.
             "effect": float(part.effect.to_numpy(np.float64).sum() / len(part))}
            for arm, part in rows.groupby("arm", sort=False)
        ]
        return pd.DataFrame(found)

    def fields(self) -> Iterator[tuple[str, dict[str, xr.DataArray]]]:
        """Each field that was mapped, and its maps by part, total first; of a study without parts there is `total` alone."""
        parts = ("total", "carry", "backbone")
        names = [str(name) for name in self.maps.data_vars]
        for name in names:
            if name.startswith("total_"):
                found = {part: f"{part}_{name.removeprefix('total_')}" for part in parts}
                yield name.removeprefix("total_"), {part: self.maps[each] for part, each in found.items() if each in names}
            elif name.partition("_")[0] not in parts:
                yield name, {"total": self.maps[name]}


def read_finished(results: Path, name: str) -> FinishedStudy:
    """A study's record, tables and maps.

    Args:
        results: the results folder.
        name: of the study.

    Raises:
        UserError: the record is missing, damaged or of another form, a file is not what it says, or the record says other than its
            effects do.
    """
    path, record, files = read_recorded(KIND, schema(), results, study=name)
    tables = {file.stem: pd.read_parquet(file) for file in files if file.suffix == _TABLE}
    check_judged(path, record, tables["effects"])
    with xr.open_dataset(path.with_name("fields.nc"), engine="scipy") as maps:
        return FinishedStudy(name, path.parent, record, tables, maps.load())
