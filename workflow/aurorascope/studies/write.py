"""The files of a study: two tables, maps, and last the record that names their digests."""

import datetime
import functools
import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import xarray as xr

from aurorascope.cams.variables import ATMOS, SURFACE
from aurorascope.files import sha256_file, write_bytes, write_json, write_table
from aurorascope.studies.outcomes import Field
from aurorascope.studies.run import StudyResult

FORMAT = 1
_EPOCH = datetime.date(1970, 1, 1).toordinal()
_VARIABLES = {variable.aurora: variable for variable in (*SURFACE, *ATMOS)}


def write_study(record: Path, claim: Mapping[str, Any], result: StudyResult, lat: np.ndarray, lon: np.ndarray) -> None:
    """Write `effects.parquet`, `divergence.parquet`, `fields.nc` and then the record beside them, each whole or not at all.

    Args:
        record: `studies/<name>/record.json` under results.
        claim: what the study was made from, and notes.
        result: what came of it.
        lat: latitudes of the input, degrees north.
        lon: longitudes, degrees east.

    Raises:
        ValueError: the record is not as its schema says; a defect of ours.
    """
    folder = record.parent
    write_table(folder / "effects.parquet", result.effects)
    write_table(folder / "divergence.parquet", result.fields)
    maps = maps_dataset(result, lat, lon)
    write_bytes(folder / "fields.nc", maps.to_netcdf(format="NETCDF3_64BIT", engine="scipy"))
    names = ("effects.parquet", "divergence.parquet", "fields.nc")
    digests = {f"studies/{folder.name}/{name}": sha256_file(folder / name) for name in names}
    content = {**result.summary, **claim, "files": digests}
    try:
        jsonschema.validate(content, schema())
    except jsonschema.ValidationError as error:
        raise ValueError(f"a study's record is not as its schema says: {error.message} at {list(error.absolute_path)}") from error
    write_json(record, content)


@functools.cache
def schema() -> dict[str, Any]:
    """JSON Schema of a study's record."""
    return json.loads((files("aurorascope") / "schemas" / "study_record.schema.json").read_text(encoding="utf-8"))


def name_of(field: Field) -> str:
    """What a field is called in `fields.nc`: `msl`, `t_850`."""
    name, level = field
    return name if level is None else f"{name}_{level}"


def maps_dataset(result: StudyResult, lat: np.ndarray, lon: np.ndarray) -> xr.Dataset:
    """`StudyResult.maps` as one variable a field, dims (date, latitude, longitude) float32; NaN on dates without a map."""
    dates = result.summary["dates"]
    fields = list(dict.fromkeys(field for maps in result.maps.values() for field in maps))
    n_rows = len(next(iter(next(iter(result.maps.values())).values()))) if fields else len(lat)
    shape = (n_rows, len(lon))
    variables = {}
    for field in fields:
        values = [result.maps.get(date, {}).get(field, np.full(shape, np.nan, np.float32)) for date in dates]
        variables[name_of(field)] = (("date", "latitude", "longitude"), np.stack(values).astype(np.float32), _attributes(field))
    days = np.array([datetime.date.fromisoformat(date).toordinal() - _EPOCH for date in dates], np.int32)
    time = {"units": "days since 1970-01-01", "calendar": "proleptic_gregorian", "long_name": "date of the input"}
    data = xr.Dataset(variables, {
        "date": ("date", days, time),
        "latitude": ("latitude", np.asarray(lat, np.float64)[:n_rows], {"units": "degrees_north", "standard_name": "latitude"}),
        "longitude": ("longitude", np.asarray(lon, np.float64), {"units": "degrees_east", "standard_name": "longitude"}),
    })
    data.attrs = {
        "Conventions": "CF-1.11", "format": np.int32(FORMAT), "study": result.summary["study"],
        "comment": "edited minus clean forecast at the study's last step; the feature's change at dose 1",
    }
    for name in data.variables:
        data[name].encoding["_FillValue"] = np.float32(np.nan) if name in variables else None
    return data


def _attributes(field: Field) -> dict[str, Any]:
    name, level = field
    known = _VARIABLES[name]
    found: dict[str, Any] = {"long_name": f"change of {known.request.replace('_', ' ')}", "units": known.units}
    return found if level is None else {**found, "level": np.int32(level), "level_units": "hPa"}
