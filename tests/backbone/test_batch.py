"""The batch is what Aurora expects, whatever zone the host is in."""

import datetime

import numpy as np
import pytest
import torch
from aurorascope.backbone.batch import make_batch
from aurorascope.backbone.hooks import run_to_blocks
from aurorascope.blocks import BY_ID
from aurorascope.errors import UserError

from tests.backbone import small

pytestmark = pytest.mark.slow


def test_history_order_names_and_times(batch, states):
    """Index 0 is 12 hours before index 1; names are Aurora's; the time is aware and UTC."""
    (previous, current), static = states
    assert torch.equal(batch.surf_vars["2t"][0, 0], torch.from_numpy(previous["t2m"].values))
    assert torch.equal(batch.surf_vars["2t"][0, 1], torch.from_numpy(current["t2m"].values))
    assert torch.equal(batch.atmos_vars["so2"][0, 1], torch.from_numpy(current["so2"].values))
    assert batch.metadata.time == (datetime.datetime(2022, 6, 1, 12, tzinfo=datetime.UTC),)
    assert batch.metadata.atmos_levels == tuple(int(level) for level in current["level"])
    assert set(batch.static_vars) == set(static)


def test_statics_on_another_grid_are_refused(states):
    """The error names the variable and both shapes."""
    (previous, current), static = states
    other = {name: np.zeros((10, 9), np.float32) for name in static}
    with pytest.raises(UserError, match=r"the states' grid \(19, 36\)"):
        make_batch(previous, current, time="2022-06-01T12:00:00Z", static=other)


def test_activations_do_not_depend_on_the_time_zone(zone):
    """Two hosts, two zones, the same bytes."""
    found = []
    for name in ("UTC", "America/Los_Angeles"):
        zone(name)
        batch = small.small_batch(small.small_states())
        run_to_blocks(small.small_model(), batch, [BY_ID["encoder_s0_b1"]], lambda _, x_nd: found.append(x_nd.clone()))
    assert torch.equal(*found) and found[0].any()
