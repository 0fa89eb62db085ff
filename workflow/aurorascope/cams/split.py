"""The list of states that a split is made of: the one CAMS file that later rules depend on."""

from collections.abc import Sequence
from pathlib import Path

import xarray as xr

from aurorascope.errors import UserError, remake
from aurorascope.files import read_record, write_json


def write_split(record: Path, day_folder: Path, snapshots: Sequence[dict[str, str]], split: str) -> None:
    """Write the list of a split's states with their digests, from the records of its days.

    Args:
        record: the split's record, `states/<split>.json`.
        day_folder: folder of the day records and groups.
        snapshots: time and previous time of each snapshot, `YYYY-MM-DDTHH:00:00Z`.
        split: "train" or "held_out".

    Raises:
        UserError: a day's record is missing or lacks a state, or two days differ in grid or levels.
    """
    times = sorted({snapshot[key] for snapshot in snapshots for key in ("previous", "time")})
    days = {date: read_record(day_folder / f"{date}.json", "cams_day") for date in sorted({t[:10] for t in times})}
    if not days:
        raise UserError(record, "at least one snapshot", "none", "add dates to this split")
    first = next(iter(days))
    for date, day in days.items():
        for key in ("levels", "latitude", "longitude"):
            if day[key] != days[first][key]:
                raise UserError(
                    day_folder / f"{date}.json", f"the same {key} as {first}.json, {days[first][key]}", str(day[key]),
                    f"remake the older of the two: {remake('<record>')}, in {day_folder}",
                )
    states = {}
    for time in times:
        path, found = day_folder / f"{time[:10]}.json", days[time[:10]]["states"]
        if time not in found:
            raise UserError.stale(path, f"the state {time}", ", ".join(sorted(found)))
        states[time] = {"day": time[:10], "sha256": found[time]}
    latitude, longitude = _full_axes(day_folder, first)
    write_json(
        record,
        {
            "kind": "states",
            "format": 1,
            "split": split,
            "snapshots": [{"time": s["time"], "previous": s["previous"]} for s in snapshots],
            "states": states,
            "levels": days[first]["levels"],
            "latitude": latitude,
            "longitude": longitude,
        },
    )


def _full_axes(day_folder: Path, date: str) -> tuple[list[float], list[float]]:
    path, record = day_folder / f"{date}.zarr", day_folder / f"{date}.json"
    if not path.is_dir():
        raise UserError.stale(path, f"the states that {record} stands for", "no such folder", record)
    with xr.open_zarr(path, chunks=None) as store:
        return store["latitude"].values.tolist(), store["longitude"].values.tolist()
