"""Outcomes against sums over cells, one at a time."""

import math

import numpy as np
import pytest
from aurorascope.errors import UserError
from aurorascope.interventions import Band
from aurorascope.studies.outcomes import Reader
from aurorascope.studies.study import read_study
from aurorascope.studies.where import cells_of

from tests.studies import planted
from tests.studies.linear import batch_of

LAT, LON = np.arange(85.0, -90, -10), np.arange(36) * 10.0
CELLS = cells_of(LAT, LON)
AREA_YX = CELLS.area_n.reshape(18, 36)
TERMS = [{"variable": "2t", "coefficient": 2.0}, {"variable": "msl", "coefficient": -0.5}]


def random_batch(seed):
    """A batch whose variables are all different."""
    draw, batch = np.random.default_rng(seed), batch_of()
    for name in batch.surf_vars:
        batch.surf_vars[name] = batch.surf_vars[name] + draw.standard_normal((1, 2, 18, 36))
    return batch


@pytest.fixture(scope="module")
def reader():
    specs = [
        {"kind": "linear", "name": "sum", "terms": TERMS, "region": {"band": [0, 60]}},
        {"kind": "msl_min", "name": "low", "region": {"band": [0, 60]}},
        {"kind": "wind_max", "name": "wind", "region": {"band": [0, 60]}},
    ]
    outcomes = read_study(planted.given(0, outcomes=specs)).outcomes
    area = (Band(0, 60).holds(CELLS) * CELLS.area_n).reshape(18, 36)
    # Areas are whole numbers, 2^-32 of the sphere, where the sums below have sines.
    return outcomes, Reader(list(outcomes), {each.name: area for each in outcomes}, AREA_YX, random_batch(0), random_batch(1))


def newest(batch, name):
    return batch.surf_vars[name][0, -1].numpy()


def weights(south, north):
    """Area of each cell between two latitudes, by its sines."""
    edge = np.deg2rad(5)
    return {
        (y, x): math.sin(math.radians(lat) + edge) - math.sin(math.radians(lat) - edge)
        for y, lat in enumerate(LAT) for x in range(36) if south <= lat <= north
    }


def mean(values, weight):
    return sum(values[at] * each for at, each in weight.items()) / sum(weight.values())


def test_values_are_those_of_sums_over_cells(reader):
    forecast, weight = random_batch(2), weights(0, 60)
    expected = 0.0
    for term in TERMS:
        moved = newest(random_batch(1), term["variable"]) - newest(random_batch(0), term["variable"])
        expected += term["coefficient"] * mean(newest(forecast, term["variable"]), weight) / math.sqrt(mean(moved**2, weight))
    found = reader[1].read(forecast)
    assert found["sum"] == pytest.approx(expected, rel=1e-7)
    assert found["low"] == min(newest(forecast, "msl")[at] for at in weight)
    assert found["wind"] == pytest.approx(max(math.hypot(*(newest(forecast, name)[at] for name in ("10u", "10v"))) for at in weight))


def test_divergence_and_its_part_on_target(reader):
    outcomes, found = reader
    forecast, weight, inside = random_batch(2), weights(-90, 90), weights(0, 60)
    d2 = target = 0.0
    for name in forecast.surf_vars:
        moved = newest(random_batch(1), name) - newest(random_batch(0), name)
        square = (newest(forecast, name) - newest(random_batch(1), name)) ** 2
        share = mean(square, weight) / mean(moved**2, weight)
        assert found.divergence(forecast)[0][name, None] == pytest.approx(share, rel=1e-7)
        d2 += share
        if name in ("2t", "msl"):
            target += sum(square[at] * inside[at] for at in inside) / sum(moved[at] ** 2 * weight[at] for at in weight)
    assert found.divergence(forecast, outcomes[:1])[1] == {outcomes[0].name: pytest.approx((target, d2), rel=1e-7)}


def test_rounding_is_what_float32_can_tell(reader):
    """Of numbers up to five, at most six times half a unit in the last place of one."""
    outcomes, found = reader
    assert 2.0**-24 < found.rounding(outcomes[1]) < 6 * 2.0**-24


def test_a_clean_forecast_that_stands_still_has_no_unit():
    outcomes = read_study(planted.given(0)).outcomes
    still = Reader(list(outcomes), {"warmth": AREA_YX}, AREA_YX, batch_of(), batch_of())
    with pytest.raises(UserError, match="moves there"):
        still.read(batch_of())


def test_rows_that_aurora_drops_are_no_cells():
    cells = cells_of(np.linspace(90, -90, 19), LON)
    assert cells.plane.shape == (18, 36) and Band(-90, 90).holds(cells).all()
