"""Attributions from their file to their files: what they hold, the same bytes alone, together and after stops, and what is refused."""

import contextlib
import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from aurora import AuroraAirPollution
from aurorascope.attribution import graphs
from aurorascope.attribution import make as job
from aurorascope.attribution.gradient import by_gradient
from aurorascope.attribution.judged import check_attribution
from aurorascope.attribution.make import make_attributions
from aurorascope.attribution.outcome_file import read_outcome_file
from aurorascope.attribution.parts import Parts
from aurorascope.attribution.target import read_target
from aurorascope.attribution.usual import Usual, UsualFile
from aurorascope.attribution.value import Value
from aurorascope.backbone.batch import load_batch
from aurorascope.backbone.model import open_model
from aurorascope.blocks import BY_ID
from aurorascope.errors import TryAgainError, UserError
from aurorascope.files import sha256_file
from aurorascope.locks import folder_lock
from aurorascope.sae.opening import open_sae

from tests.studies import folder

pytestmark = pytest.mark.slow
BLOCKS = (folder.BLOCK, folder.LATER)
DATES, QUIET = ["2022-06-20"], ["2022-06-01", "2022-07-05"]
OUTCOME = {"variable": "10u", "region": {"disk": [30.0, 100.0, 3000.0]}, "dates": DATES,
           "quiet_dates": QUIET, "exact": 3}


class Stopped(Exception):
    """A job that was killed."""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with results to attribute on."""
    path = tmp_path_factory.mktemp("attribution")
    folder.copy_folder(tmp_path_factory, path)
    (path / "outcomes").mkdir()
    with contextlib.chdir(path):
        write("warm")
        run("warm")
    return path


@pytest.fixture(autouse=True)
def _in_the_folder(place):
    with contextlib.chdir(place):
        yield


def write(name, **changes):
    content = {key: value for key, value in (OUTCOME | changes).items() if value is not None}
    with open(f"outcomes/{name}.yaml", "w") as file:
        yaml.safe_dump(content, file)


def run(name, blocks=BLOCKS, **more):
    make_attributions(folder.config(), name, blocks, Path("results"), torch.device("cpu"), **more)


def contents(place, name):
    """Bytes by name, of which an outcome's name is no part."""
    found = {path.name: path.read_bytes() for path in sorted((place / "results/attribution" / name).iterdir())}
    return {key: value.replace(f'"{name}"'.encode(), b"").replace(f"/{name}/".encode(), b"") for key, value in found.items()}


def read(place, name, block):
    path = place / "results/attribution" / name / f"{block}.json"
    return json.loads(path.read_text()), pd.read_parquet(path.with_suffix(".parquet"))


@pytest.mark.parametrize("block", BLOCKS)
def test_record_and_table_say_the_same(place, block):
    record, table = read(place, "warm", block)
    assert record["kind"] == "attribution" and record["rule"] == "gradient" and record["dates"] == DATES
    assert record["quiet_dates"] == QUIET
    assert list(table.feature) == list(range(record["n_features"])) and set(table.sign) == {1}
    assert record["features"] == pytest.approx(table.effect.sum()) and record["absolute"] == pytest.approx(table.effect.abs().sum())
    assert record["error"] == record["total"] - record["features"]
    assert record["completeness"] == pytest.approx(record["total"] / record["at_mean"]) and record["why_no_completeness"] is None
    assert np.array_equal(np.stack(table.effect_by_date)[:, 0], table.effect)
    ablated = table[table.exact.notna()]
    assert set(ablated.index) == set(table.effect.abs().nlargest(3).index) and record["n_exact"] == 3
    assert np.corrcoef(ablated.effect, ablated.exact)[0, 1] == pytest.approx(record["agreement"]["correlation"])
    assert record["word"] == ("trusted" if record["agreement"]["correlation"] >= 0.5 else "gradient not trusted")
    assert record["by_date"][DATES[0]]["y"] == record["y"] and record["floor"] > 0
    assert (table.active_mean.notna() == (table.n_active > 0)).all()
    assert np.allclose(table.density * record["n_tokens"], table.n_active)
    assert record["files"] == {f"attribution/warm/{block}.parquet": sha256_file(place / f"results/attribution/warm/{block}.parquet")}


def test_without_activation_checkpointing_effects_are_the_same(place):
    """To 1e-6 of the largest, from the means that the job left."""
    model = open_model(place / "results")
    saes = {BY_ID[block]: open_sae(place / f"results/saes/sae_{block}.json")[0] for block in BLOCKS}
    usual = {block: Usual(next((place / f"results/scratch/attribution/usual/{block.id}").glob("*/means.safetensors"))) for block in saes}
    batch, found = load_batch(DATES[0], results=place / "results"), {}
    value = Value(read_target(read_outcome_file("warm")), batch, None)
    y = by_gradient(model, batch, value, saes, usual, found.__setitem__)
    for block, part in found.items():
        record, table = read(place, "warm", block.id)
        assert np.abs(part.effect_f - table.effect).max() <= 1e-6 * table.effect.abs().max()
        assert y == pytest.approx(record["y"], rel=1e-6) and part.total == pytest.approx(record["total"], rel=1e-5)


def test_each_block_alone_has_the_bytes_of_both_together(place, tmp_path):
    """Wherever it is written; who asked for it hears of it."""
    write("alone")
    made = []
    for block in BLOCKS:
        run("alone", [block], places={BLOCKS[0]: tmp_path / "results"}, made=made.append)
    assert made == list(BLOCKS)
    assert contents(tmp_path, "alone") | contents(place, "alone") == contents(place, "warm")


def test_dates_are_averaged(place):
    dates = ["2022-06-02", *DATES]
    write("both", dates=dates)
    run("both", BLOCKS[:1])
    both, one = (read(place, name, BLOCKS[0]) for name in ("both", "warm"))
    by_date_fd = np.stack(both[1].effect_by_date)
    assert np.array_equal(by_date_fd[:, 1], one[1].effect) and np.allclose(both[1].effect, by_date_fd.mean(axis=1), rtol=1e-12)
    assert both[0]["by_date"][DATES[0]]["total"] == one[0]["total"] and both[0]["total"] != one[0]["total"]
    assert both[0]["y"] == sum(both[0]["by_date"][date]["y"] for date in dates) / 2
    exact = both[1][both[1].exact.notna()]
    assert len(exact) == 3 and np.allclose(exact.exact, [sum(each) / 2 for each in exact.exact_by_date])


def test_relevance_is_another_rule_of_the_same_passes(place):
    """An Aurora that is next to linear in such changes is its gradients', which this rule leaves; the record says whose numbers they are."""
    write("held", rule="relevance")
    run("held", BLOCKS[:1])
    (record, table), (plain, expected) = (read(place, name, BLOCKS[0]) for name in ("held", "warm"))
    assert record["rule"] == "relevance" and record["y"] == pytest.approx(plain["y"], rel=1e-5)
    assert 0.5 < np.corrcoef(table.effect, expected.effect)[0, 1] < 0.99 < plain["agreement"]["correlation"]


def test_midpoints_come_closer_to_the_whole_than_the_clean_point(place):
    """Completeness of each block for itself; rounding of the forecast is two thousandths of these changes."""
    write("way", rule="midpoint", blocks=list(BLOCKS), points=2, exact=0)
    run("way")
    for block in BLOCKS:
        record, plain = read(place, "way", block)[0], read(place, "warm", block)[0]
        assert record["rule"] == "midpoint" and record["points"] == 2
        assert abs(record["completeness"] - 1) < 0.003 and abs(record["completeness"] - 1) < abs(plain["completeness"] - 1)
        assert record["n_exact"] == 0 and record["word"] == "not checked"


def test_a_small_graph_is_held_for_midpoints_and_a_large_one_computed_again(place, monkeypatch):
    """With the same numbers but for rounding; by gradients, whose one backward has the outputs of all blocks at hand, always the latter."""
    asked, configure = [], AuroraAirPollution.configure_activation_checkpointing
    monkeypatch.setattr(AuroraAirPollution, "configure_activation_checkpointing", lambda model: (asked.append(1), configure(model)))
    write("small", rule="midpoint", blocks=list(BLOCKS[:1]), points=2, exact=0)
    write("large", rule="midpoint", blocks=list(BLOCKS[:1]), points=2, exact=0)
    run("small", BLOCKS[:1])
    assert not asked
    monkeypatch.setattr(graphs, "MOST_BYTES", 0)
    run("large", BLOCKS[:1])
    assert asked == [1]
    held, again = (read(place, name, BLOCKS[0])[1].effect for name in ("small", "large"))
    np.testing.assert_allclose(again, held, rtol=1e-4, atol=1e-6 * np.abs(held).max())
    monkeypatch.undo()
    monkeypatch.setattr(AuroraAirPollution, "configure_activation_checkpointing", lambda model: (asked.append(1), configure(model)))
    write("plain", exact=0)
    run("plain", BLOCKS[:1])
    assert asked == [1, 1]


def test_without_exact_ablations_nothing_is_said_of_trust(place):
    write("quick", exact=0)
    run("quick", BLOCKS[:1])
    record, table = read(place, "quick", BLOCKS[0])
    assert record["word"] == "not checked" and record["agreement"] is None and table.exact.isna().all()
    assert record["completeness"] is None and "no forecast" in record["why_no_completeness"]
    assert np.array_equal(table.effect, read(place, "warm", BLOCKS[0])[1].effect)


def test_a_stopped_job_goes_on_and_has_the_bytes_of_none(place, monkeypatch, tmp_path):
    """After some of four quiet looks (two blocks, two dates), and again after some of four parts; what was done is not done again."""
    shutil.copytree(place, tmp_path / "copy", symlinks=True, ignore=shutil.ignore_patterns("attribution"))
    monkeypatch.chdir(tmp_path / "copy")
    done, stops = [], [3, 7]

    def counted(function, key):
        def call(*args):
            if stops and len(done) == stops[0]:
                stops.pop(0)
                raise Stopped
            done.append(key(*args))
            return function(*args)

        return call

    monkeypatch.setattr(UsualFile, "add", counted(UsualFile.add, lambda _self, date, *_: ("usual", date)))
    for name in ("add_effects", "add_checks"):
        monkeypatch.setattr(Parts, name, counted(getattr(Parts, name), lambda self, date, part: (type(part).__name__, len(done))))
    for n in tuple(stops):
        with pytest.raises(Stopped):
            run("warm")
        assert len(done) == n
    run("warm")
    assert [kind for kind, _ in done] == 4 * ["usual"] + 2 * ["Effects"] + 2 * ["Checked"]
    assert not list(Path("results/scratch/attribution/parts/warm").glob("*/*"))
    assert contents(tmp_path / "copy", "warm") == contents(place, "warm")
    for path in Path("results/scratch/attribution/usual").rglob("*.safetensors"):
        assert path.name == "means.safetensors" and path.read_bytes() == (place / path).read_bytes()


def test_damaged_means_are_made_again(place, caplog):
    (path,) = place.glob(f"results/scratch/attribution/usual/{BLOCKS[0]}/*/means.safetensors")
    whole = path.read_bytes()
    path.write_bytes(whole[:-3] + bytes(each ^ 1 for each in whole[-3:]))
    write("again")
    with caplog.at_level(logging.WARNING):
        run("again", BLOCKS[:1])
    assert "damaged" in caplog.text and path.read_bytes() == whole
    assert {name: found for name, found in contents(place, "warm").items() if BLOCKS[0] in name} == contents(place, "again")


def test_two_jobs_of_a_block_are_not_at_it_together(place):
    with folder_lock(place / f"results/scratch/attribution/parts/warm/{BLOCKS[1]}"), pytest.raises(TryAgainError):
        run("warm", BLOCKS[1:])


@pytest.mark.parametrize(("changes", "words"), [
    ({"region": {"box": [0.1, 0.2, 0.1, 0.2]}}, "at least one cell"),
    ({"variable": "t", "level": 851}, "850"),
    ({"region": {"disk": [0, 0]}}, "3 numbers"),
])
def test_what_cannot_be_is_refused_before_any_forward(place, monkeypatch, changes, words):
    def none(*_args, **_kwargs):
        raise AssertionError("something was computed")

    monkeypatch.setattr(job, "make_usual", none)
    write("wrong", **changes)
    with pytest.raises(UserError, match=words) as refused:
        run("wrong")
    assert "outcomes/wrong.yaml" in str(refused.value)


@pytest.mark.parametrize(("keys", "value"), [
    (("total",), 0.9), (("error",), 0.9), (("absolute",), 1.0), (("word",), "gradient not trusted"), (("agreement", "correlation"), 0.1),
    (("agreement", "n_signed"), 0), (("completeness",), 1.0), (("y",), -3.0), (("by_date", DATES[0], "features"), 0.0),
    (("by_date", DATES[0], "y"), 0.0), (("n_active_features",), 1), (("n_exact",), 20), (("agreement",), None),
])
def test_a_record_that_says_other_than_its_table_is_refused(place, tmp_path, keys, value):
    shutil.copytree(place / "results" / "attribution", tmp_path / "attribution")
    path = tmp_path / f"attribution/warm/{folder.BLOCK}.json"
    check_attribution(path)
    record = json.loads(path.read_text())
    entry = record
    for key in keys[:-1]:
        entry = entry[key]
    assert entry[keys[-1]] != value
    entry[keys[-1]] = value
    path.write_text(json.dumps(record))
    with pytest.raises(UserError, match=f"{folder.BLOCK}.json: expected .*which its table gives"):
        check_attribution(path)
