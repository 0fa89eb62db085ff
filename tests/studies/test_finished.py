"""Finished studies are read as they were written, damaged ones with a line; and where on the grid they changed something."""

import numpy as np
import pytest
from aurorascope.errors import UserError
from aurorascope.figures.study import draw_study_pictures
from aurorascope.files import write_json
from aurorascope.studies.finished import read_finished
from aurorascope.studies.outline import outlined_cells

from tests.studies import folder
from tests.studies.drawing import draw, results_like, with_record


@pytest.fixture(scope="module")
def results(small):
    return small.path / "results"


@pytest.fixture(scope="module")
def study(results, finished_study):
    return read_finished(results, finished_study)


def test_a_finished_study_is_read_as_it_was_written(small, study):
    assert study.record == folder.record(small.path, study.name) and not study.changes_inputs
    assert [asked["name"] for asked, _ in study.outcomes] == ["warmth", "low"] and study.blocks == [folder.BLOCK]
    for asked, verdict in study.outcomes:
        effects = study.effects_of(asked["name"]).set_index("arm")["effect"]
        assert effects["feature_1"] == verdict["effect"]
        assert {name: effects[name] for name in verdict["arms"]} == verdict["arms"]
        assert {row["dose"]: row["effect"] for row in verdict["doses"]} == {
            float(dose): effect for dose, effect in study.effects_of(asked["name"]).query("kind in ('feature', 'minus_feature')")[["dose", "effect"]].to_numpy()
        }
    assert [(name, list(parts)) for name, parts in study.fields()] == [("t_850", ["total"]), ("msl", ["total"])]


@pytest.mark.parametrize(("name", "damage", "expected"), [
    ("effects.parquet", lambda path: path.write_bytes(path.read_bytes()[:-1] + b"x"), "expected sha256"),
    ("fields.nc", lambda path: path.unlink(), "found no such file"),
    ("record.json", lambda path: path.unlink(), "expected a record of kind study"),
    ("record.json", lambda path: path.write_text(path.read_text().replace('"word"', '"wort"')), "a record as its schema says"),
    ("record.json", lambda path: path.write_text(path.read_text()[:-20]), "unreadable JSON"),
])
def test_a_damaged_study_is_refused_with_a_line(small, study, tmp_path, name, damage, expected):
    results = results_like(small, tmp_path)
    damage(results / "studies" / study.name / name)
    with pytest.raises(UserError, match=expected) as caught:
        draw(results, study.name)
    assert caught.value.fix.startswith("rm -f ") and "record.json" in caught.value.fix
    assert not (results / "studies" / study.name / "index.html").exists()


def test_other_static_fields_and_labels_are_refused(results, study, tmp_path):
    with pytest.raises(UserError, match="static fields"):
        draw_study_pictures(with_record(study, lambda record: record.update(static_sha256="0" * 64)), results)
    labelled = with_record(study, lambda record: (record["asked"].update(region={"label": "dust"}), record.update(labels_sha256={folder.DATES[0]: "0" * 64})))
    with pytest.raises(UserError, match=r"scratch/labels/2022-06-02.json"):
        outlined_cells(labelled, tmp_path, *axes(study))
    write_json(tmp_path / "scratch/labels/2022-06-02.json", {"kind": "labels", "labels": {"dust": {"sha256": "1"}}})
    with pytest.raises(UserError, match="the labels of 2022-06-02 that are there"):
        outlined_cells(labelled, tmp_path, *axes(study))


def axes(study):
    """Latitudes and longitudes of the input, whose last row Aurora leaves out."""
    return np.append(study.maps.latitude.values, -90.0), study.maps.longitude.values


def test_outlined_cells_are_those_of_the_region(results, study):
    lat, lon = axes(study)
    band = outlined_cells(study, results, lat, lon)
    assert set(band) == set(folder.DATES)
    assert all(np.array_equal(each, np.broadcast_to(np.abs(lat[:-1])[:, None] <= 60, (18, 36))) for each in band.values())
    everywhere = with_record(study, lambda record: record["asked"].update(region={"levels": ["surface"]}))
    assert outlined_cells(everywhere, results, lat, lon) == {}


def test_cells_of_changed_inputs_are_those_of_all_changes(results, study):
    lat, lon = axes(study)
    boxes = [{"scale": {"variables": ["co"], "factor": 2, "region": {"box": [0, 20, 350, 10]}}}, {"add_plume": {"region": {"band": [-40, -30]}}}]
    changed = with_record(study, lambda record: record.update(asked={"perturb": boxes}))
    found = outlined_cells(changed, results, lat, lon)[folder.DATES[0]]
    y, x = np.meshgrid(lat[:-1], lon, indexing="ij")
    assert np.array_equal(found, ((y >= 0) & (y <= 20) & ((x >= 350) | (x <= 10))) | ((y >= -40) & (y <= -30)))
    boxes[0]["scale"].pop("region")
    assert outlined_cells(changed, results, lat, lon) == {}
