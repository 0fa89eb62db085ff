"""One day from its source to its record, and the list of states that a split is made of.

The records are the only CAMS files that other rules depend on: small, of content alone, and written last.
"""

import logging
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from aurorascope.cams.download import fetch_day
from aurorascope.cams.states import write_states
from aurorascope.cams.validate import read_day
from aurorascope.errors import UserError
from aurorascope.files import read_record, sha256_file, write_json

_LOG = logging.getLogger(__name__)


def make_day(
    date: str,
    record: Path,
    *,
    source: str,
    directory: Path | str | None,
    levels: Sequence[int],
    hours: Sequence[int],
    grid: tuple[int, int],
) -> None:
    """Fetch, check and store one day; its record comes last.

    Beside the record appear `<date>.zip` (not for "local") and `<date>.zarr`. Doing it again gives the same record.

    Args:
        date: `YYYY-MM-DD`, UTC.
        record: the record's path, `<date>.json`.
        source: "demo", "local" or "ads".
        directory: for "local", the folder of the user's days.
        levels: hPa.
        hours: UTC.
        grid: rows and columns of the demo's grid.

    Raises:
        UserError: the day cannot be had or is not what Aurora needs. A download that fails the checks is kept as
            `<date>.rejected.zip`.
    """
    record = Path(record)
    target, store = record.with_name(f"{date}.zip"), record.with_name(f"{date}.zarr")
    _clean(record.parent, date)
    proof = record.with_name(f"{date}.download.json")
    day = _downloaded_before(target, proof, date, hours, levels) if source == "ads" else None
    if day is None:
        options: dict[str, Any] = {"source": source, "directory": directory, "levels": levels, "hours": hours}
        proof.unlink(missing_ok=True)
        files = fetch_day(date, target, **options, grid=grid)
        try:
            day = read_day(files, date, hours, levels)
        except UserError as error:
            if files == target:
                raise _reject(target, error) from None
            raise
        if source == "ads":
            write_json(proof, {"kind": "download", "source": source, "sha256": sha256_file(target)})
    states = write_states(day, store)
    write_json(record, {"kind": "cams_day", "format": 1, "date": date, "source": source, "states": states} | _axes(day))
    record.with_name(f"{date}.rejected.zip").unlink(missing_ok=True)


def _clean(folder: Path, date: str) -> None:
    """Remove what a killed job left behind: hidden names of this day."""
    for pattern in (f".{date}.zip.*", f".{date}.zarr.*", f".{date}.json.*"):
        for path in folder.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _downloaded_before(
    target: Path, proof: Path, date: str, hours: Sequence[int], levels: Sequence[int]
) -> xr.Dataset | None:
    """The day from a zip that an earlier run finished downloading, if it still is what is wanted.

    Without its proof a zip may be another source's, the demo's say, which looks the same.
    """
    if not target.is_file() or not proof.is_file():
        return None
    try:
        if read_record(proof, "download")["sha256"] != sha256_file(target):
            return None
        return read_day(target, date, hours, levels)
    except UserError as error:
        _LOG.info("Downloading %s again, since the zip at hand does not do: %s", date, error.one_line())
        return None


def _reject(target: Path, error: UserError) -> UserError:
    """Take a bad zip out of the way, and say where it went."""
    rejected = target.with_name(f"{target.stem}.rejected.zip")
    os.replace(target, rejected)
    return UserError(error.where, error.expected, error.found, f"{error.fix} (the file is kept as {rejected})")


def _axes(day: xr.Dataset) -> dict[str, Any]:
    """Levels, and number and ends of latitudes and longitudes, for a record."""
    axes: dict[str, Any] = {"levels": day["level"].values.tolist()}
    for axis in ("latitude", "longitude"):
        values = day[axis].values
        axes[axis] = {"n": len(values), "first": float(values[0]), "last": float(values[-1])}
    return axes


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
                    f"remake the older of the two: rm -f <record> && snakemake <record> --cores 1, in {day_folder}",
                )
    states = {}
    for time in times:
        path, found = day_folder / f"{time[:10]}.json", days[time[:10]]["states"]
        if time not in found:
            fix = f"rm -f {path} && snakemake {path} --cores 1"
            raise UserError(path, f"the state {time}", ", ".join(sorted(found)), fix)
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
        fix = f"rm -f {record} && snakemake {record} --cores 1"
        raise UserError(path, f"the states that {record} stands for", "no such folder", fix)
    with xr.open_zarr(path, chunks=None) as store:
        return store["latitude"].values.tolist(), store["longitude"].values.tolist()
