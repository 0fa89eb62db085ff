"""Hard ranges hold the atmosphere and leave out fill values, other units and other variables."""

import pytest
from aurorascope.cams.plausible import hard_range, usual_range
from aurorascope.cams.variables import ATMOS, SURFACE

EACH = [(v, level) for v in SURFACE + ATMOS for level in v.scale]
FILLS = (-999.0, -9999.0, -32767.0, 1e20, 9.96921e36)


@pytest.mark.parametrize(("variable", "level"), EACH)
def test_the_atmosphere_is_inside_and_fill_values_are_outside(variable, level):
    """Three scales about the mean; of geopotential near the ground, -999 and -9999 are what a deep low may have."""
    loc, scale = variable.stats(level)
    low, high = hard_range(variable, level)
    assert low <= (0 if variable.units.startswith("kg") else loc - 3 * scale) and high >= loc + 3 * scale
    fills = [value for value in FILLS if variable.netcdf != "z" or abs(value) > 1e5]
    assert not any(low <= value <= high for value in fills)
    assert usual_range(variable, level)[0] < usual_range(variable, level)[1]


@pytest.mark.parametrize(("name", "level", "wrong"), [
    ("t2m", None, 15.0), ("msl", None, 1013.0), ("t", 500, -20.0), ("z", 500, 5500.0), ("z", 50, 20_000.0), ("pm10", None, 20.0),
    ("gtco3", None, 300.0), ("q", 1000, 10.0), ("go3", 50, 3.0), ("u", 250, 1000.0), ("tcco", None, -1e-4),
])
def test_other_units_are_outside(name, level, wrong):
    """Degrees, hectopascals, metres, micrograms, Dobson units, grams, parts per million."""
    variable = next(v for v in SURFACE + ATMOS if v.netcdf == name)
    low, high = hard_range(variable, level)
    assert not low <= wrong <= high
