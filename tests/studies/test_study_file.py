"""Studies' files: what is refused with the file's name, what a study needs, and which dates are quiet."""

import dataclasses
import datetime
import itertools

import pytest
from aurorascope.config.calendar import snapshots
from aurorascope.errors import UserError
from aurorascope.studies.claim import was_read
from aurorascope.studies.dates import QUIET_DAYS, quiet_dates
from aurorascope.studies.needs import asks_what_is_usual, needs_of
from aurorascope.studies.study import Change, read_study
from aurorascope.studies.study_file import naming, read_study_file, study_names

from tests.studies import folder

CAMS = folder.config().cams


@pytest.fixture
def written(tmp_path):
    """Write a file and read it."""

    def write(content, name="one"):
        folder.write_file(tmp_path, name, content)
        return read_study_file(name, tmp_path / "studies")

    return write


@pytest.mark.parametrize(("text", "words"), [
    ("block: a\nblock: b\n", "line 2: expected each key once, found block twice"),
    ("outcomes:\n- {kind: linear, name: a, name: b}\n", "line 2: expected each key once, found name twice"),
    ("block: [a\n", "expected YAML"),
    ("- a\n", "expected keys with values"),
    ("", "expected keys with values"),
    ("a: &a [*a]\n", "hold themselves"),
    ("name: other\n", "the file's name is the study's"),
    ("edit: {scale: .inf}\n", "edit, scale: expected a finite number"),
    ("edit: !!binary aGk=\n", "expected text, numbers"),
    ("edit: !!python/object/apply:os.getcwd []\n", "could not determine a constructor"),
    ("hour: 24\n", "hour: expected an hour"),
    ("? [a, b]\n: 2\n", "line 1: expected a word as a key, found a sequence"),
    ("hour: !!timestamp noon\n", "expected YAML"),
    ("hour: " + "[" * 2000 + "\n", "expected YAML"),
    ("region:\n  label:\n", "region, label: expected a value, found none. Next: give one, or leave the key out"),
    ("region:\n", "region: expected a value, found none"),
    ("dates: [2022-07-05, null]\n", "dates: expected a value, found none"),
    ("quiet_dates: [2022-02-30]\n", "line 1: expected a date that exists, YYYY-MM-DD, found 2022-02-30"),
    ("quiet_dates: [2022-6-3]\n", "quiet_dates: expected dates"),
    ("quiet_dates: [2022-06-01, 2022-06-01]\n", "each once"),
    ("n_controls: 1_0\n", "line 1: expected plain decimal numbers, such as 10 or 2.5e-3, found 1_0"),
    ("n_controls: 010\n", "line 1: expected plain decimal numbers"),
    ("n_controls: 0x10\n", "line 1: expected plain decimal numbers"),
    ("edit: {scale: 1:30}\n", "line 1: expected plain decimal numbers, such as 10 or 2.5e-3, found 1:30"),
    ("edit: {scale: 1_0.5}\n", "line 1: expected plain decimal numbers"),
    ("expected_sign: null\n", "expected_sign: expected a value, found none"),
])
def test_a_wrong_file_is_refused_by_name(written, tmp_path, text, words):
    with pytest.raises(UserError) as caught:
        written(text)
    assert words in str(caught.value) and str(caught.value).startswith(str(tmp_path / "studies" / "one.yaml"))


def test_a_missing_file_names_the_nearest(written, tmp_path):
    written(folder.given(1), "storm")
    with pytest.raises(UserError, match="take storm"):
        read_study_file("strom", tmp_path / "studies")


@pytest.mark.parametrize("name", ["", "../../x", ".x", "a b", "a/b", "é"])
def test_a_name_that_no_file_should_have_is_refused(written, tmp_path, name):
    written(folder.given(1))
    with pytest.raises(UserError, match="a name of letters, digits, _ and -"):
        read_study_file(name, tmp_path / "studies")


def test_a_folder_that_is_called_like_a_file_is_refused(tmp_path):
    """It is one of the names, so that whoever wants all studies hears of it."""
    (tmp_path / "studies" / "d.yaml").mkdir(parents=True)
    assert study_names(tmp_path / "studies") == ["d"]
    with pytest.raises(UserError, match=r"d.yaml: expected the file of a study, found a folder"):
        read_study_file("d", tmp_path / "studies")


def test_another_ending_is_not_passed_over(tmp_path):
    path = folder.write_file(tmp_path, "storm", folder.given(1))
    path.rename(path.with_suffix(".yml"))
    assert study_names(tmp_path / "studies") == ["storm"]
    with pytest.raises(UserError, match="rename it to storm.yaml"):
        read_study_file("storm", tmp_path / "studies")


def test_dates_are_read_as_text(written):
    """YAML turns what looks like a date into one."""
    file = written("dates: [2022-06-02, '2022-06-20']\nquiet_dates: [2022-07-05]\n")
    assert file.asked == {"dates": ["2022-06-02", "2022-06-20"]} and file.quiet_dates == ("2022-07-05",)


def test_what_is_needed_follows_from_the_file(written):
    later = {"kind": "feature", "name": "later", "block": folder.LATER, "feature": 3}
    needs = needs_of(written(folder.given(1, outcomes=[*folder.OUTCOMES, later])), CAMS)
    assert needs.blocks == (folder.BLOCK, folder.LATER) and needs.dates == folder.DATES and not needs.has_labels and not needs.quiet_dates
    assert needs.hour == 12 and needs.time("2022-06-02") == "2022-06-02T12:00:00Z"
    outcome = folder.OUTCOMES[0] | {"region": {"label": "dust"}}
    assert needs_of(written(folder.given(1, outcomes=[outcome])), CAMS).has_labels
    assert needs_of(written(folder.given(1, region={"label": "dust"})), CAMS).has_labels
    assert needs_of(written(folder.given(1, edit="normal")), CAMS).quiet_dates == ("2022-07-05",)
    assert needs_of(written(folder.given(1, edit="normal", quiet_dates=["2022-06-01"])), CAMS).quiet_dates == ("2022-06-01",)


@pytest.mark.parametrize(("changes", "words"), [
    ({"block": "encoder_s0_c2"}, "block: expected a block of Aurora, found 'encoder_s0_c2'. Next: take encoder_s0_b2"),
    ({"block": None}, "block: expected a value, found none. Next: add the key block"),
    ({"dates": None}, "add the key dates"),
    ({"dates": ["2022-08-01"]}, "dates, 2022-08-01: expected a date with a configured snapshot"),
    ({"hour": 6}, "hour: expected one of cams.init_hours, 12"),
    ({"outcomes": [{"kind": "feature", "name": "a", "block": "decoder_s2_b6", "feature": 1}]}, "take decoder_s2_b5"),
    ({"outcomes": []}, "outcomes: expected a list"),
    ({"quiet_date": ["2022-07-05"]}, "quiet_date: expected one of the keys block, features,"),
    ({"quiet_date": ["2022-07-05"]}, "take quiet_dates"),
    ({"hours": 12}, "take hour"),
    ({"block": None, "blok": folder.BLOCK}, "blok: "),
    ({"block": None, "blok": folder.BLOCK}, "take block"),
    ({"xyzzy": 1}, "Next: take one of these"),
    ({"edit": None, "perturb": [], "block": None}, "features: expected one of the keys perturb,"),
    ({"edit": "normal", "quiet_dates": ["2022-08-01"]}, "quiet_dates, 2022-08-01"),
    ({"edit": "normal", "quiet_dates": ["2022-06-02"]}, "none of the study's"),
    ({"edit": "normal", "dates": ["2022-06-02", "2022-06-20", "2022-07-05"], "quiet_dates": None}, "no configured one"),
])
def test_what_cannot_be_planned_is_refused(written, changes, words):
    with pytest.raises(UserError) as caught:
        needs_of(written(folder.given(1, **changes)), CAMS)
    assert "one.yaml, " in str(caught.value) and words in str(caught.value)


def test_errors_of_a_study_name_its_file(written):
    """Those of its description, and no others."""
    file = written(folder.given(1, dates=["2022-06-02"], featurs=[2]))
    with pytest.raises(UserError, match=r"one.yaml, featurs: .* take features"), naming(file.path):
        read_study({"name": file.name, **file.asked})
    with pytest.raises(UserError, match=r"^elsewhere: "), naming(file.path):
        raise UserError("elsewhere", "a", "b", "c")


LOW = {"kind": "tracker", "name": "low", "lat": 30, "lon": 200, "reads": "shift"}


@pytest.mark.parametrize(("changes", "words"), [
    ({"region": {"levels": ["surfac"]}}, "region, levels: expected latent levels surface, atmos_1, atmos_2, atmos_3 or 0 to 3, found 'surfac'. Next: take surface"),
    ({"region": {"disk": [95, 0, 100]}}, "region, disk: expected latitudes"),
    ({"region": {"disk": [0, 0, 99999]}}, "region, disk: expected km above 0, up to 20015"),
    ({"region": {"disk": [0, 0, "far"]}}, "region, disk: expected 3 numbers"),
    ({"region": {"disk": [0, 0, 10**400]}}, "region, disk: expected 3 numbers"),
    ({"region": {}}, "region: expected some of disk, box, band, levels, label, found none"),
    ({"region": {"box": [40, 30, 0, 10]}}, "region, box: expected the southern"),
    ({"edit": {"scale": "two"}}, "edit, scale: expected a finite number, found 'two'"),
    ({"edit": {"gain": [2]}}, "edit, gain: expected a finite number"),
    ({"edit": {"clamp": "2*p98"}}, "edit, clamp: expected a number, \"p99\""),
    ({"edit": {"scale": 1}}, "edit, scale: expected a number other than 1, which changes nothing"),
    ({"edit": {"scale": "1.0"}}, "edit, scale: expected a number other than 1"),
    ({"edit": {"gain": 1}}, "edit, gain: expected a number other than 1"),
    ({"edit": {"scale": "٤٠"}}, "edit, scale: expected a finite number, found '٤٠'"),
    ({"edit": {"scale": "1_0"}}, "edit, scale: expected a finite number, found '1_0'"),
    ({"edit": {"scale": "1e300"}}, "edit, scale: expected a number of size 1e+06 at most"),
    ({"edit": {"clamp": "2e6"}}, "edit, clamp: expected a number of size 1e+06 at most"),
    ({"edit": {"clamp": "2000000*p99"}}, "edit, clamp: expected a number, \"p99\""),
    ({"region": {"disk": [45, 0, "٤٠٠"]}}, "region, disk: expected 3 numbers"),
    ({"region": {"levels": ["surface", "surface"]}}, "region, levels: expected each level once"),
    ({"features": [[1, True]]}, "features: expected a feature's number"),
    ({"expected_sign": True}, "expected_sign: expected 1, -1 or none, found True"),
    ({"expected_sign": 1.0}, "expected_sign: expected 1, -1 or none, found 1.0"),
    ({"n_controls": 10**21}, "n_controls: expected an integer of at most 1000"),
    ({"steps": 10**21}, "steps: expected an integer of at most 1000"),
    ({"seed": 10**21}, "seed: expected an integer of at most 9223372036854775807"),
    ({"outcomes": [folder.OUTCOMES[0] | {"name": ""}]}, "outcome 0, name: expected a name of letters"),
    ({"outcomes": [folder.OUTCOMES[0] | {"name": True}]}, "outcome 0, name: expected a name of letters"),
    ({"outcomes": [folder.OUTCOMES[0] | {"name": "../../x"}]}, "outcome 0, name: expected a name of letters"),
    ({"block": [folder.BLOCK]}, "block: expected a block of Aurora"),
    ({"outcomes": [{"kind": ["linear"], "name": "a"}]}, "outcome 0: expected a mapping with kind"),
    ({"outcomes": [LOW | {"reads": "error"}]}, "found none. Next: add the key truth, or take reads: shift"),
    ({"outcomes": [LOW | {"truth": [[1, 2]]}]}, "outcome 0, truth: expected none, since shift needs none, found [[1, 2]]. Next: leave it out"),
    ({"outcomes": [LOW | {"lat": "north"}]}, "outcome 0, lat and lon: expected degrees"),
])
def test_what_is_no_edit_region_or_outcome_is_refused_by_the_files_name(written, tmp_path, changes, words):
    """Whatever raises it: edits and regions know of no study."""
    file = written(folder.given(1, **changes))
    with pytest.raises(UserError) as caught, naming(file.path):
        read_study({"name": file.name, **file.asked})
    assert str(caught.value).startswith(f"{tmp_path / 'studies' / 'one.yaml'}, {words}") or (words.startswith("found") and words in str(caught.value))


def test_numbers_are_read_as_they_are_written(written):
    """4e3 without a dot and -.5 are text to YAML, and numbers here, wherever one stands, so that whatever shows them has numbers."""
    text = (
        f"block: {folder.BLOCK}\nfeatures: [1]\nedit: {{scale: 2e1}}\ndates: [2022-06-02]\nregion: {{disk: [45, 0, 4e3]}}\n"
        "placebo_degrees: 9e1\noutcomes:\n- {kind: linear, name: a, terms: [{variable: 2t, coefficient: 1e3}]}\n"
        "- {kind: tracker, name: low, lat: 3e1, lon: 2e2, reads: error, truth: [[3e1, 2e2]]}\n"
    )
    file = written(text)
    assert file.asked["region"] == {"disk": [45, 0, 4000.0]} and file.asked["edit"] == {"scale": 20.0}
    study = read_study({"name": file.name, **file.asked})
    (disk,) = study.where.region("the study, region", "2022-06-02T12:00:00Z", None).leaves()
    assert disk.km == 4000 and study.change.value == 20 and study.placebo_degrees == 90 and study.outcomes[0].terms[0][1] == 1000
    assert study.outcomes[1].start == (30, 200) and study.outcomes[1].truth == ((30, 200),)
    study.change.edit(((0, 1),), None)


def test_no_is_nitrogen_monoxide(written):
    """YAML 1.1 has it as false; true and false are what they are."""
    text = f"block: {folder.BLOCK}\nfeatures: [1]\nedit: ablate\ndates: [2022-06-02]\n"
    file = written(f"{text}outcomes:\n- {{kind: linear, name: a, variable: no, level: 850}}\n- {{kind: [No, on, true, false]}}\n")
    assert file.asked["outcomes"] == [{"kind": "linear", "name": "a", "variable": "no", "level": 850}, {"kind": ["No", "on", True, False]}]


@pytest.mark.parametrize("edit", ["ablate", "normal", "mean", "position_mean", {"scale": 2}, {"gain": 2}, {"clamp": 1}, {"clamp": "2*p99"}])
def test_planning_knows_which_edits_ask_what_is_usual(edit):
    kind, value = next(iter(edit.items())) if isinstance(edit, dict) else (edit, None)
    assert asks_what_is_usual(edit) == Change(kind, value).needs_reference


def test_planning_knows_that_a_clamp_to_a_number_written_as_text_asks_nothing():
    """YAML reads 4e3 as text."""
    asked = {"name": "one", **folder.given(1, edit={"clamp": "4e3"})}
    assert read_study(asked).change == Change("clamp", 4000.0) and not asks_what_is_usual({"clamp": "4e3"})


def days(*spans):
    """ISO dates of (first, number) spans."""
    return [(datetime.date.fromisoformat(first) + datetime.timedelta(at)).isoformat() for first, n in spans for at in range(n)]


def test_quiet_dates_are_far_from_the_study_and_evenly_spread():
    year = days(("2022-01-01", 365))
    found = quiet_dates(["2022-07-01"], [year])
    assert len(found) == 16 and list(found) == sorted(set(found))
    far = [(datetime.date.fromisoformat(each) - datetime.date(2022, 7, 1)).days for each in found]
    assert all(abs(each) > QUIET_DAYS for each in far)
    gaps = [second - first for first, second in itertools.pairwise(far)]
    assert max(gaps) <= 23 + 2 * QUIET_DAYS + 1 and min(gaps) >= 22
    assert quiet_dates(["2022-07-06"], [["2022-07-01", "2022-06-30"]]) == ("2022-06-30",)


def test_held_out_dates_come_first():
    """Training ones fill up what is left."""
    held_out, train = days(("2022-06-01", 10)), days(("2022-01-01", 100))
    found = quiet_dates(["2021-06-01"], [held_out, train])
    assert set(held_out) <= set(found) and len(found) == 16 and len(set(found) & set(train)) == 6
    assert quiet_dates(["2021-06-01"], [days(("2022-06-01", 40)), train])[0] > "2022-06"
    assert {time.time[:10] for time in snapshots(CAMS, "held_out")} == {"2022-06-20", "2022-07-05"}


def test_a_file_that_has_run_is_not_read_again_for_planning(small, finished_study):
    """Until it changes."""
    file = read_study_file(finished_study, small.path / "studies")
    assert was_read(file, small.path / "results")
    assert not was_read(dataclasses.replace(file, asked={**file.asked, "seed": 5}), small.path / "results")
    assert not was_read(dataclasses.replace(file, name="second"), small.path / "results")
