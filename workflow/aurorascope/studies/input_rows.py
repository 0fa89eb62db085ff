"""What was measured of an arm of a study of changed inputs as plain rows and arrays, to keep and read again, and the way back."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from aurorascope.perturbations.responses import Response
from aurorascope.studies.input_measure import InputMeasured


def pack(measured: InputMeasured) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Rows that JSON holds, but for numbers that are not finite, and arrays by name."""
    maps = [(part, field) for part, fields in measured.maps.items() for field in fields]
    rows = {
        "date": measured.date, "effects": measured.effects, "reach": measured.reach, "rings": measured.rings,
        "maps": [[part, *field] for part, field in maps], "parts": list(measured.maps),
        "responses": [[block, each.time, list(each.regions)] for block, each in measured.responses.items()],
    }
    arrays = {f"map_{at}": measured.maps[part][field] for at, (part, field) in enumerate(maps)}
    for at, each in enumerate(measured.responses.values()):
        arrays |= {f"clean_{at}": each.clean_rlf, f"change_{at}": each.change_rlf}
    return rows, arrays


def unpack(rows: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> InputMeasured:
    """What `pack` was given, to the bit."""
    maps: dict[str, dict] = {part: {} for part in rows["parts"]}
    for at, (part, name, level) in enumerate(rows["maps"]):
        maps[part][name, level] = arrays[f"map_{at}"]
    responses = {
        block: Response(time, tuple(regions), arrays[f"clean_{at}"], arrays[f"change_{at}"])
        for at, (block, time, regions) in enumerate(rows["responses"])
    }
    return InputMeasured(rows["date"], rows["effects"], responses, maps, rows["reach"], rows["rings"])
