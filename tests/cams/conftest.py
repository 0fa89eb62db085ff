import io
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import xarray as xr
from aurorascope.cams.demo import write_demo_day
from aurorascope.cams.grid import regular_grid
from aurorascope.cams.validate import read_day
from aurorascope.cams.variables import LEVELS

from tests.cams.ads_run import AdsRun
from tests.cams.ads_server import AdsServer
from tests.cams.made import DATE, make

HOURS = (0, 12)


@pytest.fixture(scope="session")
def grid():
    return regular_grid(19, 36)


@pytest.fixture(scope="session")
def demo_zip(tmp_path_factory, grid) -> Path:
    path = tmp_path_factory.mktemp("demo") / f"{DATE}.zip"
    write_demo_day(DATE, HOURS, *grid, LEVELS, path)
    return path


@pytest.fixture(scope="session")
def day(demo_zip) -> xr.Dataset:
    """The demo's day as it is read, to be copied before it is changed."""
    return read_day(demo_zip, DATE, HOURS, LEVELS).states


@pytest.fixture(scope="session")
def parts(demo_zip, tmp_path_factory) -> dict[str, xr.Dataset]:
    """The two members as datasets, to be spoilt by the tests."""
    folder = tmp_path_factory.mktemp("parts")
    zipfile.ZipFile(demo_zip).extractall(folder)
    return {name: xr.load_dataset(folder / name, decode_timedelta=True) for name in ("data_sfc.nc", "data_plev.nc")}


@pytest.fixture
def make_zip(parts, tmp_path) -> Callable[..., Path]:
    """A zip of the demo's members after a change to one of them, under the given member names."""

    def make(change=None, member="data_plev.nc", names=None, encoding=None, file_format="NETCDF4") -> Path:
        path = tmp_path / f"{DATE}.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name, part in parts.items():
                data = change(part.copy(deep=True)) if change and member in (name, "both") else part
                file = tmp_path / f"member-{name}"
                data.to_netcdf(file, format=file_format, encoding=(encoding or {}).get(name))
                archive.writestr((names or {}).get(name, name), file.read_bytes())
                file.unlink()
        return path

    return make


@pytest.fixture
def zip_of() -> Callable[[dict[str, bytes]], bytes]:
    def make(members: dict[str, bytes], compression=zipfile.ZIP_STORED) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", compression) as archive:
            for name, data in members.items():
                archive.writestr(zipfile.ZipInfo(name), data, compress_type=compression)
        return buffer.getvalue()

    return make


@pytest.fixture(scope="session")
def two_days(tmp_path_factory):
    """Folder with the finished days 2022-06-11 and 2022-06-12; not to be changed."""
    folder = tmp_path_factory.mktemp("cams")
    for date in (DATE, "2022-06-12"):
        make(date, folder)
    return folder


@pytest.fixture
def days(two_days, tmp_path):
    return Path(shutil.copytree(two_days, tmp_path / "cams"))


@pytest.fixture
def server():
    """A stand-in of the data store."""
    with AdsServer() as server:
        yield server


@pytest.fixture
def run(tmp_path, server):
    """A folder in which days are downloaded from the stand-in."""
    return AdsRun(tmp_path, server)
