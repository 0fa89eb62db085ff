"""The files of one day from the demo, from a folder of the user's, or from the Atmosphere Data Store."""

import datetime
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aurorascope.cams.request import ADS_URL, DATASET, day_request
from aurorascope.cams.source import check_zip
from aurorascope.errors import UserError
from aurorascope.files import disk_error

_ACCESS = f"https://ads.atmosphere.copernicus.eu/datasets/{DATASET}?tab=download#manage-licences"
_KEY_HELP = f"put the two lines 'url: {ADS_URL}' and 'key: <your token>' into ~/.cdsapirc"


def fetch_day(
    date: str,
    target_zip: Path,
    *,
    source: str,
    directory: Path | str | None,
    levels: Sequence[int],
    hours: Sequence[int],
    grid: tuple[int, int],
) -> Path:
    """Get the files of one day.

    Args:
        date: `YYYY-MM-DD`, UTC.
        target_zip: where the demo's or a downloaded zip goes; it appears there only when complete.
        source: "demo", "local" or "ads".
        directory: for "local", the folder of `<date>.zip` or `<date>/`.
        levels: hPa.
        hours: UTC.
        grid: rows and columns of the demo's grid.

    Returns:
        What to read: `target_zip`, or for "local" the user's own zip or folder, which is never changed.

    Raises:
        UserError: the day is not there, or could not be downloaded; the message never holds the key.
    """
    if source == "local":
        return _find_local(date, Path(str(directory)))
    if source == "demo":
        from aurorascope.cams.demo import write_demo_day
        from aurorascope.cams.grid import regular_grid

        write_demo_day(date, hours, *regular_grid(*grid), levels, target_zip)
    elif source == "ads":
        _download(date, target_zip, day_request(date, levels, hours))
    else:
        raise UserError("config key cams.source", "demo, local or ads", source, "correct it")
    return target_zip


def _find_local(date: str, directory: Path) -> Path:
    for path in (directory / f"{date}.zip", directory / date):
        if path.exists():
            return path
    if not directory.is_dir():
        raise UserError(directory, "the folder of CAMS days", "no such folder", "correct cams.directory in your config")
    pattern = re.compile(r"\d{4}-\d{2}-\d{2}(\.zip)?")
    days = {path.name[:10] for path in directory.iterdir() if pattern.fullmatch(path.name)}
    near = sorted(days, key=lambda day: (abs(_number(day) - _number(date)), day))[:3]
    found = f"neither (nearest: {', '.join(near)})" if near else "neither, nor any other day"
    raise UserError(
        directory, f"{date}.zip or a folder {date}", found, "put that day there, or list it in cams.missing_dates"
    )


def _number(day: str) -> int:
    try:
        return datetime.date.fromisoformat(day).toordinal()
    except ValueError:
        return 0


def _access() -> dict[str, str]:
    """The url and key as cdsapi finds them: from the environment, then from its rc file."""
    environment = {"url": os.environ.get("CDSAPI_URL"), "key": os.environ.get("CDSAPI_KEY")}
    found = {name: value for name, value in environment.items() if value is not None}
    try:
        lines = Path(os.environ.get("CDSAPI_RC", Path.home() / ".cdsapirc")).read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    for line in lines:
        name, colon, value = line.strip().partition(":")
        if colon and name in ("url", "key"):
            found.setdefault(name, value.strip())
    return found


def _server(access: dict[str, str]) -> str:
    """The address to talk to.

    Raises:
        UserError: the address or key belongs to another or an older service, which answers with a bare 404.
    """
    url = access.get("url", ADS_URL)
    if "cds.climate.copernicus.eu" in url or re.search(r"/v2/?$", url):
        raise UserError("the url in ~/.cdsapirc or CDSAPI_URL", ADS_URL, url, _KEY_HELP)
    if ":" in access.get("key", ""):
        raise UserError("the key in ~/.cdsapirc or CDSAPI_KEY", "a personal access token", "an old UID:key", _KEY_HELP)
    return url.rstrip("/")


def _download(date: str, target: Path, request: dict[str, Any]) -> None:
    access = _access()
    url = _server(access)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".work", dir=target.parent))
    except OSError as error:
        raise disk_error(target, error) from error
    part = work / target.name
    try:
        import cdsapi

        client = cdsapi.Client(url=url, quiet=True, progress=False)
        client.retrieve(DATASET, request, str(part))
        check_zip(part, f"the download of {date}")
        os.replace(part, target)
    except UserError:
        raise
    # Whatever the client and its transport raise; its own text is kept, less the key.
    except Exception as error:
        raise _ads_error(date, error, access.get("key")) from None
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _ads_error(date: str, error: Exception, key: str | None) -> UserError:
    """One line for a failed download, which never holds the key."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    if key:
        text = text.replace(key, "<key>")
    status = getattr(getattr(error, "response", None), "status_code", None)
    if "configuration file" in text:
        fix = _KEY_HELP
    elif status == 401:
        fix = f"correct the key: {_KEY_HELP}"
    elif status == 403:
        fix = f"accept the licence at {_ACCESS}"
    else:
        fix = "run the same command again later; if it stays so, check the date and https://ads.atmosphere.copernicus.eu"
    return UserError(f"the download of {date} from the Atmosphere Data Store", "a zip of that day", text[:600], fix)
