"""Pictures of studies: numbers that do not run into each other, long names, and colours that show where a local edit acts."""

import dataclasses
import itertools

import numpy as np
import pytest
import yaml
from aurorascope.figures.study import draw_study_pictures
from aurorascope.figures.study_arms import draw_arms
from aurorascope.figures.study_doses import draw_doses
from aurorascope.figures.study_maps import colour_end
from aurorascope.pages.study_page import write_study_page
from aurorascope.studies.finished import read_finished
from matplotlib.figure import Figure

from tests.pages.test_html import Parsed
from tests.studies.drawing import results_like, with_record


@pytest.fixture(scope="module")
def results(small, finished_study, tmp_path_factory):
    return results_like(small, tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def study(results, finished_study):
    return read_finished(results, finished_study)


@pytest.fixture
def figures(monkeypatch):
    """Figures as they are written."""
    found, save = [], Figure.savefig

    def seen(self, *args, **more):
        found.append(self)
        return save(self, *args, **more)

    monkeypatch.setattr(Figure, "savefig", seen)
    return found


def boxes(texts):
    """Where texts lie, from left to right."""
    found = [each.get_window_extent() for each in texts if each.get_text() and each.get_visible()]
    return sorted(found, key=lambda box: box.x0)


@pytest.mark.parametrize("top", [0.0125, 0.0099, 0.013, 0.08, 3.3e-9, 123456.0])
def test_numbers_of_the_arms_do_not_run_into_each_other(study, figures, tmp_path, top):
    effects = study.tables["effects"]
    scale = top / effects["effect"].abs().max()
    small_range = dataclasses.replace(study, tables=study.tables | {"effects": effects.assign(effect=effects["effect"] * scale)})
    verdict = {"controls_95": top, "floor": top / 100, "effect": top / 2}
    draw_arms(with_record(small_range, lambda record: record["outcomes"]["low"].update(verdict)), "low", tmp_path / "arms.png")
    axis = figures[-1].axes[0]
    low, high = axis.get_xlim()
    labels = [label for label, at in zip(axis.get_xticklabels(), axis.get_xticks(), strict=True) if low <= at <= high]
    found = boxes(labels)
    assert len(found) >= 3 and all(left.x1 + 3 < right.x0 for left, right in itertools.pairwise(found))


@pytest.mark.parametrize("size", [0.0123, 3.2e-5, 0.17])
def test_sizes_above_the_doses_do_not_run_into_each_other(study, figures, tmp_path, size):
    def sized(record):
        for row in record["outcomes"]["low"]["doses"]:
            row["norms_mean"] = size * abs(row["dose"])

    draw_doses(with_record(study, sized), "low", tmp_path / "doses.png")
    above = figures[-1].axes[0].child_axes[0]
    found = boxes(above.get_xticklabels())
    assert len(found) >= 4 and all(left.x1 + 2 < right.x0 for left, right in itertools.pairwise(found))


def test_maps_have_the_long_names_of_fields(study, results, figures):
    draw_study_pictures(study, results)
    titles = {axis.get_title() for figure in figures for axis in figure.axes} - {""}
    assert {"temperature at 850 hPa", "mean sea level pressure", "mean sea level pressure, 2022-06-02"} <= titles


def test_a_local_change_keeps_its_colours():
    """Sixty of 65,000 cells change, each by another amount, and the rest by rounding: the largest is the end."""
    change_yx = np.random.default_rng(0).standard_normal((180, 360)) * 1e-9
    change_yx[40:46, 50:60] = np.linspace(0.5, -2, 60).reshape(6, 10)
    assert colour_end([change_yx]) == 2 and colour_end([change_yx, 3 * change_yx]) == 6
    assert colour_end([np.zeros((3, 4))]) == 0


def test_one_cell_of_many_that_change_is_beyond_the_colours():
    change_yx = np.random.default_rng(1).standard_normal((180, 360))
    change_yx[0, 0] = 20
    assert 3 < colour_end([change_yx]) < 5


def test_what_the_run_filled_in_is_marked(study, results, tmp_path):
    asked = with_record(study, lambda record: record.update(quiet_dates=["2022-06-01"]))
    asked = dataclasses.replace(asked, folder=tmp_path)
    write_study_page(asked, draw_study_pictures(asked, results), results)
    text = next(text for tag, text in Parsed((tmp_path / "index.html").read_text()).texts if tag == "pre" and "outcomes" in text)
    own, filled = text.split("# Filled in by the run where the file does not say it:")
    assert yaml.safe_load(own) == study.asked and yaml.safe_load(filled) == {"hour": 12, "quiet_dates": ["2022-06-01"]}
    assert yaml.safe_load(text) == {**study.asked, **yaml.safe_load(filled)}
