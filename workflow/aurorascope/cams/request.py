"""The request for one day, in one canonical form.

The Atmosphere Data Store answers a request that it has seen before from its cache, and two spellings of the same day
count as two requests. So every list here has a fixed order, whatever order the caller has.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from aurorascope.cams.variables import ATMOS, SURFACE

DATASET = "cams-global-atmospheric-composition-forecasts"
ADS_URL = "https://ads.atmosphere.copernicus.eu/api"


def day_request(date: str, levels: Sequence[int], hours: Sequence[int]) -> dict[str, Any]:
    """The canonical request for one day's analyses.

    No `area` and no `grid`: either makes the server move longitudes to -180..180 or interpolate.

    Args:
        date: `YYYY-MM-DD`, UTC.
        levels: pressure levels, hPa, in any order.
        hours: hours of the analyses, UTC, in any order.

    Returns:
        All 22 variables, levels and hours ascending and each once.
    """
    return {
        "type": ["forecast"],
        "leadtime_hour": ["0"],
        "variable": [variable.request for variable in SURFACE + ATMOS],
        "pressure_level": [str(level) for level in sorted(set(levels))],
        "date": [f"{date}/{date}"],
        "time": [f"{hour:02d}:00" for hour in sorted(set(hours))],
        "data_format": "netcdf_zip",
    }


def request_sha256(request: dict[str, Any]) -> str:
    """Hex sha256 of the dataset's name and the request's canonical JSON."""
    text = json.dumps({"dataset": DATASET, "request": request}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
