"""Regions against loops over tokens and cells, on grids that are padded and on ones that are not."""

import itertools
import math

import numpy as np
import pytest
from aurorascope.blocks import BY_ID
from aurorascope.cams.grid import regular_grid
from aurorascope.config.thresholds import DEMO
from aurorascope.errors import UserError
from aurorascope.interventions import Active, Band, Box, Disk, Everywhere, Labelled, Levels
from aurorascope.interventions.places import Place
from aurorascope.labels.all import label_dataset
from aurorascope.labels.claim import MadeFrom
from aurorascope.labels.write import write_day

SITES = ("encoder_s0_b5", "encoder_s1_b0", "encoder_s2_b7", "decoder_s0_b0", "decoder_s1_b9")
# 33 rows of cells are 11 of tokens, padded to 12 and to 6; 21 columns, to 22 and 12.
GRIDS = {"padded": (33, 63), "not padded": (36, 72)}


@pytest.fixture(params=itertools.product(SITES, GRIDS), ids=lambda each: f"{each[0]}, {each[1]}")
def place(request):
    name, grid = request.param
    return Place.of(BY_ID[name], *regular_grid(*GRIDS[grid]))


def tokens_of(place):
    """Each token's level, and the cells of its rows and columns: those of the input below it, three for each merge."""
    side = 3 * 2**place.block.merges
    n_rows, n_cols = -(-len(place.lat) // side), -(-len(place.lon) // side)
    for level, row, col in itertools.product(range(4), range(n_rows), range(n_cols)):
        yield level, place.lat[row * side : (row + 1) * side], place.lon[col * side : (col + 1) * side]


def brute(place, holds):
    """The tokens for which a function of level, latitude and longitude of the centre holds."""
    return np.array([holds(level, lats.mean(), lons.mean()) for level, lats, lons in tokens_of(place)])


def angle_km(lat, lon, lat0, lon0):
    a, b = math.radians(lat), math.radians(lat0)
    cosine = math.sin(a) * math.sin(b) + math.cos(a) * math.cos(b) * math.cos(math.radians(lon - lon0))
    return 6371.0 * math.acos(max(-1, min(1, cosine)))


CASES = {
    "disk": (Disk(52, -78, km=4000), lambda level, lat, lon: angle_km(lat, lon, 52, -78) <= 4000),
    "disk over a pole": (Disk(-85, 20, km=3500), lambda level, lat, lon: angle_km(lat, lon, -85, 20) <= 3500),
    "box": (Box(-30, 40, 60, 170), lambda level, lat, lon: -30 <= lat <= 40 and 60 <= lon <= 170),
    "box over the seam": (Box(-30, 40, -50, 70), lambda level, lat, lon: -30 <= lat <= 40 and (lon >= 310 or lon <= 70)),
    "box over the seam, east below west": (Box(0, 90, 300, 20), lambda level, lat, lon: lat >= 0 and (lon >= 300 or lon <= 20)),
    "box all around": (Box(0, 90, -180, 180), lambda level, lat, lon: lat >= 0),
    "band": (Band(-23.5, 60), lambda level, lat, lon: -23.5 <= lat <= 60),
    "levels": (Levels("surface", 2), lambda level, lat, lon: level in (0, 2)),
    "everywhere": (Everywhere(), lambda level, lat, lon: True),
    "both": (Band(0, 90) & Levels(1), lambda level, lat, lon: lat >= 0 and level == 1),
    "either": (Band(0, 90) | Levels(1), lambda level, lat, lon: lat >= 0 or level == 1),
    "three": ((Band(0, 90) | Band(-90, -45)) & Box(-90, 90, 10, 200),
              lambda level, lat, lon: (lat >= 0 or lat <= -45) and 10 <= lon <= 200),
}


@pytest.mark.parametrize("name", CASES)
def test_a_region_is_what_its_words_say(place, name):
    region, holds = CASES[name]
    found = region.holds(place)
    assert found.dtype == bool and np.array_equal(found, brute(place, holds))
    assert found.any() and (found.all() == (name == "everywhere"))


@pytest.mark.parametrize("is_line", [False, True])
def test_a_token_has_a_label_by_area(place, is_line):
    """By hand: areas of a token's cells with the label against those of all, by the difference of sines."""
    mask_yx = np.random.default_rng(0).random((len(place.lat), len(place.lon))) < (0.03 if is_line else 0.5)
    step = abs(place.lat[1] - place.lat[0]) / 2
    area_y = [math.sin(math.radians(min(lat + step, 90))) - math.sin(math.radians(max(lat - step, -90))) for lat in place.lat]
    area_yx = np.repeat(np.array(area_y)[:, None], len(place.lon), axis=1)
    expected = []
    for _, lats, lons in tokens_of(place):
        here = np.ix_(np.isin(place.lat, lats), np.isin(place.lon, lons))
        held, whole = (area_yx * mask_yx)[here].sum(), area_yx[here].sum()
        expected.append(held > 0 if is_line else held >= whole / 2 - 1e-9)
    found = Labelled(mask_yx, is_line).holds(place)
    assert np.array_equal(found, expected) and 0 < found.mean() < 1


def test_a_label_may_have_the_row_that_aurora_drops():
    place = Place.of(BY_ID["encoder_s1_b0"], *regular_grid(37, 72))
    mask_yx = np.zeros((37, 72))
    mask_yx[:12, :12] = 2
    assert np.array_equal(Labelled(mask_yx).holds(place), Labelled(mask_yx[:36]).holds(place))
    for wrong in (mask_yx[:35], mask_yx[:, :71], np.vstack([mask_yx, mask_yx])):
        with pytest.raises(UserError, match="a mask on the input's grid, 36 x 72 cells"):
            Labelled(wrong).holds(place)


def test_labels_come_from_a_day_of_the_atlas(tmp_path):
    """A front is a line, which a token has as soon as one of its cells does; dust is not."""
    (lat, lon), time, draw = regular_grid(36, 72), "2022-06-03T12:00:00Z", np.random.default_rng(0)
    mask = (draw.random((2, 36, 72)) < [[[0.05]], [[0.5]]]).astype(np.uint8)
    data = label_dataset(["front", "dust"], np.datetime64(time[:-1]), lat, lon, mask, mask.astype(np.uint16), mask.astype(np.float32))
    write_day(tmp_path, time[:10], [data], DEMO, MadeFrom({time: "a" * 64}, "b" * 64, "c" * 64))
    place = Place.of(BY_ID["encoder_s1_b0"], lat, lon)
    for name, mask_yx, is_line in (("front", mask[0], True), ("dust", mask[1], False)):
        found = Labelled.read(tmp_path, name, time)
        assert found.is_line == is_line
        assert np.array_equal(found.holds(place), Labelled(mask_yx, is_line).holds(place))
        assert not np.array_equal(found.holds(place), Labelled(mask_yx, not is_line).holds(place))
    for name, asked, words in (("smoke", time, "front, dust"), ("dust", "2022-06-03T00:00:00Z", "T12"), ("dust", "2022-06-04T12:00:00Z", "06-04")):
        with pytest.raises(UserError, match=words):
            Labelled.read(tmp_path, name, asked)


def test_where_active_is_everywhere_until_features_are_known(place):
    assert (Active() & Band(0, 90)).holds(place).tolist() == Band(0, 90).holds(place).tolist()
    assert (Active([7]) | Band(0, 90)).holds(place).all()


@pytest.mark.parametrize("make, words", [
    (lambda: Disk(100, 0, km=10), "latitudes from -90 to 90.*give latitude, then longitude"), (lambda: Band(30, 120), "give south and north"), (lambda: Disk(0, 0, km=0), "km above 0"), (lambda: Disk(0, 0, km=99999), "up to 20015"),
    (lambda: Disk(0, float("nan"), km=9), "longitudes"), (lambda: Disk(50, 5000, km=100), "longitudes"), (lambda: Box(25, 60, -900, 10), "longitudes"),
    (lambda: Box(25, 60, 90, 500), "up to 360 degrees from 90"),
    (lambda: Disk("52", 13, 300), "numbers, found '52', 13, 300.*latitude, then longitude, in degrees, then km"),
    (lambda: Box(10, 20, None, 40), "numbers, found 10, 20, None, 40.*south, north, west, east, in degrees$"), (lambda: Band(True, 40), "numbers, found True"),
    (lambda: Band([10, 20], 40), r"numbers, found \[10, 20\]"),
    (lambda: Labelled.read("labels", "dust", "2022-06-03T12:00:00Z"), "the days of labels of a run, found no such folder.*results/scratch/labels"),
    (lambda: Labelled.read(".", "dust", "2022-06-03T12:00:00Z"), "found a folder without any"),
    (lambda: Labelled.read("labels", "dust", "3 June"), "YYYY-MM-DDTHH:00:00Z, found '3 June'"),
    (lambda: Box(40, 30, 0, 10), "southern latitude first"), (lambda: Band(10, -10), "southern latitude first"),
    (lambda: Levels("atmos1"), "take atmos_1"), (lambda: Levels("xx"), "take one of these"), (lambda: Levels([0]), "surface"), (lambda: Levels(4), "surface"),
    (lambda: Levels(True), "surface"), (Levels, "at least one"),
    (lambda: Labelled(np.zeros(5)), "a mask"), (lambda: Band(0, 10) & "surface", "combine regions alone"),
])
def test_what_is_no_region_is_refused(make, words):
    with pytest.raises(UserError, match=words):
        make()


def test_what_a_label_holds_is_said():
    assert repr(Labelled(np.zeros((3, 4), bool), name="dust")) == "Labelled(dust: 0 of 12 cells)"
    assert repr(Labelled(np.eye(2), name="dust", time="2022-06-03T12:00:00Z")) == "Labelled(dust at 2022-06-03T12:00:00Z: 2 of 4 cells)"
    assert repr(Labelled(np.eye(3)) & Band(0, 10)) == "(Labelled(mask: 3 of 9 cells) & Band(south=0, north=10))"
