"""Static fields on axes as files have them become fields on the exact grid of the states."""

import json

import numpy as np
import pytest
import xarray as xr
from aurorascope.backbone.static import load_static, make_static
from aurorascope.config.model import Static
from aurorascope.errors import UserError

from tests.cams.made import cams

CAMS = cams()


def _from_west(data):
    return data.assign_coords(longitude=(data["longitude"] + 180) % 360 - 180).sortby("longitude")


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """Record of the demo's static fields."""
    record = tmp_path_factory.mktemp("static") / "static.json"
    make_static(Static("demo", None, None), CAMS, "", record)
    return record


@pytest.mark.parametrize("change", [
    lambda data: data.isel(latitude=slice(None, None, -1)), _from_west,
    lambda data: data.assign_coords(longitude=data["longitude"].astype("f4"), latitude=data["latitude"] + 1e-12),
])
def test_the_same_fields(plain, tmp_path, change, monkeypatch):
    """Turned or rounded axes give the same content; a variable in the path is expanded."""
    with xr.open_dataset(plain.with_name("static.nc"), engine="scipy") as data:
        change(data.load()).to_netcdf(tmp_path / "mine.nc", engine="netcdf4")
    monkeypatch.setenv("MINE", str(tmp_path))
    record = tmp_path / "static.json"
    make_static(Static("file", "$MINE/mine.nc", None), CAMS, "", record)
    found, expected = (json.loads(path.read_text()) for path in (record, plain))
    assert found["content_sha256"] == expected["content_sha256"] and found["longitude"] == expected["longitude"]
    theirs = load_static(plain)
    assert all(np.array_equal(field, theirs[name]) for name, field in load_static(record).items())


def test_a_part_of_the_globe_is_refused(plain, tmp_path):
    with xr.open_dataset(plain.with_name("static.nc"), engine="scipy") as data:
        data.load().assign_coords(longitude=np.linspace(0, 58, 36)).to_netcdf(tmp_path / "mine.nc", engine="netcdf4")
    with pytest.raises(UserError, match="longitudes of a regular global grid"):
        make_static(Static("file", str(tmp_path / "mine.nc"), None), CAMS, "", tmp_path / "static.json")
    assert not (tmp_path / "static.json").exists()
