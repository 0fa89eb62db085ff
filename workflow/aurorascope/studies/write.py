"""The files of a study: tables, maps, and last the record that names their digests."""

import datetime
import functools
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import xarray as xr

from aurorascope.cams.variables import ATMOS, SURFACE
from aurorascope.files import sha256_file, write_bytes, write_json, write_table
from aurorascope.studies.outcomes import Field
from aurorascope.studies.study_kind import Made, Maps

FORMAT = 1
_DIMS = ("date", "latitude", "longitude")
_EPOCH = datetime.date(1970, 1, 1).toordinal()
_VARIABLES = {variable.aurora: variable for variable in (*SURFACE, *ATMOS)}


def write_study(record: Path, claim: Mapping[str, Any], made: Made, lat: np.ndarray, lon: np.ndarray) -> None:
    """Write the tables, `fields.nc` and then the record beside them, each whole or not at all; tables that others left go.

    Args:
        record: `studies/<name>/record.json` under results.
        claim: what the study was made from, and notes.
        made: what came of it.
        lat: latitudes of the input, degrees north.
        lon: longitudes, degrees east.

    Raises:
        ValueError: the record is not as its schema says; a defect of ours.
    """
    folder, names = record.parent, [*(f"{name}.parquet" for name in made.tables), "fields.nc"]
    for path in folder.glob("*.parquet"):
        if path.name not in names:
            path.unlink()
    for name, table in made.tables.items():
        write_table(folder / f"{name}.parquet", table)
    maps = maps_dataset(claim["study"], claim["dates"], made.maps, lat, lon)
    write_bytes(folder / "fields.nc", maps.to_netcdf(format="NETCDF3_64BIT", engine="scipy"))
    digests = {f"studies/{folder.name}/{name}": sha256_file(folder / name) for name in names}
    content = {**made.summary, **claim, "files": digests}
    try:
        jsonschema.validate(content, schema())
    except jsonschema.ValidationError as error:
        raise ValueError(f"a study's record is not as its schema says: {error.message} at {list(error.absolute_path)}") from error
    write_json(record, content)


@functools.cache
def schema() -> dict[str, Any]:
    """JSON Schema of a study's record."""
    return json.loads((files("aurorascope") / "schemas" / "study_record.schema.json").read_text(encoding="utf-8"))


def name_of(field: Field, part: str = "") -> str:
    """What a field is called in `fields.nc`: `msl`, `t_850`; of a part of its change `carry_msl`."""
    name, level = field
    return "_".join([*([part] if part else []), name, *([] if level is None else [str(level)])])


def maps_dataset(study: str, dates: Sequence[str], parts: Mapping[str, Maps], lat: np.ndarray, lon: np.ndarray) -> xr.Dataset:
    """Maps of a study's change as one variable a part and field, dims (date, latitude, longitude) float32; NaN on dates without a map.

    Args:
        study: name of the study.
        dates: of the study.
        parts: maps by part; the part is empty where the change is not split.
        lat: latitudes of the input, of which Aurora may leave out the last.
        lon: longitudes.
    """
    first = next((map_yx for maps in parts.values() for fields in maps.values() for map_yx in fields.values()), None)
    n_rows = len(lat) if first is None else len(first)
    absent, variables = np.full((n_rows, len(lon)), np.nan, np.float32), {}
    for part, maps in parts.items():
        for field in dict.fromkeys(field for fields in maps.values() for field in fields):
            values = [maps.get(date, {}).get(field, absent) for date in dates]
            variables[name_of(field, part)] = (_DIMS, np.stack(values).astype(np.float32), _attributes(field, part))
    days = np.array([datetime.date.fromisoformat(date).toordinal() - _EPOCH for date in dates], np.int32)
    time = {"units": "days since 1970-01-01", "calendar": "proleptic_gregorian", "long_name": "date of the input"}
    data = xr.Dataset(variables, {
        "date": ("date", days, time),
        "latitude": ("latitude", np.asarray(lat, np.float64)[:n_rows], {"units": "degrees_north", "standard_name": "latitude"}),
        "longitude": ("longitude", np.asarray(lon, np.float64), {"units": "degrees_east", "standard_name": "longitude"}),
    })
    data.attrs = {"Conventions": "CF-1.11", "format": np.int32(FORMAT), "study": study, "comment": "changed minus clean forecast, at dose 1"}
    for name in data.variables:
        data[name].encoding["_FillValue"] = np.float32(np.nan) if name in variables else None
    return data


def _attributes(field: Field, part: str) -> dict[str, Any]:
    name, level = field
    known = _VARIABLES[name]
    words = f"{part} change of {known.request.replace('_', ' ')}".strip()
    found: dict[str, Any] = {"long_name": words, "units": known.units}
    return found if level is None else {**found, "level": np.int32(level), "level_units": "hPa"}
