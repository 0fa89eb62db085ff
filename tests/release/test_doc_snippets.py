"""The Python of docs/formats.md runs beside the results of a run, without a warning."""

import re
import warnings

import numpy as np
import pytest
import xarray as xr
from aurorascope.labels.own import read_own
from aurorascope.sphere import disk

from tests.workflow.project import ROOT

pytestmark = pytest.mark.slow
SNIPPETS = re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs" / "formats.md").read_text(), re.MULTILINE | re.DOTALL)


def test_stores_open_as_the_docs_show_it(suite, monkeypatch):
    """With labels, and with each warning an error."""
    (snippet,) = [text for text in SNIPPETS if "store.zarr" in text and "open_zarr" in text]
    monkeypatch.chdir(suite.path)
    names = {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exec(compile(snippet, "docs/formats.md", "exec"), names)
    assert names["store"]["activation"].dims == ("time", "latent_level", "y", "x", "channel")
    assert {"lat", "lon", "latent_level"} <= set(names["store"].coords) and "t2m" in names["states"]


def test_masks_of_fires_and_storms_are_labels_of_ones_own(suite, tmp_path, monkeypatch):
    """One fire and two positions of a storm, planted in files of the forms of GFAS and IBTrACS, end in the masks where they are."""
    (snippet,) = [text for text in SNIPPETS if "gfas.nc" in text]
    (tmp_path / "results").symlink_to(suite.result("."))
    monkeypatch.chdir(tmp_path)
    axes = {"time": np.array(["2022-06-19", "2022-06-20"], "datetime64[ns]"), "latitude": np.arange(89.95, -90, -0.1)}
    axes["longitude"] = np.arange(0.05, 360, 0.1)
    power = xr.DataArray(np.zeros([len(axis) for axis in axes.values()], "f4"), axes, list(axes), "frpfire")
    for day, lat, lon, value in ((0, 20, 20, 5), (1, 51, 284, 2), (1, 51.3, 284.3, 3), (1, -12, 130, 0.05)):
        power.values[day, np.abs(axes["latitude"] - lat).argmin(), np.abs(axes["longitude"] - lon).argmin()] = value
    power.to_netcdf("gfas.nc")
    # Storms of unlike lengths are filled up; times carry some microseconds, as those of IBTrACS do.
    time = np.array([["2022-06-19T12", "2022-06-20T00", "2022-06-20T12"], ["2022-06-20T06", "NaT", "NaT"]], "datetime64[ns]")
    time += np.timedelta64(39, "us")
    lat, lon = (np.array([[a, b, c], [9.0, np.nan, np.nan]]) for a, b, c in ((14.0, 15.0, 16.0), (-112.0, -179.0, 179.0)))
    dims = ("storm", "date_time")
    xr.Dataset({"time": (dims, time), "lat": (dims, lat), "lon": (dims, lon)}).to_netcdf("ibtracs.nc")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exec(compile(snippet, "docs/formats.md", "exec"), {})
    with xr.open_zarr("results/scratch/cams/2022-06-20.zarr") as states:
        times, lat, lon = (states[axis].values for axis in ("time", "latitude", "longitude"))
    own = read_own("my_labels", "2022-06-20", times, lat, lon)
    row, column = np.abs(lat - 51).argmin(), np.abs(lon - 284).argmin()
    for data, middle in zip(own.datasets, ((15, 181), (16, 179)), strict=True):
        by_label = data.set_index(label="label")
        assert np.argwhere(by_label["mask"].sel(label="fire").values).tolist() == [[row, column]]
        assert by_label["field"].sel(label="fire").values[row, column] == 3
        np.testing.assert_array_equal(by_label["mask"].sel(label="storm").values, disk(lat, lon, middle, 500))


def test_a_label_of_ones_own_is_written_for_every_date(finished, monkeypatch):
    """The example's files pass the check that comes before labels are made, and the command that follows plans every date."""
    (snippet,) = [text for text in SNIPPETS if "my_calm" in text]
    monkeypatch.chdir(finished.path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exec(compile(snippet, "docs/formats.md", "exec"), {})
    assert finished.planned("labels", "--config", "labels={own: my_labels}") == {"label_reference": 1, "label_day": 6, "labels": 1}
    with xr.open_dataset("my_labels/2022-06-20.nc") as own, xr.open_zarr("results/scratch/cams/2022-06-20.zarr") as states:
        mask, wind = own["my_calm"].values == 1, np.hypot(states["u10"].values, states["v10"].values)
        near = disk(states["latitude"].values, states["longitude"].values, (50, 10), 1500) == 1
        np.testing.assert_array_equal(mask, near & (wind < 3))
        np.testing.assert_array_equal(own["my_calm_strength"].values, wind)
