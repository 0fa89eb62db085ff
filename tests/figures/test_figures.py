"""What figures show is what the records say: their tables, partial suites, and values that are not defined."""

import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from aurorascope.blocks import BLOCK_IDS
from aurorascope.errors import UserError
from aurorascope.figures.groups import percent_norm
from aurorascope.figures.levels import draw_levels
from aurorascope.figures.page import draw_pages
from aurorascope.figures.suite import PANELS, draw_suite, suite_table
from aurorascope.figures.unet import colour_scale, draw_panel, text_of
from aurorascope.measures.measure import Panel
from aurorascope.spec import LATENT_LEVELS
from matplotlib.colors import LogNorm, to_hex
from matplotlib.patches import Rectangle

from tests.workflow.project import BLOCKS

ONE = BLOCKS[1]


@pytest.fixture
def axis():
    """An axis that is closed afterwards."""
    figure, axis = plt.subplots()
    yield axis
    plt.close(figure)


def cells(axis):
    """The patches of the 48 blocks, in forward order, and all texts."""
    patches = [patch for patch in axis.patches if isinstance(patch, Rectangle)]
    return dict(zip(BLOCK_IDS, patches, strict=True)), [text.get_text() for text in axis.texts]


def test_a_partial_suite_hatches_what_it_lacks(axis):
    """48 cells; those without an SAE are hatched and without a value, one without a value says n/a."""
    draw_panel(axis, PANELS[1], {"encoder_s0_b0": 97.5, "decoder_s2_b5": np.nan, "encoder_s2_b7": -345.8})
    patches, texts = cells(axis)
    hatched = [block for block, patch in patches.items() if patch.get_hatch()]
    assert set(patches) - set(hatched) == {"encoder_s0_b0", "decoder_s2_b5", "encoder_s2_b7"}
    assert {"97.5", "n/a", "-346"} <= set(texts) and sum(text.startswith("b") for text in texts) == 48
    assert to_hex(patches["encoder_s2_b7"].get_facecolor()) == "#b3417d"


def test_the_layout_is_a_u(axis):
    """The encoder's last and the decoder's first stage lie lowest, and no two cells overlap."""
    draw_panel(axis, PANELS[0], {})
    patches, _ = cells(axis)
    corners = {block: patch.get_xy() for block, patch in patches.items()}
    assert len(set(corners.values())) == 48
    assert corners["encoder_s0_b0"][1] == corners["decoder_s2_b0"][1] > corners["encoder_s1_b0"][1]
    assert corners["encoder_s2_b0"][1] == corners["decoder_s0_b0"][1] < corners["decoder_s1_b0"][1]
    assert max(x for block, (x, _) in corners.items() if "encoder" in block) < corners["decoder_s1_b0"][0]


def test_colour_scales_hold_for_any_values():
    """All alike, none at all, zeros on a logarithmic scale: every scale has an extent that holds its fixed end."""
    plain, percent, log = Panel("x", ""), Panel("x", "", low=None, high=100), Panel("x", "", is_log=True)
    assert (colour_scale(percent, [100.0]).vmin, colour_scale(plain, [0.0]).vmax) == (99, 1)
    assert colour_scale(percent, [-20.0, 50.0]).vmin == 0
    assert colour_scale(plain, []).vmax == 1
    assert isinstance(colour_scale(log, [0.0, 3.0]), LogNorm)
    assert colour_scale(log, [0.0, 3.0]).vmin == 3 < colour_scale(log, [3.0]).vmax
    for values in ([np.nan], [1.0], [-3.0, 0.5], []):
        norm = percent_norm(pd.Series(values, dtype=float))
        assert 0 <= norm.vmin < norm.vmax == 100


@pytest.mark.parametrize(
    ("value", "text"),
    [(99.84, "99.8"), (99.96, "100"), (-345.75, "-346"), (0.0, "0.0"), (0.0042, "4e-3"), (0.099, "0.1"), (np.nan, "n/a")],
)
def test_values_are_short(value, text):
    """At most five characters, at least one digit that counts."""
    assert text_of(value) == text


def test_undefined_metrics_are_empty_in_the_table():
    """Null in the index is empty, not 0 and not a word."""
    metrics = dict.fromkeys([panel.metric for panel in PANELS]) | {"fve": 0.5}
    table = suite_table([{"id": ONE, "metrics": metrics}])
    assert table["fve"].tolist() == [0.5] and table.drop(columns=["id", "fve"]).isna().all(axis=None)
    assert table.to_csv(index=False).splitlines()[1] == f"{ONE},0.5" + "," * (len(PANELS) - 1)


@pytest.mark.slow
def test_the_suites_table_is_the_index(suite):
    """Each number of suite.csv is that of the index, to the bit, also where forecasts were not measured."""
    table = pd.read_csv(suite.result("figures/suite.csv"), index_col="id", float_precision="round_trip")
    saes = suite.record("sae_index.json")["saes"]
    assert list(table.index) == [sae["id"] for sae in saes] == list(BLOCKS)
    for sae in saes:
        for name, value in table.loc[sae["id"]].items():
            assert sae["metrics"][name] == value or (sae["metrics"][name] is None and np.isnan(value))


@pytest.mark.slow
def test_measured_forecasts_get_panels_of_their_own(suite, tmp_path):
    """With fidelities in the index, null ones among them, the figure is taller by two panels."""
    index = suite.record("sae_index.json")
    for sae, fidelity in zip(index["saes"], (0.9, None, -2.0, None), strict=True):
        sae["fidelity_file"] = "fidelity/x.parquet"
        sae["metrics"] |= {"divergence": 0.004, "fidelity_position_mean": fidelity}
    (tmp_path / "index.json").write_text(json.dumps(index))
    draw_suite(tmp_path / "index.json", tmp_path / "suite.png")
    heights = [plt.imread(path).shape[0] for path in (suite.result("figures/suite.png"), tmp_path / "suite.png")]
    assert heights[1] / heights[0] == pytest.approx((0.6 + 1.52 * 7) / (0.6 + 1.52 * 5), abs=0.01)
    assert pd.read_csv(tmp_path / "suite.csv")["fidelity_position_mean"].isna().tolist() == [False, True, False, True]


def test_a_logarithmic_scale_has_the_cells_numbers():
    """4 and 6, as the cells have, no powers of ten."""
    figure, axis = plt.subplots()
    draw_panel(axis, Panel("x", "", is_log=True), {"encoder_s0_b0": 3.4, "decoder_s2_b5": 8.6})
    figure.canvas.draw()
    shown = [label.get_text() for label in figure.axes[-1].get_yticklabels(which="both")]
    plt.close(figure)
    assert {"4", "6"} <= set(shown) and not any("$" in text for text in shown)


@pytest.mark.slow
def test_a_page_holds_the_log_and_the_evaluation(suite):
    """Loss terms, L0, densities and groups of a page are those of the two tables that it was drawn from."""
    page = pd.read_csv(suite.result(f"figures/blocks/{ONE}.csv"), float_precision="round_trip")
    log = pd.read_parquet(suite.result(f"training/{ONE}.parquet"))
    evaluation = pd.read_parquet(suite.result(f"evaluation/{ONE}.parquet"))
    for name in ("loss", "mse", "aux", "l0", "frac_dead"):
        drawn = page[(page["panel"] == "training") & (page["series"] == name)]
        assert drawn["at"].tolist() == log["step"].tolist()
        np.testing.assert_allclose(drawn["value"], log[name], rtol=1e-7)
    for scope in ("density", "l0"):
        drawn = page[(page["panel"] == scope) & (page["series"] == "count")]
        kept = evaluation[evaluation["scope"] == scope]
        assert drawn[["at", "value"]].to_numpy().tolist() == kept[["at", "value"]].to_numpy().tolist()
    (n_dead,) = page.loc[page["series"] == "dead", "value"]
    features = page.loc[(page["panel"] == "density") & (page["series"] == "count"), "value"].sum()
    assert features + n_dead == (evaluation["scope"] == "feature").sum()
    groups = evaluation[(evaluation["scope"] == "group") & (evaluation["metric"] == "fve")]
    drawn = page[page["panel"] == "fve"]
    np.testing.assert_array_equal(drawn["value"], groups["value"])
    assert drawn["level"].tolist() == groups["level"].tolist() and set(groups["level"]) == set(LATENT_LEVELS)


@pytest.mark.slow
def test_levels_are_medians_over_a_stages_blocks(suite, tmp_path):
    """Two blocks given for one stage: the mean of both; a stage without a block is not in the table."""
    results = suite.result(".")
    draw_levels(BLOCKS, results, tmp_path / "all.png")
    assert (tmp_path / "all.csv").read_bytes() == suite.result("figures/levels.csv").read_bytes()
    table = pd.read_csv(tmp_path / "all.csv", float_precision="round_trip")
    assert set(zip(table["component"], table["stage"], strict=True)) == {
        ("encoder", 0), ("encoder", 1), ("decoder", 0), ("decoder", 2)
    }
    evaluation = pd.read_parquet(results / "evaluation" / f"{ONE}.parquet")
    groups = evaluation[(evaluation["scope"] == "group") & (evaluation["metric"] == "fve")]
    drawn = table[(table["component"] == "encoder") & (table["stage"] == 1)]
    for column in ("fve_median", "fve_min", "fve_max"):
        np.testing.assert_array_equal(drawn[column], groups["value"])
    assert drawn["n_blocks"].tolist() == groups["value"].notna().astype(int).tolist()


@pytest.mark.slow
def test_an_altered_table_is_not_drawn(finished):
    """A page refuses a training log or an evaluation's table that its record does not name."""
    for name in (f"evaluation/{ONE}.parquet", f"training/{ONE}.parquet"):
        path = finished.result(name)
        content = path.read_bytes()
        path.write_bytes(content + b"!")
        with pytest.raises(UserError, match=ONE):
            draw_pages([ONE], finished.result("."), finished.path / "other")
        path.write_bytes(content)
