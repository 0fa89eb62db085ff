"""An atlas's features say which of them other seeds found, from the real comparison of dictionaries whose share is known."""

import numpy as np
import pandas as pd
import pytest
from aurorascope.atlas.ids import feature_ids
from aurorascope.measures.stability.found import SEED_COLUMNS, with_seeds

from tests.atlas.seeds import BOTH, DEAD, ONE, N, planted_comparison

BLOCK = "encoder_s0_b0"


def features(signed=False):
    """Of an atlas, every third with a badge."""
    table = feature_ids(2 * N if signed else N, signed)
    return table.assign(badges=np.where(table["feature"] % 3 == 0, "dense", ""), density=0.1)


@pytest.mark.parametrize("signed", [False, True])
def test_features_in_other_seeds_are_found_again(signed):
    """Both, one or none of them; a latent's two signs have one direction, which another seed may have turned round."""
    before = features(signed)
    found = with_seeds(before, planted_comparison(BLOCK, signed))
    pd.testing.assert_frame_equal(found[["feature", "sign", "density"]], before[["feature", "sign", "density"]])
    at = found["feature"].to_numpy()
    expected = np.select([at == DEAD, at < BOTH, at < ONE], [0, 2, 1], 0)
    assert found["seeds_matched"].tolist() == expected.tolist() and set(found["seeds_compared"]) == {2}
    np.testing.assert_allclose(found["seed_match"][expected > 0], 1, atol=1e-6)
    others = found["seed_match"][(at >= ONE)]
    assert others.between(0, 0.7).all() and np.isnan(found["seed_match"][at == DEAD]).all()
    badges = [[word for word in ("dense", "seed_match") if {"dense": feature % 3 == 0, "seed_match": n == 2}[word]] for feature, n in zip(at, expected, strict=True)]
    assert [words.split(",") if words else [] for words in found["badges"]] == badges
    assert "seed_match" not in before and not before["badges"].str.contains("seed").any()


def test_without_a_comparison_or_a_match_nothing_is_said():
    content, table = planted_comparison(BLOCK)
    for comparison in (None, (content, table.iloc[:0])):
        found = with_seeds(features(), comparison)
        assert found[list(SEED_COLUMNS)].isna().all(axis=None) and found["badges"].equals(features()["badges"])


def test_pairs_of_other_seeds_say_nothing_of_the_released_one():
    content, table = planted_comparison(BLOCK)
    found = with_seeds(features(), (content, table))
    mine = with_seeds(features(), (content, table[table["seed_a"] == 0].sample(frac=1, random_state=0)))
    pd.testing.assert_frame_equal(found, mine)
    assert (table["seed_a"] == 1).sum() == N
