"""Spellings of a day that are read, units that are converted or not, and what is refused with which words.

Each maker takes the canonical day and a folder and returns what is to be read. The tests read all of them, and
`spellings_play` writes what is said of each into the documentation.
"""

import netCDF4
import numpy as np
import xarray as xr
from aurorascope.cams.names import NAMES
from aurorascope.cams.variables import ATMOS, SURFACE

from tests.cams.spellings import (
    atmos,
    grib,
    grib_of_messages_of_several,
    message,
    pair,
    save,
    surface,
    with_lead,
    with_valid_time,
    zipped,
)

DATE = "2022-06-11"


def _one(change):
    """Both kinds of fields in one file, after a change."""
    return lambda day, folder: [save(change(day), folder / "all.nc")]


def merged_month(day, folder):
    days = [day.assign_coords(time=day["time"] + np.timedelta64(24 * n, "h")) + (0 if n == 0 else 1) for n in range(-2, 3)]
    return [save(with_valid_time(xr.concat(days, "time")), folder / "2022-06.nc")]


def file_each(day, folder):
    return [save(day[[name]], folder / f"{name}.nc") for name in day.data_vars]


def _file_each_level(day, folder):
    parts = [save(atmos(day).isel(level=i), folder / f"{i}.nc") for i in range(day.sizes["level"])]
    return [save(surface(day), folder / "sfc.nc"), *parts]


def _file_each_time(day, folder):
    return [save(day.isel(time=i), folder / f"{i}.nc") for i in (0, 1)]


def from_west(day):
    return day.assign_coords(longitude=(day["longitude"] + 180) % 360 - 180).sortby("longitude")


def _axes(change):
    """Coordinates of axes changed, values not."""
    return _one(lambda day: day.assign_coords({name: (name, change(day[name].values)) for name in ("latitude", "longitude")}))


def _mixed_axes(day, folder):
    rounded = surface(day).assign_coords(longitude=day["longitude"].values.astype("f4") * (1 + 1e-7))
    return [save(rounded, folder / "sfc.nc"), save(atmos(day), folder / "plev.nc")]


def _named(name):
    """All fields under another of the names of their quantity."""
    return _one(lambda day: day.rename({v.netcdf: getattr(v, name) for v in SURFACE + ATMOS if getattr(v, name) != v.netcdf}))


def _standard_names(day):
    day = day.copy()
    for i, v in enumerate(SURFACE + ATMOS):
        field = day[v.netcdf]
        del day[v.netcdf]
        # Of these the standard name does not say at which height.
        name = {"t2m": "tas", "u10": "uas", "v10": "vas"}.get(v.netcdf, f"var{i}")
        day[name] = field.assign_attrs(standard_name=NAMES[v.netcdf].standard_names[0], units=v.units)
    return day


def _example_notebook(day, folder):
    """The files of Microsoft's example: a zip of the pair, and one of its members unpacked beside it."""
    made = pair(day, folder, (f"{DATE}-cams-surface-level.nc", f"{DATE}-cams-atmospheric.nc"))
    return [zipped(made, folder / f"{DATE}-cams.nc.zip"), made[0]]


# A whole day of GRIB messages takes seconds, so that only the rows of the editions have it.
_FEW = ("t2m", "tcco", "q", "go3")


def _few(day):
    return day[list(_FEW)]


def _but_few(day):
    return day.drop_vars(_FEW)


def _few_in_grib(make):
    """Some fields as `make(fields, folder)` has them, the others in NetCDF."""
    return lambda day, folder: [*make(_few(day), folder), save(_but_few(day), folder / "rest.nc")]


READ = {
    "one merged file": _one(lambda day: day),
    "a month in one file": merged_month,
    "a file a variable": file_each,
    "a file a level": _file_each_level,
    "a file a time": _file_each_time,
    "the example notebook's files": _example_notebook,
    "a zip of anything": lambda day, folder: [zipped(file_each(day, folder / "in"), folder / "all.zip")],
    "a folder": lambda day, folder: [file_each(day, folder / "in" / "deep")[0].parents[1]],
    "valid_time, number, expver": _one(with_valid_time),
    "cfgrib's step of zero": _one(lambda day: with_lead(day, 0)),
    "a lead time of zero and 3 h": _one(lambda day: xr.concat(
        [with_lead(day, 0, keep_lead=False).expand_dims(step=[np.timedelta64(0, "ns")]).drop_vars("valid_time"),
         (day + 1).expand_dims(step=[np.timedelta64(3, "h").astype("m8[ns]")])], "step")),
    "time and forecast_reference_time": _one(lambda day: day.assign_coords(forecast_reference_time=("time", day["time"].values))),
    "a dimension of length one": _one(lambda day: day.expand_dims(number=1, realization=1)),
    "plev in Pa": _one(lambda day: day.assign_coords(level=("level", day["level"].values * 100.0, {"units": "Pa"})).rename(level="plev")),
    "levels in Pa that do not say so": _one(lambda day: day.assign_coords(level=("level", day["level"].values * 100.0))),
    "levels in millibars, descending": _one(lambda day: day.assign_coords(
        level=("level", day["level"].values.astype("f4"), {"units": "millibars"})).isel(level=slice(None, None, -1))),
    "isobaricInhPa, lat, lon": _one(lambda day: day.rename(level="isobaricInhPa", latitude="lat", longitude="lon")),
    "GRIB short names": _named("aurora"),
    "the data store's long names": _named("request"),
    "CF standard names alone": _one(_standard_names),
    "times that are plain variables": _one(lambda day: with_lead(day, 0).reset_coords(["valid_time", "step"])),
    "a lead of 0 in h": _one(lambda day: day.assign_coords(step=((), 0.0, {"units": "h"}))),
    "longitudes wrapped and not sorted": _one(lambda day: day.assign_coords(longitude=(day["longitude"] + 180) % 360 - 180)),
    "axes known by their units": _one(lambda day: day.rename(latitude="rows", longitude="columns")),
    "100 m wind beside ours": _one(lambda day: day.assign(
        u100=(day["u10"] + 5).assign_attrs(standard_name="eastward_wind"), mx2t=(day["t2m"] + 3).assign_attrs(standard_name="air_temperature"))),
    "GRIB called .nc, NetCDF called .grib": lambda day, folder: [
        grib(_few(day), folder / "few.grib").rename(folder / "few.nc"), save(_but_few(day), folder / "rest.nc").rename(folder / "rest.grib")],
    "a zip called .nc": lambda day, folder: [zipped(pair(day, folder / "in"), folder / "all.zip").rename(folder / "all.nc")],
    "dims in another order": _one(lambda day: day.transpose("longitude", "level", "time", "latitude")),
    "latitudes ascending": _one(lambda day: day.isel(latitude=slice(None, None, -1))),
    "longitudes from -180": _one(from_west),
    "longitudes descending": _one(lambda day: day.isel(longitude=slice(None, None, -1))),
    "float32 axes": _axes(lambda values: values.astype("f4")),
    "noise of 1e-12": _axes(lambda values: values + 1e-12 * np.cos(np.arange(len(values)))),
    "axes from 90 + 1e-14 and -1e-13": _axes(lambda values: values + np.where(values == 90, 1e-13, -1e-13)),
    "float32 and float64 axes in one pair": _mixed_axes,
    "GRIB1": lambda day, folder: [grib(day, folder / "day.grib", edition=1)],
    "GRIB2": lambda day, folder: [grib(day, folder / "day.grb2")],
    "GRIB from the south": _few_in_grib(lambda few, folder: [grib(few.isel(latitude=slice(None, None, -1)), folder / "few.grib")]),
    "GRIB from -180": _few_in_grib(lambda few, folder: [grib(from_west(few), folder / "few.grib")]),
    "GRIB2 messages of several fields": _few_in_grib(lambda few, folder: [grib_of_messages_of_several(few, folder / "few.grib")]),
    "GRIB of two files": _few_in_grib(lambda few, folder: [grib(few.isel(time=[i]), folder / f"{i}.grib") for i in (0, 1)]),
    "GRIB and NetCDF": _few_in_grib(lambda few, folder: [
        grib(few.isel(time=[0]), folder / "0.grib"), save(few.isel(time=[1]), folder / "1.nc")]),
}


# Variable, units, and what gives the values in these units.
CONVERTED = [
    ("t2m", "degC", lambda x: x - 273.15), ("t", "celsius", lambda x: x - 273.15), ("t2m", "degF", lambda x: x * 1.8 - 459.67),
    ("msl", "hPa", lambda x: x / 100), ("msl", "mbar", lambda x: x / 100), ("msl", "mb", lambda x: x / 100), ("t", "deg C", lambda x: x - 273.15),
    ("q", "g g-1", lambda x: x), ("no2", "µg/kg", lambda x: x * 1e9), ("msl", "kPa", lambda x: x / 1000),
    ("u10", "km/h", lambda x: x * 3.6), ("v", "knots", lambda x: x * 3600 / 1852), ("u", "m/s", lambda x: x),
    ("pm2p5", "ug m-3", lambda x: x * 1e9), ("pm10", "µg m**-3", lambda x: x * 1e9), ("pm1", "mg/m3", lambda x: x * 1e6),
    ("tcco", "g m-2", lambda x: x * 1e3), ("gtco3", "kg/m^2", lambda x: x), ("q", "g/kg", lambda x: x * 1e3),
    ("q", "1", lambda x: x), ("so2", "ug kg-1", lambda x: x * 1e9), ("no2", "kg kg-1", lambda x: x),
    ("z", "gpm", lambda x: x / 9.80665), ("z", "m", lambda x: x / 9.80665), ("z", "geopotential metre", lambda x: x / 9.80665), ("z", "J kg-1", lambda x: x), ("z", "m2 s-2", lambda x: x),
]


INCONVERTIBLE = [
    ("co", "mol mol-1", "amount of substance"), ("no2", "ppbv", "amount of substance"), ("go3", "ppm", "amount of substance"),
    ("co", "1", "may be a mass or a mole fraction"), ("no2", "1e-9", "may be a mass or a mole fraction"), ("so2", "m3 m-3", "may be a mass"),
    ("go3", "%", "may be a mass or a mole fraction"), ("co", "L/L", "may be a mass"), ("no", "ppq", "may be a mass"), ("gtco3", "DU", "amount of substance"), ("tcno2", "mol m-2", "amount of substance"),
    ("pm10", "kg kg-1", "'kg kg-1'"), ("t2m", "Pa", "'Pa'"), ("t2m", "warm", "UDUNITS does not know"),
    ("z", "s", "'s'"), ("u10", "degrees", "'degrees'"), ("msl", "inHg at 0C", "UDUNITS does not know"),
]


def _with(name, change):
    def spoil(day):
        day = day.copy(deep=True)
        change(day[name].values)
        return day

    return _one(spoil)


def _put(value):
    def change(values):
        values.reshape(-1)[7] = value

    return change


def _grib_twice(day, folder):
    path = grib(day, folder / "day.grib")
    with open(path, "ab") as file:
        message(file, day, "t2m", day["t2m"].values[0] + 1, day["time"].values[0], None)
    return [path]


def _grib_forecast(day, folder):
    """The 12 UTC state is a forecast of 12 h."""
    path = grib(day.isel(time=[0]), folder / "day.grib")
    with open(path, "ab") as file:
        for v in SURFACE + ATMOS:
            for place, level in enumerate(day["level"].values if v.kind == "atmos" else [None]):
                field = day[v.netcdf].values[1] if level is None else day[v.netcdf].values[1, place]
                message(file, day, v.netcdf, field, day["time"].values[0], level, lead=12)
    return [path]


def _one_variable_of_other_levels(day, folder):
    return [save(day.drop_vars("co"), folder / "most.nc"), save(day[["co"]].isel(level=slice(3, None)), folder / "co.nc")]


def _with_bounds(day):
    edges = np.stack([day["time"].values - np.timedelta64(24, "h"), day["time"].values], axis=1)
    day = day.assign(time_bnds=(("time", "nv"), edges))
    day["time"].attrs["bounds"] = "time_bnds"
    return day


def _noleap(day, folder):
    path = save(day, folder / "all.nc")
    with netCDF4.Dataset(path, "a") as file:
        file["time"].calendar = "noleap"
    return [path]


def _shortened(day, folder):
    path = save(day, folder / "all.nc", format="NETCDF3_64BIT")
    path.write_bytes(path.read_bytes()[:-1000])
    return [path]


def _missing_row(row):
    return _one(lambda day: day.isel(latitude=[i for i in range(19) if i != row]))


REFUSED = {
    "a step of 12 h": (_one(lambda day: with_lead(day, 12)), "only forecasts of these times|the states"),
    "valid_time alone says 12 h": (_one(lambda day: with_lead(day, 12, keep_lead=False)), "only forecasts of these times|the states"),
    "forecasts of the wanted times": (_one(lambda day: with_lead(day.assign_coords(time=day["time"] - np.timedelta64(12, "h")), 12)),
                                      "only forecasts of these times"),
    "a time that contradicts its lead": (_one(lambda day: with_lead(day, 12).assign_coords(step=np.timedelta64(0, "ns"))), "give the valid time"),
    "a step of 12 h in a plain variable": (_one(lambda day: with_lead(day, 12).reset_coords(["valid_time", "step"])),
                                          "only forecasts of these times|the states"),
    "a mean over time, latitude and longitude": (_one(lambda day: day.assign(t2m=day["t2m"].assign_attrs(cell_methods="time: lat: lon: mean"))),
                                                 "values at an instant, found cell_methods"),
    "bounds that span a day": (_one(lambda day: _with_bounds(day)), "values at an instant, found bounds of time"),
    "a reference time alone": (_one(lambda day: day.rename(time="forecast_reference_time")), "beside the reference time, found forecast_reference_time alone"),
    "a reference time alone, by its standard name": (_one(lambda day: day.assign_coords(
        time=day["time"].assign_attrs(standard_name="forecast_reference_time"))), "found time alone"),
    "another calendar": (_noleap, "standard calendar, found time in .*noleap"),
    "a dew point under our name": (_one(lambda day: day.assign(t2m=day["t2m"].assign_attrs(standard_name="dew_point_temperature"))), "none named t2m"),
    "a mole fraction by its standard name": (_one(lambda day: day.assign(go3=day["go3"].assign_attrs(standard_name="mole_fraction_of_ozone_in_air"))),
                                             "none named go3"),
    "wind of 100 m by its standard name alone": (_one(lambda day: day.rename(u10="u100").assign(
        u100=day["u10"].assign_attrs(standard_name="eastward_wind"))), "none named u10"),
    "a NetCDF-3 file without its end": (_shortened, "a readable NetCDF file, found shorter than its header says"),
    "numbers of levels": (_one(lambda day: day.assign_coords(level=np.arange(1, 14))), "none named t, u, v"),
    "a daily mean": (_one(lambda day: day.assign(t2m=day["t2m"].assign_attrs(cell_methods="time: mean"))), "values at an instant"),
    "a GRIB forecast": (_grib_forecast, "only forecasts of these times"),
    "two messages of one field": (_grib_twice, "one field of t2m at 2022-06-11T00:00 UTC, found another one"),
    "two files of one field": (lambda day, folder: [save(day, folder / "1.nc"), save(day + 1e-6, folder / "2.nc")], "found another one in"),
    "a variable with fewer levels": (_one_variable_of_other_levels, "co, the levels 50, 100, 150 hPa, found only 200"),
    "a number of two": (_one(lambda day: day.expand_dims(number=2)), "also number of 2"),
    "msl of -999": (_with("msl", _put(-999)), "msl: expected values within 8e.04 to 1.15e.05 Pa, found -999.*fill value"),
    "a fill value of 1e37": (_with("t", _put(9.96921e36)), "t at 50 hPa: expected values within.*latitude 90, longitude 70.*fill value"),
    "kelvin without units, in truth degC": (_one(lambda day: day.assign(t2m=day["t2m"] - 273.15)), "t2m: expected values within"),
    "NaN": (_with("so2", _put(np.nan)), "so2 at 50 hPa: expected finite values, found 1 of"),
    "a negative gas": (_with("tcco", _put(-1e-4)), "tcco: expected values within"),
    "60 to 30 N, 0 to 58 E": (_one(lambda day: day.assign_coords(latitude=np.linspace(60, 30, 19), longitude=np.linspace(0, 58, 36))),
                             "latitudes of a regular global grid|longitudes of a regular global grid"),
    "a band around the globe": (_one(lambda day: day.assign_coords(latitude=np.linspace(60, -60, 19))), "latitudes of a regular global grid"),
    "an inner row missing": (_missing_row(5), "a step of 20 after 50 where others are 10"),
    "the north pole's row missing": (_missing_row(0), "latitudes of a regular global grid"),
    "the first column again": (_one(lambda day: xr.concat([day, day.isel(longitude=[0]).assign_coords(longitude=[360.0])], "longitude")),
                               "the last column is the first one again"),
    "Gaussian latitudes": (_one(lambda day: day.assign_coords(latitude=np.degrees(np.arcsin(np.polynomial.legendre.leggauss(19)[0][::-1])))),
                           "latitudes of a regular global grid"),
    "two grids": (lambda day, folder: [save(surface(day).isel(latitude=slice(18)), folder / "a.nc"), save(atmos(day), folder / "b.nc")],
                  "the same latitude in all fields"),
    "model levels": (_one(lambda day: day.assign_coords(level=("level", day["level"].values, {"standard_name": "atmosphere_hybrid_sigma_pressure_coordinate"}))),
                     "none named t"),
    "another parameter under our name": (_one(lambda day: day.assign(t2m=day["t2m"].assign_attrs(GRIB_paramId=168))), "none named t2m .other fields, by paramId.*t2m"),
    "another standard name": (_one(lambda day: day.assign(u10=day["u10"].assign_attrs(standard_name="northward_wind"))), "none named u10"),
    "orography for geopotential": (_one(lambda day: day.assign(z=day["z"].isel(level=0, drop=True))), "none named z"),
}
