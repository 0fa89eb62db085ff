"""One canonical day written the way others write it: names, dimensions, axes, units, splits, NetCDF and GRIB."""

import datetime
import functools
import itertools
import zipfile
from pathlib import Path

import eccodes
import numpy as np
import xarray as xr
from aurorascope.cams.names import NAMES
from aurorascope.cams.variables import ATMOS, SURFACE

BY_NAME = {v.netcdf: v for v in SURFACE + ATMOS}


def surface(day: xr.Dataset) -> xr.Dataset:
    """The surface fields."""
    return day[[v.netcdf for v in SURFACE]]


def atmos(day: xr.Dataset) -> xr.Dataset:
    """The fields on levels."""
    return day[[v.netcdf for v in ATMOS]]


def save(data: xr.Dataset, path: Path, **options: object) -> Path:
    """Write NetCDF without what reading has left."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = data.copy()
    for variable in data.variables.values():
        variable.encoding = {}
    data.to_netcdf(path, engine="netcdf4", **options)
    return path


def pair(day: xr.Dataset, folder: Path, names=("sfc.nc", "plev.nc")) -> list[Path]:
    """One file of surface fields and one of levels."""
    return [save(part, folder / name) for part, name in zip((surface(day), atmos(day)), names, strict=True)]


def zipped(paths: list[Path], archive: Path) -> Path:
    """The files in a zip."""
    with zipfile.ZipFile(archive, "w") as opened:
        for path in paths:
            opened.write(path, path.name)
    return archive


def with_valid_time(day: xr.Dataset) -> xr.Dataset:
    """The data store's newer form: `valid_time` as the dimension, `number` and `expver` beside it."""
    day = day.rename(time="valid_time", level="pressure_level")
    return day.assign_coords(number=0, expver=("valid_time", ["0001"] * day.sizes["valid_time"]))


def with_lead(day: xr.Dataset, hours: float, names=("time", "step", "valid_time"), keep_lead: bool = True) -> xr.Dataset:
    """cfgrib's form: a reference time, a scalar lead and the valid time that they give."""
    lead = np.timedelta64(round(hours * 3600), "s").astype("timedelta64[ns]")
    day = day.rename(time=names[0]).assign_coords({names[2]: (names[0], day["time"].values + lead)})
    return day.assign_coords({names[1]: lead}) if keep_lead else day


def grib(day: xr.Dataset, path: Path, packing: str = "grid_ieee", edition: int = 2, bits: int = 16) -> Path:
    """A message for each variable, time and level, in the order of a data store's file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fields = {str(name): field.values for name, field in day.data_vars.items()}
    levels = day["level"].values.tolist() if "level" in day.coords else []
    with open(path, "wb") as file:
        for t, time in enumerate(day["time"].values):
            for name, values in fields.items():
                for place, level in enumerate(levels if BY_NAME[name].kind == "atmos" else [None]):
                    field = values[t] if level is None else values[t, place]
                    message(file, day, name, field, time, level, packing, edition, bits)
    return path


@functools.cache
def _template(lat: bytes, lon: bytes, param: int, has_level: bool, packing: str, edition: int, bits: int) -> int:
    """A message of the grid, parameter and packing, to be given other values, times and levels: a clone takes a millisecond."""
    sample = "regular_ll_pl" if has_level else "regular_ll_sfc"
    handle = eccodes.codes_grib_new_from_samples(f"{sample}_grib{edition}")
    lat, lon = np.frombuffer(lat), np.frombuffer(lon)
    settings = {
        "centre": "ecmf", "Ni": len(lon), "Nj": len(lat), "latitudeOfFirstGridPointInDegrees": lat[0],
        "latitudeOfLastGridPointInDegrees": lat[-1], "longitudeOfFirstGridPointInDegrees": lon[0],
        "longitudeOfLastGridPointInDegrees": lon[-1], "iDirectionIncrementInDegrees": abs(lon[1] - lon[0]),
        "jDirectionIncrementInDegrees": abs(lat[1] - lat[0]), "jScansPositively": int(lat[0] < lat[-1]),
        "paramId": param,
    }
    if has_level:
        settings["typeOfLevel"] = "isobaricInhPa"
    for key, value in settings.items():
        eccodes.codes_set(handle, key, value)
    # The packing is changed once there are values of the right number.
    eccodes.codes_set_values(handle, np.zeros(len(lat) * len(lon)))
    eccodes.codes_set(handle, "packingType", packing)
    if packing == "grid_simple":
        eccodes.codes_set(handle, "bitsPerValue", bits)
    return handle


def message(file, day, name, field, time, level, packing="grid_ieee", edition=2, bits=16, lead=0, param=None) -> None:
    """Write one message; `time` is the reference time, `lead` hours."""
    axes = (day.variables[axis].values.astype("f8").tobytes() for axis in ("latitude", "longitude"))
    handle = _template(*axes, param or NAMES[name].param_ids[0], level is not None, packing, edition, bits)
    when = time.astype("datetime64[s]").astype(datetime.datetime)
    settings = {"dataDate": int(when.strftime("%Y%m%d")), "dataTime": when.hour * 100, "step": lead}
    if level is not None:
        settings["level"] = int(level)
    for key, value in settings.items():
        eccodes.codes_set(handle, key, value)
    eccodes.codes_set_values(handle, np.asarray(field, np.float64).ravel())
    eccodes.codes_write(handle, file)


def grib_of_messages_of_several(day: xr.Dataset, path: Path, n_fields: int = 13) -> Path:
    """GRIB2 as some centres write it: up to `n_fields` fields of one time, grid and kind of table in each message."""

    def before_products(handle: int) -> bytes:
        message = eccodes.codes_get_message(handle)
        # But for its length.
        return message[:8] + message[16 : eccodes.codes_get(handle, "offsetSection4", int)]

    with open(grib(day, path.with_suffix(".single")), "rb") as single:
        handles = list(iter(lambda: eccodes.codes_grib_new_from_file(single), None))
    with open(path, "wb") as file:
        for _, same in itertools.groupby(handles, before_products):
            same = list(same)
            for first in range(0, len(same), n_fields):
                several = eccodes.codes_grib_multi_new()
                for handle in same[first : first + n_fields]:
                    # What comes before is written once.
                    eccodes.codes_grib_multi_append(handle, 4, several)
                eccodes.codes_grib_multi_write(several, file)
                eccodes.codes_grib_multi_release(several)
    for handle in handles:
        eccodes.codes_release(handle)
    path.with_suffix(".single").unlink()
    return path
