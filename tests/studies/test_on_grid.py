"""What a grid tells of a study is refused for planning, before there are any states."""

import pytest
from aurorascope.errors import UserError
from aurorascope.perturbations.operations import DENSITY, MOST_OF_AIR
from aurorascope.sphere import RADIUS_M
from aurorascope.studies.kinds import kind_of
from aurorascope.studies.on_grid import check_on_grid
from aurorascope.studies.study_file import naming, read_study_file

from tests.studies import folder

GRID, LEVELS = (91, 180), (500, 850, 1000)
TINY, LARGE = [45.3, 5.3, 1], {"disk": [45, 5, 3000]}
AREA = 2 * 3.141592653589793 * RADIUS_M**2 * (1 - 0.8911)
"""Of a disk of 3000 km, m2."""


@pytest.fixture
def plan(tmp_path):
    """All that is looked at of a study's file before any job."""

    def check(content, grid=GRID):
        folder.write_file(tmp_path, "one", content)
        file = read_study_file("one", tmp_path / "studies")
        with naming(file.path):
            check_on_grid(kind_of(file).read(file), grid, LEVELS)

    return check


def scaled(**keys):
    return folder.given_inputs(perturb=[{"scale": {"variables": ["no2"], "factor": 2, **keys}}])


def plume(kg, **keys):
    return folder.given_inputs(perturb=[{"add_plume": {"variable": "no2", "kg": kg, "region": LARGE, **keys}}])


@pytest.mark.parametrize(("content", "words"), [
    (folder.given(1, region={"disk": TINY}), "one.yaml, region: expected at least one cell or token of the grid, found none of 91 x 180"),
    (folder.given(1, outcomes=[folder.OUTCOMES[1] | {"region": {"disk": TINY}}]), "one.yaml, outcome 0, region: expected at least one cell"),
    (folder.given_inputs(outcomes=[folder.INPUT_OUTCOMES[2] | {"region": {"disk": TINY}}]), "one.yaml, outcome 0, region: expected at least"),
    (scaled(region={"disk": TINY}), "one.yaml, change 0, scale, region: expected at least one cell of the grid"),
    (plume(1e300), "add_plume, kg: expected a number of size 3.4e+38 at most"),
    (plume("1e17"), "one.yaml, change 0, add_plume, a plume of no2: expected at most"),
    (plume("1e17"), "1% of the 1.4"),
    (plume("-1e17"), "found -1e+17 kg"),
    (folder.given_inputs(perturb=[{"scale_emission": {"emission": "static_nox", "factor": 2}}], others=["static_nox"]), "which change already"),
    (folder.given_inputs(perturb=[{"scale_emission": {"emission": "static_nox", "factor": 2}}], others=["static_co", "static_co"]), "each variable once"),
])
def test_what_nothing_of_the_grid_can_hold_is_refused(plan, content, words):
    with pytest.raises(UserError) as caught:
        plan(content)
    assert words in str(caught.value)


@pytest.mark.parametrize(("content", "grid"), [
    (folder.given(1), GRID), (folder.given_inputs(), GRID), (scaled(), GRID), (scaled(region={"disk": TINY}), None),
    (folder.given(1, region={"label": "dust"}), GRID), (scaled(region={"disk": [46, 6, 1]}), GRID),
])
def test_what_there_is_and_what_nobody_knows_yet_is_taken(plan, content, grid):
    plan(content, grid)


@pytest.mark.parametrize(("keys", "air"), [
    ({}, AREA * 50000 / 9.80665),
    ({"levels": [500]}, AREA * 17500 / 9.80665),
    ({"variable": "pm10", "depth_m": 500}, AREA * 500 * DENSITY),
])
def test_a_plume_is_compared_with_the_air_that_it_lies_in(plan, keys, air):
    """Between 500 and 1000 hPa, at one level, or in a layer near the ground; a disk of whole cells is one within a few percent."""
    plan(plume(0.95 * MOST_OF_AIR * air, **keys))
    with pytest.raises(UserError, match="of air that it lies in"):
        plan(plume(1.05 * MOST_OF_AIR * air, **keys))
