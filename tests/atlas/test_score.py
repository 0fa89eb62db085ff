"""One block's atlas, from activations to files: planted features are named, others are refused with their reason."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
import torch
from aurorascope.activations.feed import open_feed
from aurorascope.activations.reader import StoreReader
from aurorascope.atlas.encoding import Source
from aurorascope.atlas.evaluate import PlaneBaselines
from aurorascope.atlas.naming import name_features
from aurorascope.atlas.read import TABLES
from aurorascope.atlas.score import score_features
from aurorascope.atlas.settings import AtlasSettings
from aurorascope.atlas.write import make_tables, write_atlas
from aurorascope.config.demo_dates import DEMO_DATES
from aurorascope.errors import UserError
from aurorascope.files import sha256_file
from aurorascope.sae.aurora_sae import AuroraSAE

from tests import tiny
from tests.atlas.conftest import variables_of
from tests.atlas.planted import NAMES, World, mix, planted_features, planted_world, source_of
from tests.atlas.test_verdicts import SETTINGS


def row(planted, feature):
    return planted[1]["features"].iloc[NAMES.index(feature)]


def test_the_planted_storm_is_named_and_what_a_baseline_does_as_well_is_not(planted):
    storm, land, season = (row(planted, name) for name in ("storm", "land", "season"))
    assert (storm["label"], storm["verdict"], storm["reason"]) == ("storm", "event", "labelled")
    assert storm["f1_test"] > 0.75 and storm["gain"] > 0 and storm["f1_held_out"] > 0.7
    # No other label is beyond a null.
    assert storm["runner_up"] == "" and np.isnan(storm["margin"])
    assert storm["q_rotation"] <= 0.05 and storm["q_date_shift"] <= 0.05 and storm["z_rotation"] > 5
    assert 0.2 < storm["ranom_low"] < storm["ranom"] < storm["ranom_high"] < 0.6
    assert (land["verdict"], land["label"], land["reason"]) == ("place", "", "tracks climatology")
    assert (season["verdict"], season["label"], season["reason"]) == ("zonal/season", "belt", "labelled")


@pytest.mark.parametrize("feature, badge", [("everywhere", "dense"), ("land", "geo"), ("land", "lock"), ("window", "seam"), ("weekday", "calendar")])
def test_badges_say_what_is_suspicious(planted, feature, badge):
    assert badge in row(planted, feature)["badges"].split(",")
    assert badge not in row(planted, "storm")["badges"].split(",") or badge == "dense"


@pytest.mark.parametrize("feature", ["quarter turn", "latitude", "weekday", "window", "everywhere"])
def test_nothing_else_has_a_name(planted, feature):
    assert row(planted, feature)["verdict"] == "unlabelled" and row(planted, feature)["label"] == ""


def test_the_summary_says_what_it_was_made_with(planted):
    summary = planted[2]
    assert summary["verdict"] == "calibrated" and summary["settings"] == SETTINGS.as_dict()
    assert summary["splits"]["select"] == {"n_blocks": 5, "n_dates": 50} and summary["splits"]["reason"] is None
    assert summary["nulls"]["rotation"]["p_floor"] == 1 / 20 and summary["nulls"]["date_shift"]["rule"] == "days"
    assert sum(summary["verdicts"].values()) == summary["n_features"] == 64
    storm, land, _ = summary["labels"]
    assert storm["n_labelled"] == 1 and storm["status"] == "ok" and storm["n_objects"]["select"] > 300
    assert set(storm["baselines"]) == {"pca", "diff_mean", "climatology", "variable"}
    assert storm["baselines"]["variable"]["name"] == "wind high" and land["baselines"]["climatology"]["f1_test"] > 0.99
    assert sum(storm["verdicts"].values()) == summary["n_alive"]


def test_the_other_tables_list_pairs_and_examples(planted):
    labels, examples = planted[1]["labels"], planted[1]["examples"]
    assert set(labels["label"]) == {"storm", "land", "belt"} and not labels.duplicated(["feature", "sign", "label"]).any()
    top = labels[labels["label"] == "storm"].sort_values("f1_select").iloc[-1]
    assert top["feature"] == 0 and top["f1_test"] == row(planted, "storm")["f1_test"]
    storms = examples[examples["feature"] == 0]
    assert len(storms) == SETTINGS.examples and storms["value"].is_monotonic_decreasing and storms["time"].is_unique
    assert storms["labels"].str.contains("storm").mean() > 0.5


def test_files_have_the_same_bytes_whatever_the_threads_and_the_batch(tmp_path, monkeypatch):
    """Encoded a thousand tokens at a time with two threads, or as ever; the summary names what lies beside it."""
    world = planted_world(4, 64)
    x, sae = mix(planted_features(world, 4, 6))
    settings, before = dataclasses.replace(SETTINGS, least_label_blocks=2, rotations=5, date_shifts=5, held_out_nulls=2, alpha=0.2), torch.get_num_threads()
    for name, threads, rows in (("one", 1, 4096), ("other", 2, 1000)):
        monkeypatch.setattr("aurorascope.atlas.encoding._ROWS", rows)
        torch.set_num_threads(threads)
        try:
            scored = score_features(sae, source_of(x, world.times), world.labels(tmp_path), settings, tmp_path, on_plane=PlaneBaselines(variables_of(world), tmp_path))
        finally:
            torch.set_num_threads(before)
        tables, summary = make_tables(scored, sae, world.grid)
        write_atlas(tmp_path / name, tables, summary)
    for name in [*(f"{table}.parquet" for table in TABLES), "summary.json"]:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()
    record = json.loads((tmp_path / "one" / "summary.json").read_text())
    assert record["kind"] == "atlas"
    for table in TABLES:
        assert record[f"{table}_sha256"] == sha256_file(tmp_path / "one" / f"{table}.parquet")
        pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "one" / f"{table}.parquet"), tables[table])


def test_a_stores_feed_is_a_source(tmp_path):
    manifest = tiny.make_store(tmp_path, tiny.claim([3, 4, 6]))
    reader = StoreReader(manifest)
    source = Source.of(open_feed(reader, torch.device("cpu")))
    assert source.times == ["2022-06-03T12:00:00Z", "2022-06-04T12:00:00Z", "2022-06-06T12:00:00Z"]
    (found,) = source.snapshots(np.array([1]))
    np.testing.assert_array_equal(found.numpy(), reader.read([1])[0])


def test_a_feature_that_does_no_better_than_a_variable_has_its_name(tmp_path):
    """With the wind itself at hand, of which storms are the strongest, no feature is worth a name for them."""
    world = planted_world(4, 80)
    x, sae = mix(planted_features(world, 4, 10))
    settings = dataclasses.replace(SETTINGS, least_label_blocks=2)
    scored = score_features(sae, source_of(x, world.times), world.labels(tmp_path), settings, tmp_path, on_plane=PlaneBaselines(variables_of(world, 0), tmp_path))
    found = make_tables(scored, sae, world.grid)[0]["features"].iloc[0]
    assert (found["verdict"], found["label"], found["reason"]) == ("event", "", "tracks wind high") and found["gain"] < 0


def test_an_uncalibrated_gate_shows_no_label(planted):
    scored = planted[0]
    broken = {kind: dataclasses.replace(each, gate={**each.gate, "verdict": "uncalibrated"}) for kind, each in scored.labelled.compared.items()}
    names = name_features(
        dataclasses.replace(scored.labelled, compared=broken), scored.labels.ids, scored.density_f, scored.settings
    )
    assert {each.label for each in names} == {""} and names[0].reason == "uncalibrated"


def test_a_label_within_its_nulls_takes_no_name_away_and_a_control_gives_none(planted):
    """Land scores 1 for the storm's feature, as a label that is on nearly everywhere would: it is within its nulls, and names nothing."""
    scored, ids, at = planted[0], planted[0].labels.ids, NAMES.index("storm")
    land, storm = ids.index("land"), ids.index("storm")
    select = list(scored.labelled.scores["select"])
    select[land] = dataclasses.replace(select[land], f1_f=np.ones_like(select[land].f1_f))
    labelled = dataclasses.replace(scored.labelled, scores={**scored.labelled.scores, "select": select})
    named = name_features(labelled, ids, scored.density_f, scored.settings)[at]
    assert (named.label, named.top, named.reason) == ("storm", storm, "labelled")
    renamed = tuple("control_storm" if each == "storm" else each for each in ids)
    named = name_features(scored.labelled, renamed, scored.density_f, scored.settings)[at]
    assert (named.label, named.verdict, named.reason) == ("", "event", "control")


def test_two_labels_that_are_nearly_one_are_ambiguous(tmp_path):
    world = planted_world(4, 96)
    masks = {"storm": world.masks["storm"], "again": world.masks["storm"] | (np.roll(world.masks["storm"], 1, axis=1))}
    twice = World(world.lat, world.lon, world.times, masks, {})
    x, sae = mix(planted_features(world, 4, 10))
    settings = dataclasses.replace(SETTINGS, least_margin=0.3, least_label_blocks=2)
    scored = score_features(sae, source_of(x, world.times), twice.labels(tmp_path), settings, tmp_path)
    found = make_tables(scored, sae, world.grid)[0]["features"].iloc[0]
    assert found["verdict"] == "event" and found["reason"] == "ambiguous" and found["label"] == ""


def test_too_few_dates_are_said_and_nothing_is_scored(tmp_path):
    world = planted_world(5, 12)
    x, sae = mix(planted_features(world, 5, 5))
    scored = score_features(sae, source_of(x, world.times), world.labels(tmp_path), SETTINGS, tmp_path)
    tables, summary = make_tables(scored, sae, world.grid)
    assert summary["verdict"] == summary["splits"]["reason"] == "too_few_dates" and scored.labelled is None
    assert set(tables["features"]["reason"]) == {"too_few_dates"} and len(tables["labels"]) == 0
    assert len(tables["examples"]) > 0 and tables["features"]["density"].max() > 0.5
    write_atlas(tmp_path / "out", tables, summary)


def test_rare_and_constant_labels_are_said(tmp_path):
    world = planted_world(6, 64)
    rare = np.zeros_like(world.masks["storm"])
    rare[:3] = world.masks["storm"][:3]
    masks = {"storm": world.masks["storm"], "rare": rare, "nowhere": np.zeros_like(rare), "everywhere": np.ones_like(rare)}
    world = World(world.lat, world.lon, world.times, masks, {})
    settings = dataclasses.replace(SETTINGS, least_label_blocks=2)
    features = planted_features(planted_world(6, 64), 6, 10)
    x, sae = mix(features)
    scored = score_features(sae, source_of(x, world.times), world.labels(tmp_path), settings, tmp_path)
    assert scored.labelled.status[0] == "ok" and scored.labelled.status[2:] == ("constant", "constant")
    assert scored.labelled.status[1] in ("too_rare", "constant")
    assert (scored.labelled.verdict_lf[2] == "constant").all() and scored.labelled.baselines[2] == []
    summary = make_tables(scored, sae, world.grid)[1]
    assert [each["status"] for each in summary["labels"]][2:] == ["constant", "constant"]


def test_a_label_that_no_feature_follows_is_compared_with_nothing(tmp_path):
    """What is asked of a name is asked first: nulls and competitors of a label that names nobody cost time and change no name."""
    world = planted_world(6, 64)
    noise = planted_world(7, 64).masks["storm"]
    world = World(world.lat, world.lon, world.times, {"storm": world.masks["storm"], "noise": noise}, {})
    x, sae = mix(planted_features(planted_world(6, 64), 6, 10))
    settings = dataclasses.replace(SETTINGS, least_label_blocks=2)
    scored, every = (
        score_features(sae, source_of(x, world.times), world.labels(tmp_path), dataclasses.replace(settings, least_f1=f1), tmp_path)
        for f1 in (settings.least_f1, 0.0)
    )
    assert scored.labelled.status == ("ok", "ok") and scored.labelled.followed == (0,) and every.labelled.followed == (0, 1)
    assert set(scored.labelled.verdict_lf[1]) == {"weak"} and scored.labelled.baselines[1] == []
    for kind, compared in scored.labelled.compared.items():
        assert np.isnan(compared.p_lf[1]).all() and (compared.p_lf[0] == every.labelled.compared[kind].p_lf[0]).all()
        assert np.isfinite(every.labelled.compared[kind].p_lf).all()
    tables, summary = make_tables(scored, sae, world.grid)
    assert [each["compared"] for each in summary["labels"]] == [True, False] and summary["labels"][1]["n_labelled"] == 0
    assert tables["labels"].query("label == 'noise'")["p_rotation"].isna().all()
    _, whole = make_tables(every, sae, world.grid)
    assert [each["n_labelled"] for each in summary["labels"]] == [each["n_labelled"] for each in whole["labels"]]


def test_without_a_label_that_is_followed_there_is_no_gate(tmp_path):
    world = planted_world(6, 64)
    noise = planted_world(7, 64).masks["storm"]
    world = World(world.lat, world.lon, world.times, {"noise": noise}, {})
    x, sae = mix(planted_features(planted_world(6, 64), 6, 10))
    settings = dataclasses.replace(SETTINGS, least_label_blocks=2)
    scored = score_features(sae, source_of(x, world.times), world.labels(tmp_path), settings, tmp_path)
    tables, summary = make_tables(scored, sae, world.grid)
    assert summary["verdict"] == "no label" and set(tables["features"]["reason"]) <= {"weak", "never on"}
    assert (tables["features"]["label"] == "").all()


def test_signs_are_two_features_and_the_demos_dates_do(tmp_path):
    """AbsTopK: a latent that is negative in storms is labelled under its negative sign, on the demo's 64 snapshots."""
    times = [f"{day}{hour}" for day in DEMO_DATES["train"] for hour in ("T00:00:00Z", "T12:00:00Z")]
    world = planted_world(8, len(times))
    world = World(world.lat, world.lon, times, {"storm": world.masks["storm"], "land": world.masks["land"]}, {})
    features = planted_features(planted_world(8, len(times)), 8, 20)
    features[..., 0] *= -1
    x, dense = mix(features)
    sae = AuroraSAE.from_tensors({**dict(dense.state_dict()), "b_enc": torch.zeros(64), "k": torch.tensor(6), "signed": torch.tensor(True)})
    settings = AtlasSettings(rotations=16, date_shifts=16, held_out_nulls=6, alpha=0.06, least_objects=8, least_label_blocks=2)
    scored = score_features(sae, source_of(x, times), world.labels(tmp_path), settings, tmp_path)
    tables, summary = make_tables(scored, sae, world.grid)
    found = tables["features"]
    assert found["sign"].tolist() == [1, -1] * 64 and found["feature"].tolist() == np.repeat(np.arange(64), 2).tolist()
    negative, positive = found.iloc[1], found.iloc[0]
    assert negative["verdict"] == "event" and negative["top_label"] == "storm" and negative["f1_test"] > 0.6
    assert positive["verdict"] != "event"
    assert summary["nulls"]["date_shift"]["rule"] == "runs" and summary["nulls"]["rotation"]["p_floor"] <= 0.06


def test_activations_and_labels_of_other_times_are_refused(tmp_path):
    world = planted_world(9, 12)
    x, sae = mix(planted_features(world, 9, 1))
    with pytest.raises(UserError, match="times"):
        score_features(sae, source_of(x[:11], world.times[:11]), world.labels(tmp_path), SETTINGS, tmp_path)
