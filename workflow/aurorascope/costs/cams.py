"""CAMS days: requests, downloads, kept zips and the store of states.

Bytes follow from the raw size (142 fields a state, float32) and two ratios. For CAMS: one day of this request came as
a 228 MB zip against 461.1 MB raw, as a user reported; the same 2.0 is assumed for the store of states. For the demo,
whose fields are not packed: measured on its 46 x 90 grid.
"""

from collections.abc import Collection
from dataclasses import dataclass

from aurorascope.cams.variables import ATMOS, SURFACE
from aurorascope.config.calendar import day_hours
from aurorascope.config.model import Cams
from aurorascope.costs.need import Need

N_SURFACE, N_ATMOS = len(SURFACE), len(ATMOS)
_ZIP_RATIO = {"demo": 1.4, "ads": 461.1 / 228, "local": 461.1 / 228}
_STATES_RATIO = {"demo": 1.3, "ads": 2.0, "local": 2.0}
# A day's group: itself, its zarr.json, four axes of 4 inodes and the variables' folders with zarr.json and `c`.
_DAY_INODES = 2 + 4 * 4 + 3 * (N_SURFACE + N_ATMOS)
# A chunk of a state lies in as many folders as it has dimensions after the first, time's own among them.
_STATE_INODES = 3 * N_SURFACE + 4 * N_ATMOS
# What a day of the demo was made of, measured on grids of 19 x 36 to 91 x 180: bytes of a file, and of a cell of a state.
_TRUTH_FILE, _TRUTH_CELL = 65_000, 17
# Without `keep_zips` a zip goes once its states are verified. Two downloads run at a time, zip beside contents.
_IN_FLIGHT, _COPIES = 2, 2


@dataclass(frozen=True)
class CamsCost:
    """What days cost.

    Attributes:
        n_days: days.
        n_states: states of those days that snapshots use.
        requests: requests to the data store; 0 unless `cams.source` is "ads".
        raw: bytes of the states as plain float32.
        download: bytes to download; 0 unless `cams.source` is "ads".
        zips: room of the zips that stay, or of those in flight and what is unpacked of them.
        keeps_zips: whether they stay.
        states: room of the store of states and of what lies beside it.
    """

    n_days: int
    n_states: int
    requests: int
    raw: int
    download: int
    zips: Need
    keeps_zips: bool
    states: Need


def cams_cost(cams: Cams, grid: tuple[int, int], without: Collection[str] = ()) -> CamsCost:
    """What the configured days cost.

    Args:
        cams: the configuration's section.
        grid: rows and columns of the states.
        without: days that are there already, `YYYY-MM-DD`.

    Returns:
        The cost of the days that remain.
    """
    hours = {day: needed for day, needed in day_hours(cams).items() if day not in set(without)}
    n_days, n_states = len(hours), sum(map(len, hours.values()))
    # Plain float32, surface fields and those on each pressure level.
    raw = n_states * (N_SURFACE + N_ATMOS * len(cams.levels)) * grid[0] * grid[1] * 4
    is_ads, zipped = cams.source == "ads", round(raw / _ZIP_RATIO[cams.source])
    keeps_zips = cams.source == "demo" or (is_ads and cams.keep_zips)
    zips = Need(zipped, n_days) if keeps_zips else Need()
    if is_ads and not keeps_zips:
        zips = Need(round(zipped * min(1, _IN_FLIGHT * _COPIES / max(n_days, 1))))
    # A record; for ads the proof of the download, for the demo what the day was made of.
    is_demo = cams.source == "demo"
    records = 2 if is_ads or is_demo else 1
    truth = n_days * _TRUTH_FILE + n_states * grid[0] * grid[1] * _TRUTH_CELL if is_demo else 0
    return CamsCost(
        n_days=n_days,
        n_states=n_states,
        requests=n_days if is_ads else 0,
        raw=raw,
        download=zipped if is_ads else 0,
        zips=zips,
        keeps_zips=keeps_zips,
        states=Need(
            round(raw / _STATES_RATIO[cams.source]) + truth, n_days * (_DAY_INODES + records) + n_states * _STATE_INODES
        ),
    )
