"""What a day of labels must be made from, read off small records. Nothing heavy is imported here: jobs that only adopt need it."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aurorascope.config import Config
from aurorascope.config.calendar import day_snapshots
from aurorascope.config.stages import stage_digest
from aurorascope.errors import UserError
from aurorascope.files import find_record, read_record
from aurorascope.labels.own_files import own_digests, own_folder
from aurorascope.records import KINDS


@dataclass(frozen=True)
class MadeFrom:
    """What a day's labels were made from.

    Attributes:
        states: digest of each state that was read, by time, those 12 hours before included (`cams_day` records have them).
        static: digest of the static fields (`content_sha256` of their record).
        reference: digest of the reference.
        own: sha256 of the user's files by name.
        config: digest of the settings of the stage `label_day`.
    """

    states: Mapping[str, str]
    static: str
    reference: str
    own: Mapping[str, str] = dataclasses.field(default_factory=dict)
    config: str = ""

    def entries(self) -> dict[str, Any]:
        """The entries of a record that say it, which whoever looks for a day made from the same compares."""
        made_from = {"states": dict(self.states), "static": self.static, "reference": self.reference, "own": dict(self.own)}
        return {"config_sha256": self.config, "made_from": made_from}


def made_from(config: Config, date: str, results: Path) -> MadeFrom:
    """What the labels of a date are to be made from.

    Args:
        config: the configuration.
        date: `YYYY-MM-DD`, a date with snapshots.
        results: the results folder.

    Raises:
        UserError: the date has no snapshot, or a record of a day, the static fields or the reference is missing or lacks an entry.
    """
    found = day_snapshots(config.cams)
    if date not in found:
        days = f"a date with a configured snapshot ({min(found)} … {max(found)})"
        raise UserError(f"date {date}", days, "none on that date", "add the date to cams.train or cams.held_out")
    times = sorted({time for snapshot in found[date] for time in (snapshot.previous, snapshot.time)})
    reference, folder = KINDS["label_reference"].read(results), own_folder(config)
    expected, made_with = stage_digest(config, "label_reference"), reference.get("config_sha256")
    if made_with != expected:
        path = KINDS["label_reference"].where(results)
        raise UserError.stale(path, f"a reference of the present settings, {expected[:12]}", f"one of {str(made_with)[:12]}")
    return MadeFrom(
        states={time: _state(results, time) for time in times},
        static=KINDS["static"].read(results)["content_sha256"],
        reference=reference["content_sha256"],
        own={} if folder is None else own_digests(folder, date),
        config=stage_digest(config, "label_day"),
    )


def _state(results: Path, time: str) -> str:
    path = KINDS["cams_day"].where(results, day=time[:10])
    states = read_record(path, "cams_day")["states"]
    if time not in states:
        raise UserError.stale(path, f"the state {time}", ", ".join(sorted(states)) or "none")
    return states[time]


def is_made(record: Path, claim: Mapping[str, Any]) -> bool:
    """Whether the record of a day is there and says that it was made from what a claim (`MadeFrom.entries`) asks for."""
    content = find_record(record, KINDS["labels"].name)
    return content is not None and {key: content.get(key) for key in claim} == dict(claim)
