"""Units of a file's fields and the table's: converted where that is exact, refused where it is not.

UDUNITS (through cf-units) parses and converts; here stands only what it cannot know: that a mole fraction is no mass
fraction though both are pure numbers, and that a geopotential height is a geopotential divided by standard gravity.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from aurorascope.cams.variables import Variable
from aurorascope.errors import UserError

# WMO's standard gravity, m s-2: geopotential metres to m2 s-2.
GRAVITY = 9.80665
_AMOUNTS = re.compile(r"mol|pp[mbt]|pptv|dobson|\bDU\b", re.IGNORECASE)
# What UDUNITS does not know: metres of geopotential height.
_HEIGHTS = re.compile(r"(gp\W?|geopotential\W)(dam|m|met(?:er|re)s?)", re.IGNORECASE)
_NUMBERS = ("1", "", "dimensionless", "(0 - 1)", "none")
# A mass in a mass, as in kg kg-1, g/kg or ug/g.
_MASSES = re.compile(r"\w*?g(?:ram)?s?\W.*?[a-zµμ]*g(?:ram)?s?\b.*", re.IGNORECASE)
# Spellings that UDUNITS takes for other units or for none.
_SPELLINGS = {
    "mb": "mbar", "hpa": "hPa", "c": "degC", "deg c": "degC", "degrees c": "degC", "degrees celsius": "degC", "deg k": "K",
    "degree kelvin": "K", "degrees kelvin": "K", "degrees k": "K",
}


@dataclass(frozen=True)
class Conversion:
    """From a file's units to the table's.

    Attributes:
        units: the file's units; None where it says none.
        convert: the values in the table's units, float64; None where they are the same.
    """

    units: str | None
    convert: Callable[[np.ndarray], np.ndarray] | None


def plain_units(text: str) -> str:
    """Units in a spelling that UDUNITS reads as they are meant."""
    return _SPELLINGS.get(text.lower(), text)


def conversion(variable: Variable, units: str | None, where: object, is_mass_fraction: bool = True) -> Conversion:
    """How to convert a field.

    Args:
        variable: which variable it is.
        units: the file's `units`; None where there is no such attribute.
        where: file and field, for messages.
        is_mass_fraction: whether the field is known to be a mass fraction, by standard name or paramId.

    Raises:
        UserError: the units are unknown, of another quantity, or would need what the file does not say.
    """
    if units is None:
        return Conversion(None, None)
    text = " ".join(str(units).split())
    expected = f"{variable.units}, or units that convert to it exactly"
    if variable.units.startswith("kg") and _AMOUNTS.search(text):
        raise UserError(
            where, expected, f"{text!r}, an amount of substance",
            "convert it to mass with the molar mass and, for a mixing ratio, with the kind of air that the file means "
            "(dry or moist), and write the new units",
        )
    if variable.units == "kg kg**-1" and not is_mass_fraction and not _MASSES.fullmatch(text):
        found = f"{text!r}, which may be a mass or a mole fraction"
        raise UserError(where, expected, found, "write units such as kg kg-1 into the file, if that is what they are")
    import cf_units

    try:
        height = _HEIGHTS.fullmatch(text) if variable.netcdf == "z" else None
        with cf_units.suppress_errors():
            source = cf_units.Unit(height.group(2) if height else "1" if text in _NUMBERS else plain_units(text))
            target = cf_units.Unit(variable.units)
    except ValueError:
        raise UserError(where, expected, f"{text!r}, which UDUNITS does not know", "write the units as CF does") from None
    factor = 1.0
    if variable.netcdf == "z" and not source.is_convertible(target) and source.is_convertible("m"):
        # A height.
        target, factor = cf_units.Unit("m"), GRAVITY
    if source.is_unknown() or not source.is_convertible(target):
        raise UserError(where, expected, repr(text), "convert the field, or take another that is in these units")
    if source == target and factor == 1.0:
        return Conversion(text, None)
    return Conversion(text, lambda values: source.convert(np.asarray(values, np.float64), target) * factor)
