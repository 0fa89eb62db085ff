"""What a file is, by the end of its name."""

from pathlib import PurePosixPath

NETCDF = (".nc", ".nc4", ".cdf", ".netcdf")
GRIB = (".grib", ".grib1", ".grib2", ".grb", ".grb1", ".grb2", ".gb")


def is_data(name: str) -> bool:
    """Whether a name, or the last part of a path, is that of a NetCDF or GRIB file."""
    return name.lower().endswith(NETCDF + GRIB) and not PurePosixPath(name).name.startswith(".")


def is_netcdf(name: str) -> bool:
    """Whether it is that of a NetCDF file."""
    return name.lower().endswith(NETCDF)


def is_zip(name: str) -> bool:
    """Whether it is that of a zip."""
    return name.lower().endswith(".zip")
