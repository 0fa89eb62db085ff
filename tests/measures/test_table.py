import numpy as np
import pytest
from aurorascope.blocks import BY_ID
from aurorascope.measures.held_out.formulas import FORMULAS
from aurorascope.measures.held_out.metrics import headline
from aurorascope.measures.held_out.table import table, token_groups
from aurorascope.tokens import token_grid

from tests.measures.summing import one_snapshot

D, H = 6, 12
BANDS = (-90.0, -30.0, 0.0, 30.0, 90.0)


def made(sums, bands):
    return table(headline(sums), sums, bands)


def grid():
    return token_grid(BY_ID["encoder_s0_b0"], np.linspace(90, -90, 19), np.arange(36) * 10.0)


def test_groups_are_level_and_band():
    """Each token's group says its latent level and its latitude band, an edge belonging to the band north of it."""
    cells = grid()
    groups, n_bands = token_groups(cells, BANDS), len(BANDS) - 1
    level, band = np.divmod(groups.reshape(cells.shape), n_bands)
    assert (level == np.arange(4)[:, None, None]).all()
    assert cells.lat.tolist() == [80, 50, 20, -10, -40, -70]
    assert band[0, :, 0].tolist() == [3, 3, 2, 1, 0, 0]
    assert token_groups(cells, (-90.0, 20.0, 90.0))[:72:12].tolist() == [1, 1, 1, 0, 0, 0]


def test_tokens_outside_the_bands_belong_to_none():
    """With bands of the tropics alone, the poles are not counted as tropics."""
    cells = grid()
    groups = token_groups(cells, (-30.0, 30.0))
    x = np.random.default_rng(0).standard_normal((cells.n_tokens, D))
    found = made(one_snapshot(x, x, np.ones((cells.n_tokens, H)), groups), (-30.0, 30.0))
    rows = found[(found["scope"] == "group") & (found["metric"] == "fve")]
    assert rows["level"].tolist() == ["surface", "atmos_1", "atmos_2", "atmos_3"]
    assert rows["n"].tolist() == [2 * 12] * 4


def test_table_names_formula_level_and_band():
    """Each row of the table carries its formula's id, its place and its count."""
    cells = grid()
    x = np.random.default_rng(0).standard_normal((cells.n_tokens, D))
    h = np.ones((cells.n_tokens, H))
    found = made(one_snapshot(x, 0.5 * x, h, token_groups(cells, BANDS), cells.area.reshape(-1)), BANDS)
    assert list(found.columns) == ["metric", "formula_id", "scope", "level", "lat_band", "at", "value", "n"]
    overall = found[found["scope"] == "all"].set_index("metric")
    assert set(overall.index) <= set(FORMULAS)
    assert all(overall["formula_id"][name] == FORMULAS[name][0] for name in overall.index)
    group = found[(found["scope"] == "group") & (found["metric"] == "fve")]
    assert len(group) == 16 and group["n"].sum() == cells.n_tokens
    assert group["lat_band"].tolist()[:4] == ["-90..-30", "-30..0", "0..30", "30..90"]
    assert group["level"].tolist()[::4] == ["surface", "atmos_1", "atmos_2", "atmos_3"]


def test_scores_of_groups_follow_from_their_sums():
    """Each group's FVE is 1 - sse / sst of the same group's rows."""
    cells = grid()
    rng = np.random.default_rng(1)
    x = rng.standard_normal((cells.n_tokens, D)) + 5
    x_hat = x + rng.standard_normal(x.shape)
    found = made(one_snapshot(x, x_hat, np.ones((cells.n_tokens, H)), token_groups(cells, BANDS)), BANDS)
    group = found[found["scope"] == "group"].pivot(index=["level", "lat_band"], columns="metric", values="value")
    np.testing.assert_allclose(group["fve"], 1 - group["sse"] / group["sst"], rtol=1e-12)
    assert group["sse"].sum() == pytest.approx(((x - x_hat) ** 2).sum(), rel=1e-12)


def test_raw_counts_are_those_of_the_features():
    """Tokens of each feature, tokens of each L0 and the density histogram, from the table alone."""
    cells = grid()
    rng = np.random.default_rng(2)
    n = cells.n_tokens
    h = (rng.random((n, H)) < np.linspace(0, 1, H)) * rng.choice([-1.0, 1.0], (n, H))
    found = made(one_snapshot(np.ones((n, D)), np.ones((n, D)), h, token_groups(cells, BANDS)), BANDS)
    scopes = {scope: rows.set_index("at")["value"] for scope, rows in found.groupby("scope") if scope != "group"}
    assert scopes["feature"].tolist() == (h != 0).sum(0).tolist()
    l0, counts = np.unique((h != 0).sum(1), return_counts=True)
    assert scopes["l0"].to_dict() == dict(zip(l0, counts, strict=True))
    assert scopes["density"].sum() == H - 1 and scopes["density"][0.0] == 1
