"""One world's scored features, tables and summary, for all tests of the atlas."""

import numpy as np
import pytest
from aurorascope.atlas.baselines import Variables
from aurorascope.atlas.evaluate import PlaneBaselines
from aurorascope.atlas.score import score_features
from aurorascope.atlas.write import make_tables

from tests.atlas.planted import mix, planted_features, planted_world, source_of
from tests.atlas.test_verdicts import SETTINGS


def variables_of(world, noise=0.8):
    """The wind with noise, and noise."""
    rng, n = np.random.default_rng(0), len(world.times)
    wind = world.plane.total(world.fields["storm"] * world.area_y[:, None]) / world.plane.area_p.reshape(world.plane.shape)
    wind = wind.reshape(n, -1) + noise * rng.standard_normal((n, world.plane.n))
    return Variables(("wind", "noise"), np.stack([wind, rng.standard_normal(wind.shape)], axis=1).astype(np.float32))


@pytest.fixture(scope="session")
def planted(tmp_path_factory):
    """Score, tables and summary of a world's features, with held-out dates of another year."""
    folder, world, other = tmp_path_factory.mktemp("atlas"), planted_world(), planted_world(7, 24)
    features = planted_features(world, 0, 20)
    (x, sae), (x_other, _) = mix(features), mix(planted_features(other, 7, 20))
    scored = score_features(
        sae, source_of(x, world.times), world.labels(folder), SETTINGS, folder,
        held_out=(source_of(x_other, other.times), other.labels(folder)), on_plane=PlaneBaselines(variables_of(world), folder),
    )
    return scored, *make_tables(scored, sae, world.grid)
