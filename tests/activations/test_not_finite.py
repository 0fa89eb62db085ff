"""Activations that are not finite: the field and day that are the likeliest cause come first, the checkpoint last."""

import pytest
from aurorascope.activations.dump import _explained
from aurorascope.activations.writer import NotFiniteError
from aurorascope.cams.demo import write_demo_day
from aurorascope.cams.grid import regular_grid
from aurorascope.cams.states import write_states
from aurorascope.cams.validate import read_day
from aurorascope.errors import UserError


def test_the_field_and_day_are_named(tmp_path):
    """Of the two states of the snapshot, the one that reaches farthest from Aurora's statistics."""
    write_demo_day("2022-06-11", (0, 12), *regular_grid(19, 36), (50, 500), tmp_path / "day.zip")
    day = read_day(tmp_path / "day.zip", "2022-06-11", (0, 12), (50, 500)).states
    day["no2"].values[0, 1, 3, 4] = 3e37
    write_states(day, tmp_path / "cams" / "2022-06-11.zarr")
    snapshots = [{"previous": "2022-06-11T00:00:00Z", "time": "2022-06-11T12:00:00Z"}]
    with pytest.raises(UserError) as caught, _explained(tmp_path, snapshots):
        raise NotFiniteError("activations of b", "7 that are not", "2022-06-11T12:00:00Z")
    assert "no2 at 500 hPa at 2022-06-11T00:00 UTC, " in caught.value.found
    assert caught.value.fix == "look at that field of that day; if it is sound, check the checkpoint, and aurora.autocast: false"
    with pytest.raises(UserError, match="another"), _explained(tmp_path, snapshots):
        raise UserError("a", "b", "another", "d")
