"""Arms that have run, each kept in a file of its own, so that a study that was killed goes on with the next one."""

import json
import logging
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from aurorascope.files import sha256_bytes, write_bytes
from aurorascope.studies.measure import Measured

_LOG = logging.getLogger(__name__)
_SUFFIX = ".safetensors"
Key = tuple[str, str]
"""Date and name of an arm."""


class KeptArms:
    """The arms of one study, in a folder that holds those of one digest alone.

    Numbers are kept exactly: in JSON as Python writes a float64, which reads back the same, and maps as float32.

    Args:
        folder: it need not be there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, key: Key, measured: Measured) -> None:
        """Write an arm, whole or not at all.

        Raises:
            DiskError: the disk is full or read-only.
        """
        date, name = key
        fields = list(measured.maps)
        maps = {str(at): measured.maps[field] for at, field in enumerate(fields)}
        text = json.dumps({"key": key, "date": measured.date, "effects": measured.effects, "fields": measured.fields, "maps": fields})
        digest = _digest(text, maps)
        write_bytes(self._folder / f"{date}_{name}{_SUFFIX}", save(maps, {"measured": text, "sha256": digest}))

    def read(self) -> dict[Key, Measured]:
        """All arms that are whole; of one that is not, the log says so, and it runs again."""
        found = {}
        for path in sorted(self._folder.glob(f"[!.]*{_SUFFIX}")):
            try:
                key, measured = _read(path)
            except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
                _LOG.warning("%s: damaged (%s); this arm runs again.", path, error)
                continue
            found[key] = measured
        return found


def _read(path: Path) -> tuple[Key, Measured]:
    with safe_open(path, "numpy") as file:
        notes, maps = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    text = notes["measured"]
    if _digest(text, maps) != notes["sha256"]:
        raise ValueError("other bytes than it was written with")
    kept = json.loads(text)
    fields = [(name, level) for name, level in kept["maps"]]
    of_fields = {field: maps[str(at)] for at, field in enumerate(fields)}
    return (kept["key"][0], kept["key"][1]), Measured(kept["date"], kept["effects"], kept["fields"], of_fields)


def _digest(text: str, maps: dict) -> str:
    names = sorted(maps, key=int)
    return sha256_bytes(text.encode() + b"".join(maps[name].tobytes() for name in names))
