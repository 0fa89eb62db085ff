"""Aurora's 11 static fields from three sources, converted once to one NetCDF file with a record."""

import logging
from pathlib import Path

import numpy as np
import xarray as xr

from aurorascope import spec
from aurorascope.backbone.hub import fetch_official
from aurorascope.backbone.unpickle import load_pickled_arrays
from aurorascope.cams.axes import exact_latitudes, exact_longitudes
from aurorascope.cams.demo_land import demo_static
from aurorascope.cams.grid import check_grid, regular_grid
from aurorascope.cams.variables import STATIC
from aurorascope.config.model import Cams, Static
from aurorascope.config.paths import expanded
from aurorascope.errors import UserError
from aurorascope.files import check_file, read_record, sha256_bytes, sha256_file, write_bytes, write_json

_LOG = logging.getLogger(__name__)
_PICKLE_SUFFIXES = (".pickle", ".pkl")
_FIX = "give static.path a NetCDF file with the 11 static variables, or the official pickle"


def static_path(record: Path) -> Path:
    """The NetCDF file that a static record stands for."""
    return record.with_name("static.nc")


def _from_netcdf(path: Path) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    try:
        with xr.open_dataset(path) as dataset:
            data = dataset.load()
    except (OSError, ValueError) as error:
        raise UserError(path, "a NetCDF file", " ".join(str(error).split())[:200], _FIX) from None
    names = {"lat": "latitude", "lon": "longitude"}
    data = data.rename({old: new for old, new in names.items() if old in data.variables or old in data.dims})
    missing = [name for name in STATIC if name not in data] + [c for c in names.values() if c not in data.coords]
    if missing:
        raise UserError(path, "variables " + ", ".join(STATIC), "none named " + ", ".join(missing), _FIX)
    fields = {name: data[name].squeeze().values for name in STATIC}
    return fields, data["latitude"].values, data["longitude"].values


def _from_pickle(path: Path, sha256: str | None) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    found = sha256_file(path)
    if sha256 is not None and found != sha256:
        raise UserError(path, f"sha256 {sha256}", f"sha256 {found}", "fetch the file again, or correct static.sha256")
    if sha256 is None:
        _LOG.warning("%s has sha256 %s; put it into static.sha256 to pin this file.", path.name, found)
    arrays = load_pickled_arrays(path)
    missing = [name for name in STATIC if name not in arrays]
    if missing:
        raise UserError(path, "arrays " + ", ".join(STATIC), "none named " + ", ".join(missing), _FIX)
    rows, cols = arrays[STATIC[0]].shape
    lat, lon = regular_grid(rows, cols)
    return {name: arrays[name] for name in STATIC}, lat, lon


def _check(fields: dict[str, np.ndarray], lat: np.ndarray, lon: np.ndarray, where: str) -> None:
    check_grid(lat, lon, where)
    for name, field in fields.items():
        if field.shape != (len(lat), len(lon)):
            raise UserError(f"{where}, {name}", f"shape {(len(lat), len(lon))}", str(field.shape), _FIX)
        n_bad = int((~np.isfinite(field)).sum())
        if n_bad:
            raise UserError(f"{where}, {name}", "finite values", f"{n_bad} that are not", _FIX)


def make_static(static: Static, cams: Cams, revision: str, record: Path) -> None:
    """Write `static.nc` and its record.

    Raises:
        UserError: the source is missing, hostile, incomplete, or on a grid that Aurora cannot take.
    """
    if static.source == "demo":
        lat, lon = regular_grid(*cams.demo_grid)
        fields, where = demo_static(lat, lon), "demo static fields"
    else:
        if static.source == "official":
            path = fetch_official(spec.STATIC_FILE, revision)
        else:
            path = Path(expanded(str(static.path), "static.path"))
        if not path.is_file():
            raise UserError(path, "a file of static fields", "no such file", "correct static.path in your config")
        where = path.name
        is_pickle = path.suffix in _PICKLE_SUFFIXES
        fields, lat, lon = _from_pickle(path, static.sha256) if is_pickle else _from_netcdf(path)
    rows, columns = exact_latitudes(lat, where), exact_longitudes(lon, where)
    fields = {name: rows.apply(columns.apply(np.asarray(field), -1), -2) for name, field in fields.items()}
    lat, lon = rows.exact, columns.exact
    _check(fields, lat, lon, where)
    dataset = xr.Dataset(
        {name: (("latitude", "longitude"), np.asarray(field, np.float32)) for name, field in fields.items()},
        coords={"latitude": np.asarray(lat, np.float64), "longitude": np.asarray(lon, np.float64)},
    )
    write_bytes(static_path(record), dataset.to_netcdf(format="NETCDF3_64BIT", engine="scipy"))
    axes = np.concatenate([lat, lon]).astype("<f8").tobytes()
    content = axes + np.concatenate([np.asarray(fields[name], "<f4").ravel() for name in STATIC]).tobytes()
    write_json(
        record,
        {
            "kind": "static",
            "format": 1,
            "source": static.source,
            "latitude": {"n": len(lat), "first": float(lat[0]), "last": float(lat[-1])},
            "longitude": {"n": len(lon), "first": float(lon[0]), "last": float(lon[-1])},
            "content_sha256": sha256_bytes(content),
            "sha256": sha256_file(static_path(record)),
        },
    )


def load_static(record: Path) -> dict[str, np.ndarray]:
    """The 11 static fields, each (lat, lon) float32, their file's digest checked."""
    content = read_record(record, "static")
    path = static_path(record)
    check_file(path, content["sha256"], record)
    with xr.open_dataset(path, engine="scipy") as dataset:
        return {name: dataset[name].values.astype(np.float32) for name in STATIC}
