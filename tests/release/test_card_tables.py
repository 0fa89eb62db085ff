"""The model card's tables, with numbers that are there and numbers that are not."""

import pytest
from aurorascope.measures.held_out.formulas import FORMULAS
from aurorascope.release.card import block_table, stage_table


def sae(**metrics):
    numbers = {name: 0.5 for name in FORMULAS} | metrics
    grid = {"latent_levels": 4, "lat": 8, "lon": 15}
    return {"id": "encoder_s1_b5", "component": "encoder", "stage": 1, "d_model": 64, "d_hidden": 512, "token_grid": grid,
            "sha256": "0" * 64, "metrics": numbers}


@pytest.mark.parametrize("table", [stage_table, block_table])
def test_rows_have_a_cell_for_every_heading(table):
    """A cell a column, also where a metric is undefined, which reads n/a."""
    undefined = dict.fromkeys(("fve", "fve_anom", "fve_area", "fve_pca", "fve_anom_pca", "fve_climatology"))
    for saes in ([sae()], [sae(**undefined)], [sae(), sae(**undefined)]):
        head, rule, *rows = table(saes).split("\n")
        assert {line.count("|") for line in (head, rule, *rows)} == {head.count("|")}
        assert ("n/a" in rows[-1]) == (saes[-1]["metrics"]["fve"] is None and (table is block_table or len(saes) == 1))


def test_baselines_stand_beside_the_score():
    """What a map of means and PCA explain is in the stage table, PCA in both."""
    row = stage_table([sae(fve=0.9, fve_climatology=0.81, fve_pca=0.72)]).split("\n")[2]
    assert row.index("90.0") < row.index("81.0") < row.index("72.0")
    assert "72.0, 61.0" in block_table([sae(fve_pca=0.72, fve_anom_pca=0.61)])
