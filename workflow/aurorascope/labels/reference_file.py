"""The quantiles of the training states on disk: one NetCDF file and its record."""

from pathlib import Path

import xarray as xr

from aurorascope.errors import UserError
from aurorascope.files import check_file, read_record, sha256_file, write_bytes, write_json
from aurorascope.labels.all import VERSION
from aurorascope.labels.reference import FORMAT, Reference
from aurorascope.records import KINDS

KIND = KINDS["label_reference"]


def reference_path(record: Path) -> Path:
    """The NetCDF file that a reference's record stands for."""
    return record.with_suffix(".nc")


def write_reference(record: Path, reference: Reference, config_sha256: str, states_sha256: str, static: str) -> None:
    """Write `reference.nc` and its record; the same content is the same bytes.

    Args:
        record: the record's path, `scratch/labels/reference.json`.
        reference: the quantiles.
        config_sha256: digest of the settings they were made with.
        states_sha256: digest over the digests of all states that were read, by time.
        static: digest of the static fields.
    """
    write_bytes(reference_path(record), reference.to_dataset().to_netcdf(format="NETCDF3_64BIT", engine="scipy"))
    axes = {"latitude": reference.lat, "longitude": reference.lon}
    write_json(
        record,
        {
            "kind": KIND.name, "format": FORMAT, "definitions": VERSION, "config_sha256": config_sha256,
            "snapshots": {"n": len(reference.times), "first": reference.times[0], "last": reference.times[-1]},
            "made_from": {"states_sha256": states_sha256, "static": static},
            **{name: {"n": len(axis), "first": float(axis[0]), "last": float(axis[-1])} for name, axis in axes.items()},
            "content_sha256": reference.sha256(),
            "sha256": sha256_file(reference_path(record)),
        },
    )


def load_reference(record: Path) -> Reference:
    """The quantiles, their file's digest checked.

    Raises:
        UserError: record or file is missing, damaged or of another format.
    """
    content = read_record(record, KIND.name)
    if content.get("format") != FORMAT:
        raise UserError.stale(record, f"a reference of format {FORMAT}", f"format {content.get('format')}")
    path = reference_path(record)
    check_file(path, content["sha256"], record)
    with xr.open_dataset(path, engine="scipy") as data:
        return Reference.from_dataset(data.load())
