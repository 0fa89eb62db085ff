"""Maps, histograms and the weather around examples, against sums over dense arrays."""

import numpy as np
import pandas as pd
import pytest
from aurorascope.atlas.fields import SHOWN_FIELDS, example_times, fields_table, shown_fields
from aurorascope.atlas.maps import MapSettings, mapped_features, maps_table
from aurorascope.atlas.naming import Name
from aurorascope.atlas.score import score_features
from aurorascope.errors import UserError

from tests.atlas.planted import mix, planted_features, planted_world, source_of
from tests.atlas.test_verdicts import SETTINGS


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """A dozen dates, which are too few for labels; values are of the ten that are in use."""
    import torch

    folder, world = tmp_path_factory.mktemp("few"), planted_world(3, 12)
    x, sae = mix(planted_features(world, 3, 4))
    with torch.inference_mode():
        h = np.stack([sae.encode(torch.from_numpy(each)).numpy() for each in x])
    scored = score_features(sae, source_of(x, world.times), world.labels(folder), SETTINGS, folder)
    assert len(scored.used) == 10
    return world, h[scored.used], scored


@pytest.fixture(scope="module")
def table(few):
    return maps_table(few[2], None, False, MapSettings(strongest=5))


def test_every_feature_that_is_on_has_a_histogram_and_the_strongest_have_maps(few, table):
    _, h, _ = few
    peak = h.max(axis=(0, 1))
    assert table["feature"].tolist() == np.flatnonzero(peak > 0).tolist()
    assert set(table["feature"][table["mean"].notna()]) == set(np.argsort(-peak)[:5].tolist())
    assert (table["mean"].notna() == table["strongest"].notna()).all()


def test_maps_are_means_over_dates_and_values_at_the_strongest(few, table):
    world, h, scored = few
    for row in table.dropna(subset="mean").itertuples():
        of = h[:, :, row.feature]
        when = int(of.max(axis=1).argmax())
        assert row.time == world.times[scored.used[when]]
        np.testing.assert_allclose(row.mean, of.mean(axis=0), rtol=2e-3, atol=1e-6)
        np.testing.assert_allclose(row.strongest, of[when], rtol=1e-3, atol=1e-6)
        assert row.mean.dtype == row.strongest.dtype == np.float32 and ((row.strongest > 0) == (of[when] > 0)).all()


def test_histograms_are_shares_of_the_area(few, table):
    world, h, scored = few
    area = np.tile(world.plane.area_p, 4 * len(h)).astype(float)
    for row in table.itertuples():
        values = h[:, :, row.feature].reshape(-1)
        # The atlas holds values as float16.
        values = (values / scored.entries.scale).astype(np.float16).astype(float) * scored.entries.scale
        edges = row.edges
        found, _ = np.histogram(values[values > 0], [1e-300, *edges[1:-1], np.inf], weights=area[values > 0])
        np.testing.assert_allclose(row.histogram, found / area.sum(), rtol=1e-12, atol=1e-15)
        assert row.histogram.sum() == pytest.approx(scored.density_f[row.feature], rel=1e-12) and edges[-1] >= values.max()


def test_labelled_features_have_maps_however_weak(few):
    _, _h, scored = few
    peak = scored.entries.peaks(scored.used).astype(float)
    alive = np.flatnonzero(peak > 0)
    weak, silent = int(alive[peak[alive].argmin()]), int(np.flatnonzero(peak == 0)[0])
    names = [Name(0, 1, 0.5, "event", "storm" if feature in (weak, silent) else "", "") for feature in range(scored.entries.n_features)]
    assert mapped_features(scored, names, MapSettings(strongest=0)).tolist() == [weak]
    assert mapped_features(scored, names, MapSettings(strongest=1)).tolist() == sorted({weak, int(peak.argmax())})
    assert len(maps_table(scored, None, True, MapSettings(0)).dropna(subset="mean")) == 0


def test_less_than_no_maps_are_refused():
    with pytest.raises(UserError, match="strongest"):
        MapSettings(-1)


def test_fields_are_area_means_of_the_weather(few):
    world = few[0]
    rng, shape = np.random.default_rng(0), (len(world.lat), len(world.lon))
    names = [*(name for name in SHOWN_FIELDS if name != "wind10"), "u10", "v10"]
    surface = {name: rng.standard_normal(shape).astype(np.float32) for name in names}
    found = shown_fields(surface, world.plane)
    assert found.shape == (len(SHOWN_FIELDS), world.plane.n) and found.dtype == np.float32
    weight = world.area_y[:, None] * np.ones(shape)
    for at, name in enumerate(SHOWN_FIELDS):
        field = np.hypot(surface["u10"].astype(float), surface["v10"]) if name == "wind10" else surface[name]
        for y, x in ((0, 0), (7, 11), (14, 29)):
            cells = slice(3 * y, 3 * y + 3), slice(3 * x, 3 * x + 3)
            assert found[at, y * 30 + x] == pytest.approx((field[cells] * weight[cells]).sum() / weight[cells].sum(), rel=1e-5, abs=1e-6)
    del surface["v10"]
    with pytest.raises(UserError, match="no v10"):
        shown_fields(surface, world.plane)


def test_a_table_of_fields_has_a_row_a_time_and_field():
    times = example_times([pd.DataFrame({"time": ["b", "a"]}), pd.DataFrame({"time": ["c", "a"]})])
    assert times == ["a", "b", "c"]
    value = np.arange(3 * 6 * 4, dtype=np.float64).reshape(3, 6, 4)
    table = fields_table(times, value)
    assert len(table) == 18 and table["values"].iloc[7].tolist() == value[1, 1].tolist() and table["variable"].iloc[7] == "pm10"
    with pytest.raises(UserError, match="3 times of 6 fields"):
        fields_table(times, value[:, :5])
