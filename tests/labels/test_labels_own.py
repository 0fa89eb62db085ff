"""Labels that users bring: read as they are, or refused in one line."""

import numpy as np
import pytest
import xarray as xr
from aurorascope.cams import demo
from aurorascope.cams.demo_truth import STRENGTHS, demo_truth, write_truth
from aurorascope.cams.grid import regular_grid
from aurorascope.errors import UserError
from aurorascope.files import sha256_file
from aurorascope.labels.own import common_ids, read_own

LAT, LON = regular_grid(10, 12)
DATE = "2022-06-09"
MOMENTS = demo.times_of(DATE, [0, 12])
TIMES = [np.datetime64(moment.replace(tzinfo=None), "ns") for moment in MOMENTS]


def plain() -> xr.Dataset:
    """The demo's truth under names of one's own."""
    truth = demo_truth(MOMENTS, LAT, LON)
    return truth.rename({name: f"my_{name}" for name in truth.data_vars})


def read(folder, times=TIMES):
    return read_own(folder, DATE, times, LAT, LON)


def test_masks_strengths_and_objects_are_as_in_the_file(tmp_path):
    data = plain()
    data.to_netcdf(tmp_path / f"{DATE}.truth.nc")
    own = read(tmp_path)
    assert own.digests == {f"{DATE}.truth.nc": sha256_file(tmp_path / f"{DATE}.truth.nc")}
    for place, labelled in enumerate(own.datasets):
        assert labelled["time"].values == TIMES[place]
        assert labelled["label"].values.tolist() == [f"my_{name}" for name in STRENGTHS]
        labelled = labelled.set_index(label="label")
        for name in STRENGTHS:
            here = labelled.sel(label=f"my_{name}")
            for part, end in (("mask", ""), ("field", "_strength"), ("object", "_object")):
                np.testing.assert_array_equal(here[part].values, data[f"my_{name}{end}"].values[place])
        assert [labelled[part].dtype for part in ("mask", "object", "field")] == [np.uint8, np.uint16, np.float32]


def test_a_mask_alone_in_another_order_is_enough(tmp_path):
    """Objects are found; the field is unknown. Times may be more than are asked for, axes in float32, and files several."""
    data = plain()
    data[["my_dust"]].transpose("longitude", "time", "latitude").to_netcdf(tmp_path / f"{DATE}.nc")
    moved = data[["my_jet"]].assign_coords(latitude=LAT.astype(np.float32), longitude=LON.astype(np.float32))
    moved.astype(bool).astype("f4").to_netcdf(tmp_path / f"{DATE}.jets.nc")
    # Another date's, and one that only begins alike.
    (tmp_path / "2022-06-10.nc").write_text("nothing")
    (tmp_path / f"{DATE}0.nc").write_text("nothing")
    own = read(tmp_path, TIMES[1:])
    assert len(own.datasets) == 1 and sorted(own.digests) == [f"{DATE}.jets.nc", f"{DATE}.nc"]
    labelled = own.datasets[0].set_index(label="label")
    for name in ("dust", "jet"):
        here = labelled.sel(label=f"my_{name}")
        np.testing.assert_array_equal(here["object"].values, data[f"my_{name}_object"].values[1])
        assert np.isnan(here["field"].values).all()


def spoil(data: xr.Dataset, how: str) -> xr.Dataset:
    spoilt = {
        "another grid": lambda: data.isel(latitude=slice(1, None)),
        "shifted grid": lambda: data.assign_coords(longitude=data["longitude"] - 180),
        "no latitude": lambda: data.rename(latitude="lat"),
        "missing time": lambda: data.isel(time=[0]),
        "no time": lambda: data.isel(time=0, drop=True),
        "time twice": lambda: data.assign_coords(time=[TIMES[0], TIMES[0]]),
        "built-in": lambda: data.rename(my_dust="dust", my_dust_strength="dust_strength", my_dust_object="dust_object"),
        "malformed": lambda: data.rename(my_jet="My-jet", my_jet_strength="My-jet_strength", my_jet_object="My-jet_object"),
        "stray strength": lambda: data.drop_vars("my_low"),
        "two": lambda: data.assign(my_dust=data["my_dust"] * 2),
        "nan": lambda: data.assign(my_dust=data["my_dust"].where(data["my_dust"] == 1)),
        "objects elsewhere": lambda: data.assign(my_jet_object=data["my_jet_object"] * 0),
        "fractions": lambda: data.assign(my_jet_object=data["my_jet_object"] * 0.5),
        "infinite": lambda: data.assign(my_jet_strength=data["my_jet_strength"] * np.float32(np.inf)),
        "no dims": lambda: data.assign(my_other=3),
        "empty": lambda: data.drop_vars(list(data.data_vars)),
    }
    return spoilt[how]()


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("another grid", "latitude: expected the states' 10 values from 90.0 to -90.0, found 9 values from 70.0 to -90.0. Next: regrid"),
        ("shifted grid", "longitude: expected the states' 12 values from 0.0 to 330.0, found 12 values from -180.0 to 150.0"),
        ("no latitude", "expected a coordinate latitude, found only "),
        ("missing time", "time: expected 2022-06-09T00:00:00Z, 2022-06-09T12:00:00Z, found 2022-06-09T00:00:00Z. Next: add labels of 2022-06-09T12"),
        ("no time", "expected a coordinate time with units such as hours since 1970-01-01, found none"),
        ("time twice", "time: expected each time once"),
        ("built-in", "dust: expected an id that no label by formula has, found dust. Next: rename it, my_dust for example"),
        ("malformed", "My-jet: expected an id of lower-case letters"),
        ("stray strength", "my_low_strength: expected the label my_low beside it, found none"),
        ("two", "my_dust: expected 0 and 1 alone, found 2"),
        ("nan", "my_dust: expected 0 and 1 alone, found nan"),
        ("objects elsewhere", "my_jet_object: expected 0 where my_jet is 0 and a number where it is 1"),
        ("fractions", "my_jet_object: expected whole numbers from 0 to 65535, found 0.5"),
        ("infinite", "my_jet_strength: expected numbers or NaN"),
        ("no dims", "my_other: expected numbers on time, latitude, longitude"),
        ("empty", "expected at least one label, found none"),
    ],
)
def test_what_is_refused(tmp_path, how, message):
    path = tmp_path / f"{DATE}.nc"
    spoil(plain(), how).to_netcdf(path)
    with pytest.raises(UserError) as error:
        read(tmp_path)
    line = error.value.one_line()
    assert line.startswith(str(path)) and message in line and " Next: " in line and "\n" not in line


def test_no_file_no_folder_and_no_netcdf(tmp_path):
    with pytest.raises(UserError, match="found no such folder"):
        read(tmp_path / "none")
    with pytest.raises(UserError, match=f"expected labels of {DATE} in {DATE}.nc or {DATE}.<name>.nc, found no such file"):
        read(tmp_path)
    (tmp_path / f"{DATE}.nc").write_text("no NetCDF")
    with pytest.raises(UserError, match="expected a NetCDF file"):
        read(tmp_path)


def test_one_label_in_two_files(tmp_path):
    for name in ("a", "b"):
        plain()[["my_dust"]].to_netcdf(tmp_path / f"{DATE}.{name}.nc")
    with pytest.raises(UserError, match="my_dust: expected each label in one file a date, found it in two"):
        read(tmp_path)


def test_the_demos_truth_has_names_that_are_taken(tmp_path):
    write_truth(tmp_path / f"{DATE}.truth.nc", MOMENTS, LAT, LON)
    with pytest.raises(UserError, match="expected an id that no label by formula has"):
        read(tmp_path)


def test_ids_are_those_of_every_date(tmp_path):
    """In whatever files and order; values are left to whoever reads them."""
    for date, names in ((DATE, ["my_dust", "my_jet"]), ("2022-06-10", ["my_jet", "my_dust"])):
        for name in names:
            plain()[[name]].assign({name: plain()[name] * 7}).to_netcdf(tmp_path / f"{date}.{names.index(name)}.nc")
    assert common_ids(tmp_path, [DATE, "2022-06-10"]) == ["my_dust", "my_jet"]


@pytest.mark.parametrize(("names", "where"), [(["my_jet"], "2022-06-10.nc"), (["my_dust", "my_jet", "my_low"], "2022-06-10.nc")])
def test_a_date_with_other_labels_than_the_first_is_refused(tmp_path, names, where):
    plain()[["my_dust", "my_jet"]].to_netcdf(tmp_path / f"{DATE}.nc")
    plain()[names].to_netcdf(tmp_path / "2022-06-10.nc")
    with pytest.raises(UserError, match=f"expected the labels of {DATE}: my_dust, my_jet, found {', '.join(names)}. Next: ") as error:
        common_ids(tmp_path, [DATE, "2022-06-10"])
    assert error.value.where == str(tmp_path / where)
