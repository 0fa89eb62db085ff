"""Other units are converted where that is exact; what is no analysis, no unit of ours or no globe is refused."""

import numpy as np
import pytest
from aurorascope.cams.validate import read_day
from aurorascope.cams.variables import LEVELS
from aurorascope.errors import UserError

from tests.cams.spelling_tables import CONVERTED, DATE, INCONVERTIBLE, REFUSED
from tests.cams.spellings import BY_NAME, save

HOURS = (0, 12)


def _read(sources):
    return read_day(sources, DATE, HOURS, LEVELS)


@pytest.mark.parametrize(("name", "units", "inverse"), CONVERTED, ids=[f"{n} in {u}".replace("/", " per ") for n, u, _ in CONVERTED])
def test_units_are_converted(name, units, inverse, day, tmp_path):
    """To within two roundings of float32, with all other fields as they were."""
    changed = day.copy()
    changed[name] = inverse(changed[name].astype("f8")).assign_attrs(units=units)
    states = _read(save(changed, tmp_path / "day.nc")).states
    expected = day[name].values
    assert np.abs(states[name].values - expected).max() <= 2 * np.spacing(np.abs(expected).max())
    assert states[name].attrs["units"] == BY_NAME[name].units
    assert states.drop_vars(name).equals(day.drop_vars(name))


@pytest.mark.parametrize(("name", "units", "said"), INCONVERTIBLE)
def test_units_that_cannot_be_converted(name, units, said, day, tmp_path):
    changed = day.copy()
    changed[name] = changed[name].assign_attrs(units=units)
    with pytest.raises(UserError, match=said) as caught:
        _read(save(changed, tmp_path / "day.nc"))
    assert name in caught.value.where and "delete" not in caught.value.fix


@pytest.mark.parametrize("spelling", REFUSED)
def test_what_is_refused(spelling, day, tmp_path):
    """With one clear line; nothing of the user's is to be deleted."""
    make, said = REFUSED[spelling]
    with pytest.raises(UserError, match=said) as caught:
        read_day(make(day, tmp_path), DATE, HOURS, LEVELS, fix="correct it")
    assert "delete" not in caught.value.one_line()
