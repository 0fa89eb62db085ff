"""Clean forecasts, kept for other studies of the same dates: what an edit is compared with does not depend on the edit."""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aurora import Batch

from aurorascope.config.calendar import STEP, iso
from aurorascope.files import sha256_file, sha256_json, write_bytes, write_json
from aurorascope.studies.kept import KeptForecast

_LOG = logging.getLogger(__name__)


class CleanRuns:
    """Forecasts of one model from some states, by date in a folder under a digest of all that their numbers depend on, a file a step.

    What is read back has the bits of what was computed. Only the first run of a date is shared: the second, which says how far two
    runs differ, is always computed.

    Args:
        folder: of all; it need not be there.
        made_from: what all forecasts depend on: digests of checkpoint and static fields, settings, device.
        states: digest of each state, by its time `YYYY-MM-DDTHH:00:00Z`.
    """

    def __init__(self, folder: Path, made_from: Mapping[str, Any], states: Mapping[str, str]) -> None:
        self._folder, self._made_from, self._states = folder, dict(made_from), dict(states)

    def find(self, batch: Batch, steps: int) -> list[KeptForecast] | None:
        """The clean forecasts of the first so many steps from a batch; None where one is not there, or damaged."""
        found = [_read(self._note(batch, step)) for step in range(steps)]
        return None if any(each is None for each in found) else [each for each in found if each is not None]

    def keep(self, batch: Batch, forecasts: Sequence[KeptForecast]) -> None:
        """Copy the clean forecasts from a batch, from the first step on, each whole or not at all.

        Raises:
            DiskError: the disk is full or read-only.
        """
        for step, forecast in enumerate(forecasts):
            note = self._note(batch, step)
            write_bytes(_file(note), forecast.path.read_bytes())
            # Written last: without it the forecast is not there.
            write_json(note, {"fields": [list(field) for field in forecast.fields], "sha256": sha256_file(_file(note))})

    def _note(self, batch: Batch, step: int) -> Path:
        time = batch.metadata.time[0]
        states = [self._states[iso(each)] for each in (time - STEP, time)]
        digest = sha256_json({"made_from": self._made_from, "states": states, "time": iso(time)})
        return self._folder / digest / f"{step}.json"


def _file(note: Path) -> Path:
    return note.with_suffix(".safetensors")


def _read(note: Path) -> KeptForecast | None:
    if not note.is_file():
        return None
    try:
        content = json.loads(note.read_text())
        if sha256_file(_file(note)) != content["sha256"]:
            raise ValueError("other bytes than it was written with")
        return KeptForecast(_file(note), tuple((name, level) for name, level in content["fields"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        _LOG.warning("%s: damaged (%s); the clean run is made again.", _file(note), error)
        return None
