"""The plan's section on studies against studies as they run."""

import pytest
from aurorascope.blocks import BLOCKS
from aurorascope.costs.flops import forward_flops
from aurorascope.studies.arms import arms_of
from aurorascope.studies.costs import arms_at_most, studies_cost, study_cost
from aurorascope.studies.needs import needs_of
from aurorascope.studies.study import read_study
from aurorascope.studies.study_file import read_study_file

from tests.studies import folder

CONFIG, GRID = folder.config(), (19, 36)


def read(path, name="one", **changes):
    folder.write_file(path, name, folder.given(4, **changes))
    file = read_study_file(name, path / "studies")
    return file, needs_of(file, CONFIG.cams)


@pytest.mark.parametrize("n_controls", [None, 3])
def test_arms_are_counted_as_they_run(tmp_path, n_controls):
    file, _ = read(tmp_path, n_controls=n_controls)
    study = read_study({"name": file.name, **file.asked})
    controls = [((at, 1),) for at in range(study.n_controls)]
    assert arms_at_most(file) == len(arms_of(study, ((4, 1),), controls, True, True))


def test_forwards_of_one_step_are_saved_up_to_the_block(tmp_path):
    """By hand: two dates of 15 arms, of which four tenths are saved; each date runs up to the block twice."""
    file, needs = read(tmp_path, n_controls=1)
    cost = study_cost(file, needs, 0.4)
    assert cost.n_forwards == 2 * 15 and cost.whole == pytest.approx(2 * (15 * 0.6 + 2 * 0.4))
    file, needs = read(tmp_path, n_controls=1, steps=3, edit="normal")
    assert study_cost(file, needs, 0.4).n_forwards == 2 * 15 * 3
    assert study_cost(file, needs, 0.4).whole == pytest.approx(2 * (15 * 2.6 + 2 * 0.4) + 0.4)
    file, needs = read(tmp_path, n_controls=1, steps=3, edit_steps=[1, 2])
    cost = study_cost(file, needs, 0.4)
    assert cost.n_forwards == 2 * (2 + 15 * 2) and cost.whole == pytest.approx(2 * (2 + 15 * 1.6 + 2 * 0.4))


def test_the_section_names_each_study_and_what_is_wrong_with_one(tmp_path):
    folder.write_file(tmp_path, "a", folder.given(4))
    folder.write_file(tmp_path, "broken", folder.given(4, block="encoder_s9_b0"))
    ((section),) = studies_cost(CONFIG, GRID, None, tmp_path / "studies")
    assert section.title.endswith("no studies there yet")
    rows = {row[0]: row[1:] for row in section.rows}
    assert rows["a"][0] == "34 forwards" and "encoder_s1_b4" in rows["a"][1]
    assert rows["broken"][0] == "not counted" and "take encoder_s" in rows["broken"][1]
    forward = forward_flops(GRID, 13, 16)
    share = forward[folder.BLOCK] / forward[BLOCKS[-1].id]
    whole = 2 * (17 * (1 - share) + 2 * share)
    assert f"{1 - whole / 34:.0%} of them saved" in rows["a"][1]
    assert studies_cost(CONFIG, GRID, None, tmp_path / "none") == []


def test_a_finished_study_is_counted_as_there(small, finished_study):
    """Until its file changes."""
    results, files = small.path / "results", small.path / "studies"
    row = {row[0]: row for row in studies_cost(CONFIG, GRID, results, files)[0].rows}[finished_study]
    assert row[2].endswith("already there")
    n = folder.record(small.path, finished_study)["n_forwards"]
    # The placebo has no place where the region goes around the globe.
    assert row[1] == f"{n + len(folder.DATES)} forwards"
    row = {row[0]: row for row in studies_cost(CONFIG, GRID, None, files)[0].rows}[finished_study]
    assert "already" not in row[2]
