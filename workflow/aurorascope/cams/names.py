"""Which of the 22 variables a field of a file is, whoever wrote the file.

Sources: paramId and short names from ECMWF's parameter database (https://codes.ecmwf.int/grib/param-db), standard names
from the CF table, version 86, long names from the forms of the Atmosphere and the Climate Data Store.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from aurorascope.cams.variables import ATMOS, SURFACE, Variable


@dataclass(frozen=True)
class Names:
    """What else a variable is called.

    Attributes:
        param_ids: GRIB paramIds.
        standard_names: CF standard names.
        names: names of NetCDF variables and GRIB short names, in lower case, besides the table's own three.
    """

    param_ids: tuple[int, ...]
    standard_names: tuple[str, ...]
    names: tuple[str, ...] = ()


_MASS = "atmosphere_mass_content_of_"
_FRACTION = "mass_fraction_of_"
_PM = ("_ambient_aerosol_particles_in_air", "_ambient_aerosol_in_air", "_dry_aerosol_particles_in_air")


def _pm(size: str) -> tuple[str, ...]:
    return tuple(f"mass_concentration_of_{size}{end}" for end in _PM)


# By the name in the data store's NetCDF files. Height in place of geopotential differs by standard gravity, see `units`.
NAMES: Mapping[str, Names] = {
    "t2m": Names((167,), ("air_temperature",), ("2t", "tas", "t2", "2m_temperature")),
    "u10": Names((165,), ("eastward_wind",), ("10u", "uas", "u10m")),
    "v10": Names((166,), ("northward_wind",), ("10v", "vas", "v10m")),
    "msl": Names((151,), ("air_pressure_at_mean_sea_level", "air_pressure_at_sea_level"), ("psl", "prmsl", "mslp")),
    "pm1": Names((210072,), _pm("pm1"), ()),
    "pm2p5": Names((210073,), _pm("pm2p5"), ("pm25", "pm2.5", "pm2_5")),
    "pm10": Names((210074,), _pm("pm10"), ()),
    "tcco": Names((210127,), (_MASS + "carbon_monoxide",), ("tc_co",)),
    "tc_no": Names((218027,), (_MASS + "nitrogen_monoxide",), ("tcno",)),
    "tcno2": Names((210125,), (_MASS + "nitrogen_dioxide",), ("tc_no2",)),
    "gtco3": Names((210206, 206), (_MASS + "ozone",), ("tco3", "tc_o3")),
    "tcso2": Names((210126,), (_MASS + "sulfur_dioxide",), ("tc_so2",)),
    "t": Names((130,), ("air_temperature",), ("ta", "temp")),
    "u": Names((131,), ("eastward_wind",), ("ua",)),
    "v": Names((132,), ("northward_wind",), ("va",)),
    "q": Names((133,), ("specific_humidity",), ("hus",)),
    "z": Names((129, 156), ("geopotential", "geopotential_height"), ("gh", "zg", "hgt", "geopotential_height")),
    "co": Names((210123,), (_FRACTION + "carbon_monoxide_in_air",), ()),
    "no": Names((217027, 210219), (_FRACTION + "nitrogen_monoxide_in_air",), ()),
    "no2": Names((210121,), (_FRACTION + "nitrogen_dioxide_in_air",), ()),
    "go3": Names((210203, 203), (_FRACTION + "ozone_in_air",), ("o3",)),
    "so2": Names((210122,), (_FRACTION + "sulfur_dioxide_in_air",), ()),
}

# What a converter writes where it knows no standard name.
_NO_NAME = ("", "unknown", "none")
# Metres above the ground, of those whose standard name alone does not say it.
HEIGHTS = {"t2m": 2.0, "u10": 10.0, "v10": 10.0}
_PARAMS = {(v.kind, number): v for v in SURFACE + ATMOS for number in NAMES[v.netcdf].param_ids}
_STANDARD = {(v.kind, name): v for v in SURFACE + ATMOS for name in NAMES[v.netcdf].standard_names}
_SHORT = {
    (v.kind, name): v
    for v in SURFACE + ATMOS
    for name in (v.netcdf, v.aurora, v.request, *NAMES[v.netcdf].names)
}


def identify(
    kind: str, name: str, standard_name: str | None = None, param_id: int | None = None, height: float | None = None
) -> Variable | None:
    """The variable that a field is, or None.

    A paramId decides alone; then the name, unless the standard name or the height says that it is something else; then the
    standard name, with the height where it leaves that open.

    Args:
        kind: "atmos" where the field has pressure levels, else "surface".
        name: name of the NetCDF variable, or GRIB short name.
        standard_name: CF standard name, if it has one.
        param_id: GRIB paramId, if it has one.
        height: metres above the ground that the field is said to be at.
    """
    if param_id:
        return _PARAMS.get((kind, param_id))
    variable = _SHORT.get((kind, name.lower()))
    standard = (standard_name or "").strip().lower()
    if standard not in _NO_NAME:
        by_standard = _STANDARD.get((kind, standard))
        if by_standard is None or variable not in (None, by_standard):
            return None
        if variable is None and by_standard.netcdf in HEIGHTS and height is None:
            return None
        variable = by_standard
    if variable and height is not None and variable.netcdf in HEIGHTS and height != HEIGHTS[variable.netcdf]:
        return None
    return variable
