"""A record that was edited by hand is not believed: words and numbers are judged again from the table of effects."""

import argparse
import contextlib
import copy
import json

import pytest
from aurorascope.cli import verify
from aurorascope.errors import UserError
from aurorascope.studies.finished import read_finished
from aurorascope.studies.judged import check_judged

from tests.studies import folder
from tests.studies.drawing import draw, results_like

pytestmark = pytest.mark.filterwarnings("ignore::aurorascope.studies.UnseenWarning")


@pytest.fixture(scope="module")
def finished(small, finished_study):
    """Names of a study of an edit and of one of changed inputs."""
    folder.write_file(small.path, "more", folder.given_inputs(blocks=None, outcomes=folder.INPUT_OUTCOMES[:2]))
    with contextlib.chdir(small.path):
        folder.run("more")
    return finished_study, "more"


def edit(path, change):
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))


def _more(verdict, key):
    verdict[key] *= 1 + 1e-6


EDITS = {
    "word": lambda record: record.update(word="effect" if record["word"] != "effect" else "within floor"),
    "outcomes, low, word": lambda record: record["outcomes"]["low"].update(word="diverged_at_step"),
    "effect": lambda record: _more(record["outcomes"]["low"], "effect"),
    "controls_95": lambda record: _more(record["outcomes"]["low"], "controls_95"),
    "floor": lambda record: _more(record["outcomes"]["low"], "floor"),
    "doses, 2": lambda record: _more(record["outcomes"]["low"]["doses"][2], "effect"),
    "interval": lambda record: record["outcomes"]["low"].update(interval=[-1.0, 1.0]),
    "sign_as_expected": lambda record: record["outcomes"]["low"].update(sign_as_expected=True),
    "n_exposed": lambda record: record["outcomes"]["low"].update(n_exposed=0),
    "dates": lambda record: record.update(dates=record["dates"][:1]),
    "diverged_at_step": lambda record: record.update(diverged_at_step={"feature_1": 1}),
    "effects.parquet has": lambda record: record["asked"].update(steps=2),
    "can be read": lambda record: record["asked"].update(seed=-1),
}


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("named", EDITS)
def test_an_edited_record_is_refused_with_the_command_that_makes_it_again(small, finished, tmp_path, named, which):
    results = results_like(small, tmp_path)
    name = finished[which]
    assert read_finished(results, name).record["study"] == name
    edit(results / "studies" / name / "record.json", EDITS[named])
    with pytest.raises(UserError, match=named) as caught:
        read_finished(results, name)
    assert caught.value.fix.startswith("rm -f ") and f"studies/{name}/record.json" in caught.value.fix and "\n" not in str(caught.value)


def test_drawing_and_verify_refuse_it(small, finished, tmp_path, capsys):
    def check():
        parser = argparse.ArgumentParser()
        verify.add_arguments(parser)
        verify.run(parser.parse_args(["--results", str(results)]), folder.config())

    results = tmp_path / "results"
    (results / "studies").parent.mkdir()
    results_like(small, tmp_path / "other")
    (tmp_path / "other/results/studies").rename(results / "studies")
    (results / "scratch").mkdir()
    check()
    edit(results / "studies" / finished[0] / "record.json", EDITS["effect"])
    with pytest.raises(UserError, match="1 damaged"):
        check()
    assert "which effects.parquet gives" in capsys.readouterr().out
    with pytest.raises(UserError, match="outcomes, low, effect"):
        draw(results, finished[0])


def test_the_list_looks_at_the_first_outcome_alone(small, finished):
    study = read_finished(small.path / "results", finished[0])
    record = copy.deepcopy(dict(study.record))
    EDITS["effect"](record)
    path = study.folder / "record.json"
    check_judged(path, record, study.tables["effects"], 1)
    with pytest.raises(UserError, match="low, effect"):
        check_judged(path, record, study.tables["effects"])
