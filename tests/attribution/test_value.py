"""The number that is attributed is a study's linear outcome, and its gradient is its slope."""

import dataclasses

import numpy as np
import pytest
import torch
from aurorascope.attribution.value import Value
from aurorascope.errors import UserError
from aurorascope.studies.outcomes import Linear, Reader
from aurorascope.studies.where import cells_of

from tests.attribution.planted import DAY, OUTCOME, Forecasting, value_of

TERMS = [{"variable": "2t", "coefficient": 2}, {"variable": "msl", "coefficient": -0.5}, {"variable": "10u", "coefficient": 1}]


@pytest.fixture(scope="module")
def forecast():
    with torch.no_grad():
        return Forecasting()(DAY)


@pytest.mark.parametrize("changes", [{}, {"region": {"box": [-30, 40, 300, 60]}}, {"variable": None, "terms": TERMS}])
def test_it_is_the_studys_and_its_gradient_the_slope(forecast, changes):
    outcome = Linear.read("the outcome", {key: each for key, each in (OUTCOME | changes).items() if each is not None})
    value, other = Value(outcome, DAY, None), dataclasses.replace(
        forecast, surf_vars={name: field + 0.3 * torch.sin(3 * field + at) for at, (name, field) in enumerate(forecast.surf_vars.items())}
    )
    value.set_clean(forecast)
    place = cells_of(DAY.metadata.lat.numpy(), DAY.metadata.lon.numpy())
    area_yx = place.area_n.reshape(place.plane.shape)
    held = outcome.where.region("", "", None).holds(place).reshape(area_yx.shape)
    reader = Reader([outcome], {"warmth": held * area_yx}, area_yx, DAY, forecast)
    assert value.read(other) == reader.read(other)["warmth"] and value.floor() == reader.rounding(outcome)
    assert float(value.differentiable(other)) == pytest.approx(value.read(other), rel=1e-12)
    fields = {name: field.clone().requires_grad_() for name, field in other.surf_vars.items()}
    value.differentiable(dataclasses.replace(other, surf_vars=fields)).backward()
    assert sum(float((field.grad * field.detach()).sum()) for field in fields.values() if field.grad is not None) == pytest.approx(
        value.read(other), rel=1e-12
    )
    assert not fields["2t"].grad[0, 0][~torch.from_numpy(held)].any()


def test_a_forecast_that_says_nothing_is_refused(forecast):
    value = value_of()
    with pytest.raises(UserError, match="finite numbers"):
        value.set_clean(dataclasses.replace(forecast, surf_vars={**forecast.surf_vars, "2t": forecast.surf_vars["2t"] * np.nan}))
    value.set_clean(dataclasses.replace(forecast, surf_vars={**forecast.surf_vars, "2t": DAY.surf_vars["2t"][:, -1:]}))
    with pytest.raises(UserError, match="moves there"):
        value.differentiable(forecast)


def test_a_region_without_a_cell_and_a_variable_that_there_is_not_are_refused():
    with pytest.raises(UserError, match="at least one cell"):
        value_of(region={"box": [0.1, 0.2, 0.1, 0.2]})
    with pytest.raises(UserError, match="2d"):
        value_of(variable="2d")


@pytest.mark.parametrize("coefficient", [0, "0.0", 1e300, 10**400, -2e6])
def test_a_coefficient_that_makes_nothing_of_its_term_is_refused(coefficient):
    with pytest.raises(UserError, match="term 0, coefficient: expected a "):
        Linear.read("the outcome", {"name": "warmth", "terms": [{"variable": "2t", "coefficient": coefficient}]})
