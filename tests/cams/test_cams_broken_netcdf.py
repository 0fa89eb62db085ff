"""NetCDF files that are damaged or oddly written end with one line, never with a traceback or with other values."""

import netCDF4
import numpy as np
import pytest
from aurorascope.cams.validate import read_day
from aurorascope.cams.variables import LEVELS
from aurorascope.errors import UserError

from tests.cams.spellings import save

DATE = "2022-06-11"


def _chunk(path):
    """Flip bytes in the middle of a checked chunk."""
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 200] = bytes(byte ^ 0xFF for byte in data[middle : middle + 200])
    path.write_bytes(bytes(data))


def _attribute(variable, name, value):
    def change(path):
        with netCDF4.Dataset(path, "a") as file:
            (file[variable] if variable else file).setncattr(name, value)

    return change


@pytest.mark.parametrize(("spoil", "said"), [
    (_chunk, "readable NetCDF"), (_attribute("t2m", "scale_factor", "1.0"), "readable NetCDF|none named t2m"),
    (_attribute("t2m", "GRIB_paramId", "167.128"), "none named t2m"), (_attribute("t2m", "GRIB_paramId", np.array([1, 2])), "none named t2m"),
])
def test_one_line(day, tmp_path, spoil, said):
    encoding = {name: {"zlib": True, "fletcher32": True} for name in day.data_vars}
    path = save(day, tmp_path / "day.nc", encoding=encoding)
    spoil(path)
    with pytest.raises(UserError, match=said):
        read_day(path, DATE, (0, 12), LEVELS)


@pytest.mark.parametrize("n_bytes", [1, 1000, 13780, 100_000])
@pytest.mark.parametrize("form", ["NETCDF3_CLASSIC", "NETCDF3_64BIT"])
def test_a_file_that_is_cut_short(day, tmp_path, n_bytes, form):
    path = save(day, tmp_path / "day.nc", format=form)
    assert read_day(path, DATE, (0, 12), LEVELS).states.equals(day)
    path.write_bytes(path.read_bytes()[:-n_bytes])
    with pytest.raises(UserError, match="shorter than its header says"):
        read_day(path, DATE, (0, 12), LEVELS)
