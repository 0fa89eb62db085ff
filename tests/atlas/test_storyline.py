"""Labels and scales over depth: the tables from planted atlases, and what the figures show of them."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from aurorascope.atlas.storyline import scale_row, storyline_rows
from aurorascope.blocks import BLOCKS
from aurorascope.figures import style
from aurorascope.figures.storyline import draw_scale, draw_storyline


def label(name, status="ok"):
    return {"id": name, "status": status, "base_rate": {"select": 0.1, "test": 0.1}, "f1_of_base_rate": 0.2 / 1.1}


def atlas(gate="calibrated", shift=0):
    """Two labels of which one has no pairs; of `storm` the best on `select` is feature 2, not the best on `test`."""
    labels = pd.DataFrame({
        "feature": [5, 2, 7], "sign": [1, -1, 1], "label": "storm", "verdict": ["event", "place", "event"],
        "f1_select": [0.6, 0.7, 0.7], "f1_test": [0.9, 0.5, 0.95], "gain": [0.1, 0.2, 0.3],
    })
    features = pd.DataFrame({"label": ["storm", "", "storm"], "density": [0.1, 0.0, 0.2], "scale_km": [100.0 + shift, np.nan, 300.0 + shift]})
    return {"verdict": gate, "labels": [label("storm"), label("quake", "too_rare")]}, features, labels


def test_a_label_has_the_feature_that_was_chosen_on_other_dates():
    storm, quake = storyline_rows("encoder_s1_b5", *atlas()).to_dict("records")
    assert (storm["feature"], storm["sign"], storm["f1_test"], storm["verdict"]) == (2, -1, 0.5, "place")
    assert (storm["depth"], storm["n_labelled"], storm["gate"]) == (11, 2, "calibrated")
    assert quake["feature"] == -1 and np.isnan(quake["f1_test"]) and quake["status"] == "too_rare"


def test_too_few_dates_have_no_rows():
    assert len(storyline_rows("encoder_s1_b5", {"verdict": "too_few_dates"}, *atlas()[1:])) == 0


def test_scales_are_quantiles_of_the_features_that_have_one():
    row = scale_row("decoder_s0_b1", atlas()[1], 75)
    assert (row["n"], row["n_on"], row["km_50"], row["km_25"]) == (2, 2, 200.0, 150.0)
    assert row["token_km"] == pytest.approx(40030 / 75, rel=1e-3)
    empty = scale_row("decoder_s0_b1", atlas()[1].assign(scale_km=np.nan), 75)
    assert empty["n"] == 0 and np.isnan(empty["km_50"])


def test_figures_show_what_the_tables_say(tmp_path, monkeypatch):
    """A score a cell, marks only where the gate is calibrated, hatches where there is no atlas; and the tables beside them."""
    drawn, save = {}, style.save

    def keep(figure, table, png):
        axis = figure.axes[0]
        marks = {each.get_label(): len(each.get_offsets()) for each in axis.collections}
        drawn[png.stem] = (marks, [image.get_array() for image in axis.images], sum(patch.get_hatch() is not None for patch in axis.patches))
        save(figure, table, png)

    monkeypatch.setattr(style, "save", keep)
    blocks = [BLOCKS[0].id, BLOCKS[11].id]
    rows = pd.concat([storyline_rows(block, *atlas(gate)) for block, gate in zip(blocks, ("calibrated", "uncalibrated"), strict=True)])
    draw_storyline(rows, tmp_path / "storyline.png")
    marks, (scores,), hatched = drawn["storyline"]
    assert (marks["place"], marks["event"], hatched) == (1, 0, len(BLOCKS) - 2)
    assert scores.shape == (2, len(BLOCKS)) and scores[0, 0] == scores[0, 11] == 0.5 and np.ma.count(np.ma.masked_invalid(scores)) == 2
    draw_scale(pd.DataFrame([scale_row(block, atlas()[1], 300) for block in blocks]), tmp_path / "scale_over_depth.png")
    draw_storyline(storyline_rows(blocks[0], {"verdict": "too_few_dates"}, *atlas()[1:]), tmp_path / "nothing.png")
    assert drawn["nothing"][2] == len(BLOCKS) and pd.read_csv(tmp_path / "nothing.csv").empty
    for name, n in (("storyline", 4), ("scale_over_depth", 2)):
        assert (tmp_path / f"{name}.png").stat().st_size > 5000 and len(pd.read_csv(tmp_path / f"{name}.csv")) == n
    assert not plt.get_fignums()
