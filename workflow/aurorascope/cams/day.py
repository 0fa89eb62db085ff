"""One day from its source to its record, which is small, of content alone, and written last.

What reads and writes fields is imported where it is needed: xarray takes a second, and a download that is refused, or
still in the store's queue, needs none of it.
"""

import logging
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aurorascope.cams.ads.fetch import AdsDay
from aurorascope.cams.request import day_request, request_sha256
from aurorascope.config.model import Cams
from aurorascope.errors import DiskError, UserError
from aurorascope.files import find_record, sha256_file, write_json
from aurorascope.locks import folder_lock
from aurorascope.notices import shortened, tell

if TYPE_CHECKING:
    import xarray as xr

    from aurorascope.cams.validate import Day

_LOG = logging.getLogger(__name__)


def make_day(date: str, record: Path, cams: Cams, hours: Sequence[int], attempt: int = 1) -> None:
    """Fetch, check and store one day; its record comes last.

    Beside the record appear `<date>.zarr` and, but for "local", `<date>.zip`; for "demo" also `<date>.truth.nc`, what its
    atmosphere was made of, for "ads" `<date>.download.json`, which
    says where the zip came from, and for "local" `<date>.source.json`, which says what it was read from. Doing it again
    gives the same record.

    Args:
        date: `YYYY-MM-DD`, UTC.
        record: the record's path, `<date>.json`.
        cams: the source and its options.
        hours: hours of the states that are needed, UTC.
        attempt: which try within one run of the workflow this is, from 1.

    Raises:
        UserError: the day cannot be had or is not what Aurora needs. A download with wrong contents is kept as
            `<date>.rejected.zip`.
    """
    record = Path(record)
    work = record.with_name(f".{date}.work")
    with folder_lock(work):
        _clean(record.parent, date)
        try:
            make = {"demo": _demo_day, "local": _local_day, "ads": _ads_day}[cams.source]
            day, states = make(date, record, cams, sorted(hours), attempt)
            content = {"kind": "cams_day", "format": 1, "date": date, "source": cams.source, "states": states}
            # Only where there is something to say, so that a day as Aurora has it is recorded as ever.
            read_as = {"read_as": [*day.said, *day.doubts]} if day.said or day.doubts else {}
            write_json(record, content | _axes(day.states) | read_as)
            _tell(date, day)
            record.with_name(f"{date}.rejected.zip").unlink(missing_ok=True)
            (work / "job.json").unlink(missing_ok=True)
        finally:
            # With a job at the data store, what is known of it stays for the next run.
            if not (work / "job.json").exists():
                shutil.rmtree(work, ignore_errors=True)


def _tell(date: str, day: "Day") -> None:
    """What a user should know of a day that was taken."""
    lines = [f"{date}: {line}." for line in day.doubts]
    if day.unusual:
        n = len(day.unusual)
        lines.append(
            f"{date}: {n} field{'s' if n > 1 else ''} with values that are unusual or all the same, which a large plume, or "
            "wrong units, may be the cause of: "
            + "; ".join(shortened(day.unusual, "in the log", 3))
        )
    tell(lines)


def _demo_day(date: str, record: Path, cams: Cams, hours: list[int], attempt: int) -> "tuple[Day, dict[str, str]]":
    from aurorascope.cams.demo import times_of, write_demo_day
    from aurorascope.cams.demo_truth import write_truth
    from aurorascope.cams.grid import regular_grid
    from aurorascope.cams.states import write_states
    from aurorascope.cams.validate import read_day

    target = record.with_name(f"{date}.zip")
    # The proof of an earlier download beside a demo zip would pass the demo off as the real thing.
    record.with_name(f"{date}.download.json").unlink(missing_ok=True)
    grid = regular_grid(*cams.demo_grid)
    write_demo_day(date, hours, *grid, cams.levels, target)
    write_truth(record.with_name(f"{date}.truth.nc"), times_of(date, hours), *grid)
    day = read_day(target, date, hours, cams.levels, work=record.with_name(f".{date}.work"))
    return day, write_states(day.states, record.with_name(f"{date}.zarr"))


def _local_day(date: str, record: Path, cams: Cams, hours: list[int], attempt: int) -> "tuple[Day, dict[str, str]]":
    from aurorascope.cams.local.day import read_local, write_sources
    from aurorascope.cams.states import write_states

    day, sources = read_local(date, hours, cams, record.parent / "local", record.with_name(f".{date}.work"))
    states = write_states(day.states, record.with_name(f"{date}.zarr"))
    write_sources(date, record.parent, sources)
    return day, states


def _ads_day(date: str, record: Path, cams: Cams, hours: list[int], attempt: int) -> "tuple[Day, dict[str, str]]":
    request = day_request(date, cams.levels, hours)
    target, proof = (record.with_name(f"{date}.{end}") for end in ("zip", "download.json"))
    day = _downloaded_before(target, proof, date, hours, cams.levels)
    if day is not None:
        from aurorascope.cams.states import write_states

        return day, write_states(day.states, record.with_name(f"{date}.zarr"))
    ads = AdsDay(date, record.parent, request, cams.ads, attempt)
    origin = ads.fetch(_earlier_job(proof, request))
    day, states = _checked(ads, record.with_name(f"{date}.zarr"), hours, cams)
    write_json(proof, {"kind": "download", "source": "ads"} | origin)
    if cams.keep_zips:
        os.replace(ads.zip, target)
    else:
        target.unlink(missing_ok=True)
    return day, states


def _checked(ads: AdsDay, store: Path, hours: list[int], cams: Cams) -> "tuple[Day, dict[str, str]]":
    """The downloaded day in its store, whose zip is not needed from here on."""
    from aurorascope.cams.states import verify_states, write_states
    from aurorascope.cams.validate import read_day

    try:
        day = read_day(ads.zip, ads.date, hours, cams.levels, where=ads.where, work=ads.work)
    except DiskError:
        raise
    except UserError as error:
        raise ads.reject(error) from None
    states = write_states(day.states, store)
    if not cams.keep_zips:
        verify_states(store, states)
    return day, states


def _clean(folder: Path, date: str) -> None:
    """Remove what a killed job left behind: hidden names of this day, but for what is known of its download."""
    for pattern in (f".{date}.zip.*", f".{date}.zarr.*", f".{date}.json.*", f".{date}.download.json.*", f".{date}.source.json.*"):
        for path in folder.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _earlier_job(path: Path, request: dict[str, Any]) -> str | None:
    """The job that gave this request's result before: while the data store keeps it, nothing new need be asked for."""
    proof = find_record(path, "download")
    return proof.get("job") if proof and proof.get("request_sha256") == request_sha256(request) else None


def _downloaded_before(
    target: Path, path: Path, date: str, hours: Sequence[int], levels: Sequence[int]
) -> "Day | None":
    """The day from a zip that an earlier run finished downloading, if it still is what is wanted.

    Without its proof a zip may be another source's, the demo's say, which looks the same.
    """
    proof = find_record(path, "download")
    if proof is None or not target.is_file() or proof["sha256"] != sha256_file(target):
        return None
    from aurorascope.cams.validate import read_day

    try:
        return read_day(target, date, hours, levels, work=target.with_name(f".{date}.work"))
    except UserError as error:
        _LOG.info("Downloading %s again, since the zip at hand does not do: %s", date, error.one_line())
        return None


def _axes(states: "xr.Dataset") -> dict[str, Any]:
    """Levels, and number and ends of latitudes and longitudes, for a record."""
    axes: dict[str, Any] = {"levels": states["level"].values.tolist()}
    for axis in ("latitude", "longitude"):
        values = states[axis].values
        axes[axis] = {"n": len(values), "first": float(values[0]), "last": float(values[-1])}
    return axes
