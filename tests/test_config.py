import copy
import dataclasses
import datetime
import json
import os
import time
import typing

import jsonschema
import pytest
import yaml
from aurorascope.blocks import BLOCK_IDS
from aurorascope.config import Config, from_mapping, load_config
from aurorascope.config.calendar import (
    Snapshot,
    day_hours,
    iso,
    parse,
    snapshots,
    split_dates,
    split_days,
    state_times,
)
from aurorascope.config.identity import check_identity, link_scratch, save_config
from aurorascope.config.resolve import resolve, schema
from aurorascope.config.stages import KEYS, NO_NUMBERS, RECIPES, stage_digest, stage_params
from aurorascope.errors import UserError
from hypothesis import given
from hypothesis import strategies as st
from snakemake.utils import update_config


def put(raw, key, value):
    """Set a dotted key in a nested mapping and return the mapping."""
    *sections, last = key.split(".")
    node = raw
    for section in sections:
        node = node.setdefault(section, {})
    node[last] = value
    return raw


def take(mapping, key):
    for part in key.split("."):
        mapping = mapping[part]
    return mapping


def typed(raw) -> Config:
    return from_mapping(resolve(raw)[0])


@pytest.fixture
def year_raw(demo_raw, root):
    overlay = yaml.safe_load((root / "workflow" / "config" / "cams-year.yaml").read_text())
    update_config(demo_raw, overlay)
    return demo_raw


# ---------------------------------------------------------------------------------------------------- the schema


def deref(node):
    if "$ref" in node:
        return {**schema()["$defs"][node["$ref"].rsplit("/", 1)[1]], **node}
    return node


def schema_keys(node, prefix=""):
    for name, child in node["properties"].items():
        child = deref(child)
        yield prefix + name, child
        if "properties" in child:
            yield from schema_keys(child, f"{prefix}{name}.")


def class_keys(kind, prefix=""):
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        yield prefix + field.name, hints[field.name]
        if dataclasses.is_dataclass(hints[field.name]):
            yield from class_keys(hints[field.name], f"{prefix}{field.name}.")


SCHEMA_KEYS = dict(schema_keys(schema()))
LEAVES = {key: node for key, node in SCHEMA_KEYS.items() if "properties" not in node}


def test_schema_and_dataclasses_have_the_same_keys():
    """Every key of the schema is a field of the dataclasses, and the other way round, in the same order."""
    assert list(SCHEMA_KEYS) == [key for key, _ in class_keys(Config)]


def test_dataclasses_have_the_types_of_the_schema():
    """A key that may be null in the schema may be None in its dataclass; lists are tuples."""
    kinds = dict(class_keys(Config))
    for key, node in LEAVES.items():
        if "type" not in node:
            continue
        names = [node["type"]] if isinstance(node["type"], str) else node["type"]
        options = typing.get_args(kinds[key]) if "null" in names else (kinds[key],)
        assert (type(None) in options) == ("null" in names), key
        plain = {typing.get_origin(option) or option for option in options} - {type(None)}
        python = {"string": str, "integer": int, "number": float, "boolean": bool, "array": tuple}
        assert plain == {python[name] for name in names if name != "null"}, key


@pytest.mark.parametrize("key", SCHEMA_KEYS)
def test_every_key_of_the_schema_is_described(key):
    """Each key, or the definition it refers to, says what it means."""
    assert len(SCHEMA_KEYS[key].get("description", "")) > 10


def test_every_fixed_section_refuses_unknown_keys():
    """No object of the schema lets an unknown key pass."""
    objects = [schema(), *(node for node in SCHEMA_KEYS.values() if node.get("type") == "object")]
    assert all(node["additionalProperties"] is False for node in objects)


@pytest.mark.parametrize("key", LEAVES)
def test_every_default_is_valid(key):
    """Each leaf has a default that its own schema accepts."""
    node = {**LEAVES[key], "$defs": schema()["$defs"]}
    assert "default" in node
    jsonschema.Draft202012Validator({k: v for k, v in node.items() if k != "$ref"}).validate(node["default"])


def test_schema_itself_is_valid():
    """The schema is a JSON schema."""
    jsonschema.Draft202012Validator.check_schema(schema())


def test_dates_alone_make_a_configuration():
    """Every key but the dates has a default."""
    raw = {"cams": {"train": {"dates": ["2022-06-01"]}, "held_out": {"dates": ["2022-07-01"]}}}
    config = typed(raw)
    assert config.sae.lr == 0.0004
    assert config.block_ids == BLOCK_IDS
    assert config.sae.resolved_architecture == "relu"


def test_empty_sections_take_the_defaults(demo_raw):
    """A section written without content is as good as one left out."""
    without = copy.deepcopy(demo_raw)
    del without["evaluation"], without["compute"]
    assert resolve(demo_raw | {"evaluation": None, "compute": {"threads": None}}) == resolve(without)


# ------------------------------------------------------------------------------------------- what users write


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("sae.epoch", r"config key sae\.epoch: .*did you mean sae\.epochs\?"),
        ("saes", r"config key saes: .*did you mean sae\?"),
        ("cams.train.strat", r"config key cams\.train\.strat: .*did you mean cams\.train\.start\?"),
        ("aurora.demo.step", r"config key aurora\.demo\.step: .*did you mean aurora\.demo\.steps\?"),
        ("storage.zzzz", r"config key storage\.zzzz: .*known keys: scratch"),
    ],
)
def test_unknown_keys_are_named_with_the_nearest_known_one(demo_raw, key, message):
    """An unknown key is an error that says which known key is nearest."""
    with pytest.raises(UserError, match=message):
        resolve(put(demo_raw, key, 1))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("sae.epochs", "three"), ("sae.epochs", 1.5), ("sae.epochs", 0), ("sae.epochs", True), ("sae.epochs", [3]),
        ("sae.lr", 0), ("sae.lr", "fast"), ("sae.recipe", "cards"), ("sae", 3), ("sae", ["epochs"]),
        ("sae.architecture", "topk"), ("aurora.autocast", "maybe"), ("aurora.autocast", 1),
        ("aurora.embed_dim", 24), ("aurora.revision", "main"), ("aurora.device", "gpu"),
        ("cams.levels", []), ("cams.levels", [50, 50]), ("cams.levels", [55]), ("cams.levels", 500),
        ("cams.init_hours", [6]), ("cams.init_hours", []), ("cams.source", "era5"),
        ("cams.train.start", "June"), ("cams.train.start", "2022-02-30"), ("cams.train.dates", "2022-06-01"),
        ("cams.train.dates", ["2022-6-1"]), ("cams.missing_dates", ["2022-02-30"]), ("cams.gap_hours", -1),
        ("cams.demo_grid", [46]), ("cams.demo_grid", [46, 90, 1]), ("cams.demo_grid", [7, 9]),
        ("activations.mode", "live "), ("activations.dtype", "bfloat16"), ("compute.threads", 0),
        ("evaluation.lat_bands", [0]), ("evaluation.lat_bands", [0, 91]), ("evaluation.lat_bands", [30, -30]),
        ("evaluation.lat_bands", [0, 0, 30]), ("blocks", []), ("blocks", ["encoder_s0_b0"] * 2), ("blocks", 5),
        ("replace_results", "perhaps"), ("static.sha256", "abc"), ("storage.scratch", 5),
        ("sae.lr", float("nan")), ("sae.lr", float("inf")), ("sae.l1_coeff", "nan"), ("evaluation.lat_bands", "[0"),
    ],
)  # fmt: skip
def test_wrong_values_are_refused_by_name(demo_raw, key, value):
    """A value of the wrong type or range is a user error that names the key."""
    with pytest.raises(UserError, match=f"config key {key}"):
        resolve(put(demo_raw, key, value))


TEXT_FORMS = [
    lambda d: d.isoformat(),
    lambda d: d,
    lambda d: datetime.datetime.combine(d, datetime.time(0)),
    lambda d: datetime.datetime.combine(d, datetime.time(12), datetime.UTC),
]


@pytest.mark.parametrize("form", TEXT_FORMS, ids=["text", "date", "datetime", "aware datetime"])
def test_dates_of_any_form_become_iso_text(demo_raw, form):
    """Dates may be text, dates or datetimes, alone or in a list."""
    put(demo_raw, "cams.train", {"start": form(datetime.date(2022, 6, 1)), "end": form(datetime.date(2022, 6, 3))})
    put(demo_raw, "cams.held_out", {"dates": [form(datetime.date(2022, 6, 25))]})
    put(demo_raw, "cams.missing_dates", [form(datetime.date(2022, 6, 2))])
    config = resolve(demo_raw)[0]
    assert config["cams"]["train"] == {"start": "2022-06-01", "end": "2022-06-03", "dates": None}
    assert config["cams"]["held_out"]["dates"] == ["2022-06-25"]
    assert config["cams"]["missing_dates"] == ["2022-06-02"]


def test_scalars_may_arrive_as_text(demo_raw, root):
    """With every scalar as text, as a nested --config gives them, the configuration is the same."""
    text = yaml.load((root / "config.yaml").read_text(), Loader=yaml.BaseLoader)
    assert text["sae"]["lr"] == "4.0e-4"
    assert resolve(text) == resolve(demo_raw)


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("sae.seed", "7", 7), ("sae.seed", 7.0, 7), ("sae.lr", "3e-4", 0.0003), ("sae.architecture", "null", None),
        ("aurora.autocast", "True", True), ("storage.scratch", "null", None), ("cams.demo_grid", "[19, 36]", [19, 36]),
        ("cams.levels", ["500", 850.0], [500, 850]), ("blocks", "[encoder_s0_b0]", ["encoder_s0_b0"]),
        ("cams.train.dates", "[2022-06-01, 2022-06-03]", ["2022-06-01", "2022-06-03"]), ("sae.lr", None, 0.0004),
        ("cams.source", None, "demo"),
        ("storage.scratch", "$HOME/x", "$HOME/x"), ("cams.init_hours", ["0"], [0]), ("replace_results", "true", True),
    ],
)  # fmt: skip
def test_text_is_read_as_the_type_of_the_key(demo_raw, key, text, value):
    """Text and floats become what the schema asks for; null takes the default where null is not allowed."""
    found = take(resolve(put(demo_raw, key, text))[0], key)
    assert found == value
    assert type(found) is type(value)


def test_resolve_does_not_change_its_input(demo_raw):
    """What the user gave stays as it was."""
    before = copy.deepcopy(demo_raw)
    resolve(demo_raw)
    assert demo_raw == before


@given(
    seed=st.integers(0, 10**9) | st.integers(0, 99).map(str),
    lr=st.floats(1e-9, 1) | st.just("4e-4"),
    blocks=st.just("all") | st.lists(st.sampled_from(BLOCK_IDS), min_size=1, max_size=5, unique=True),
    hours=st.sampled_from([[0], [12], [0, 12], [12, 0]]),
    dates=st.none() | st.lists(st.dates(datetime.date(2023, 1, 1), datetime.date(2023, 3, 1)), min_size=1, max_size=4),
    levels=st.lists(st.sampled_from([50, 500, 850]), min_size=1, unique=True),
)
def test_resolving_twice_changes_nothing(demo_raw, seed, lr, blocks, hours, dates, levels):
    """A resolved configuration resolves to itself, also after a way through JSON, and can be a cache key."""
    raw = copy.deepcopy(demo_raw)
    raw["sae"] |= {"seed": seed, "lr": lr}
    raw["cams"] |= {"init_hours": hours, "levels": levels, "held_out": {**raw["cams"]["held_out"], "dates": dates}}
    raw["blocks"] = blocks
    once = resolve(raw)
    assert resolve(json.loads(json.dumps(once[0]))) == once
    assert hash(from_mapping(once[0])) == hash(typed(once[0]))


# ----------------------------------------------------------------------------------------------- combinations


@pytest.mark.parametrize("rows_cols", [[47, 90], [46, 91], [20, 36], [19, 37]])
@pytest.mark.parametrize("key", ["cams.demo_grid", "aurora.demo.grid"])
def test_grids_that_aurora_cannot_take_are_refused(demo_raw, key, rows_cols):
    """Columns must divide by 3, and rows divide by 3 or leave 1; the grid suggested is one that passes."""
    with pytest.raises(UserError, match=f"config key {key}") as caught:
        resolve(put(demo_raw, key, rows_cols))
    suggested = [int(n) for n in caught.value.fix.rsplit("example ", 1)[1].split(" x ")]
    resolve(put(demo_raw, key, suggested))


@pytest.mark.parametrize("rows_cols", [[9, 9], [45, 90], [46, 90], [451, 900]])
def test_grids_that_aurora_takes_are_accepted(demo_raw, rows_cols):
    """Rows that divide by 3 and rows with one left over both pass."""
    assert typed(put(demo_raw, "cams.demo_grid", rows_cols)).cams.demo_grid == tuple(rows_cols)


def test_unknown_block_is_refused_with_the_nearest(demo_raw):
    """A block id that is none names three that are."""
    with pytest.raises(UserError, match=r"found encoder_s1_b10\. Next: did you mean .*encoder_s1_b1"):
        resolve(put(demo_raw, "blocks", ["encoder_s0_b0", "encoder_s1_b10"]))


def test_blocks_are_kept_in_forward_order(demo_raw):
    """However they are listed, the configured blocks run in forward order."""
    config = typed(put(demo_raw, "blocks", ["decoder_s2_b5", "encoder_s0_b3", "encoder_s0_b0"]))
    assert config.block_ids == ("encoder_s0_b0", "encoder_s0_b3", "decoder_s2_b5")


def test_official_checkpoint_needs_its_own_width(demo_raw):
    """The official weights are 512 wide."""
    put(demo_raw, "aurora.checkpoint", "official")
    with pytest.raises(UserError, match=r"config key aurora\.embed_dim: expected 512"):
        resolve(demo_raw)
    assert typed(put(demo_raw, "aurora.embed_dim", 512)).aurora.checkpoint_kind == "official"


@pytest.mark.parametrize("source", ["ads", "local"])
def test_demo_static_fields_fit_only_the_demo(demo_raw, source):
    """Made-up continents under real analyses are refused."""
    put(put(demo_raw, "cams.source", source), "cams.directory", "days")
    with pytest.raises(UserError, match=r"config key static\.source"):
        resolve(demo_raw)
    resolve(put(demo_raw, "static.source", "official"))


@pytest.mark.parametrize(
    ("key", "value", "missing"),
    [("cams.source", "local", "cams.directory"), ("static.source", "file", "static.path")],
)
def test_sources_on_disk_need_their_place(demo_raw, key, value, missing):
    """A local source without its folder or file is refused by the name of the missing key."""
    with pytest.raises(UserError, match=f"config key {missing}"):
        resolve(put(demo_raw, key, value))


# --------------------------------------------------------------------------------------------------- calendar


def test_the_published_year(year_raw):
    """The overlay asks for 365 training and 20 held-out snapshots on 385 days, 144 h apart or more."""
    mapping, warnings = resolve(year_raw)
    config = from_mapping(mapping)
    assert warnings == []
    assert config.cams.gap_hours == 144
    assert len(snapshots(config.cams, "train")) == 365
    assert len(snapshots(config.cams, "held_out")) == 20
    assert snapshots(config.cams, "train")[0] == Snapshot("2022-06-01T12:00:00Z", "2022-06-01T00:00:00Z")
    assert len(day_hours(config.cams)) == 385
    assert set(map(tuple, day_hours(config.cams).values())) == {(0, 12)}
    first, last = state_times(config.cams, "held_out")[0], state_times(config.cams, "train")[-1]
    assert (parse(first) - parse(last)).total_seconds() / 3600 == 156
    assert (config.aurora.checkpoint, config.aurora.embed_dim, config.static.source) == ("official", 512, "official")
    assert (config.sae.epochs, config.sae.l1_coeff, config.sae.lr) == (3, 3e-4, 4e-4)


def test_the_demo_warns_of_few_held_out_snapshots(demo_raw):
    """Fewer than 20 held-out snapshots is a warning."""
    (warning,) = resolve(demo_raw)[1]
    assert warning.startswith("Only 4 held-out snapshots")


def test_twenty_held_out_snapshots_are_enough(demo_raw):
    """At 20 there is no warning."""
    put(demo_raw, "cams.held_out", {"start": "2022-07-01", "end": "2022-07-20"})
    assert resolve(demo_raw)[1] == []


def test_splits_that_share_a_state_are_refused(demo_raw):
    """Even with no gap asked for, no state may serve both splits."""
    put(demo_raw, "cams.gap_hours", 0)
    put(demo_raw, "cams.held_out", {"dates": ["2022-06-16"]})
    with pytest.raises(UserError, match=r"config key cams\.held_out: .*0 h from training state 2022-06-16T00:00:00Z"):
        resolve(demo_raw)


def test_splits_that_share_only_a_previous_state_are_refused(demo_raw):
    """A held-out snapshot at 00 h uses the state at 12 h of the day before, which training may have."""
    put(demo_raw, "cams", {"train": {"dates": ["2022-06-16"]}, "held_out": {"dates": ["2022-06-17"]}})
    assert resolve(demo_raw)
    put(demo_raw, "cams.init_hours", [0, 12])
    with pytest.raises(UserError, match=r"2022-06-16T12:00:00Z 0 h from training state 2022-06-16T12:00:00Z"):
        resolve(demo_raw)


def test_splits_nearer_than_the_gap_are_refused(demo_raw):
    """The distance is that between states: the last of 10 June is at 12 h, the first of 12 June at 00 h."""
    put(demo_raw, "cams", {"train": {"dates": ["2022-06-10"]}, "held_out": {"dates": ["2022-06-12"]}})
    resolve(put(demo_raw, "cams.gap_hours", 36))
    with pytest.raises(UserError, match="expected states at least 37 h from every training state"):
        resolve(put(demo_raw, "cams.gap_hours", 37))


def test_gap_counts_in_both_directions(demo_raw):
    """Held-out dates before the training dates keep the same distance."""
    put(demo_raw, "cams", {"train": {"dates": ["2022-06-12"]}, "held_out": {"dates": ["2022-06-10"]}})
    resolve(put(demo_raw, "cams.gap_hours", 36))
    with pytest.raises(UserError, match="36 h from training state"):
        resolve(put(demo_raw, "cams.gap_hours", 37))


@pytest.mark.parametrize("split", ["train", "held_out"])
def test_a_split_without_snapshots_is_refused(demo_raw, split):
    """No snapshot in a split is an error, whether none was asked for or all are missing."""
    with pytest.raises(UserError, match=f"config key cams.{split}: expected at least one snapshot"):
        resolve(put(demo_raw, f"cams.{split}", {"dates": []}))
    put(demo_raw, f"cams.{split}", {"dates": ["2022-08-01"]})
    with pytest.raises(UserError, match=f"config key cams.{split}: expected at least one snapshot"):
        resolve(put(demo_raw, "cams.missing_dates", ["2022-08-01"]))


@pytest.mark.parametrize("split", [{}, {"start": "2022-06-01"}, {"end": "2022-06-01"}])
def test_a_split_needs_dates_or_both_ends(demo_raw, split):
    """Half a range is refused by name."""
    with pytest.raises(UserError, match="config key cams.train: expected dates, or start and end"):
        resolve(put(demo_raw, "cams.train", split))


def test_a_range_that_ends_before_it_starts_is_refused(demo_raw):
    """So is a range the wrong way round."""
    with pytest.raises(UserError, match=r"config key cams\.train\.end: .*swap start and end"):
        resolve(put(demo_raw, "cams.train", {"start": "2022-06-02", "end": "2022-06-01"}))


def test_missing_dates_drop_the_snapshots_that_touch_them(demo_raw):
    """A missing date takes its snapshots along, with a count in the warnings, and is not asked for."""
    put(demo_raw, "cams.missing_dates", ["2022-06-03", "2030-01-01"])
    mapping, warnings = resolve(demo_raw)
    config = from_mapping(mapping)
    assert warnings[0] == "1 of 16 train snapshots touch a missing date and are dropped."
    assert len(snapshots(config.cams, "train")) == 15
    assert "2022-06-03" not in day_hours(config.cams)


def test_missing_dates_reach_the_snapshot_after_them(demo_raw):
    """At 00 h, a missing date also takes the snapshot of the next day."""
    put(put(demo_raw, "cams.init_hours", [0]), "cams.missing_dates", ["2022-06-03"])
    mapping, warnings = resolve(demo_raw)
    times = [s.time for s in snapshots(from_mapping(mapping).cams, "train")]
    assert warnings[0].startswith("2 of 16 train")
    assert not {"2022-06-03T00:00:00Z", "2022-06-04T00:00:00Z"} & set(times)


def test_snapshots_at_midnight_need_the_previous_day(demo_raw):
    """A snapshot at 00 h uses 12 h of the day before, so that day must be there, with that hour alone."""
    cams = typed(put(demo_raw, "cams.init_hours", [0])).cams
    assert snapshots(cams, "train")[0] == Snapshot("2022-06-01T00:00:00Z", "2022-05-31T12:00:00Z")
    assert day_hours(cams)["2022-05-31"] == [12]
    assert day_hours(cams)["2022-06-01"] == [0, 12]
    assert day_hours(cams)["2022-06-16"] == [0]
    assert split_days(cams, "train")[0] == "2022-05-31"


def test_both_hours_give_two_snapshots_a_day(demo_raw):
    """Snapshots come in time order, and neighbours share a state."""
    cams = typed(put(demo_raw, "cams.init_hours", [12, 0])).cams
    found = snapshots(cams, "train")
    assert [s.time for s in found] == sorted(s.time for s in found)
    assert len(found) == 32
    assert len(state_times(cams, "train")) == 33


def test_dates_beat_start_and_end(demo_raw):
    """Explicit dates win over a range, in any order, each once."""
    demo_raw["cams"]["train"]["dates"] = ["2022-06-05", "2022-06-02", "2022-06-05"]
    assert split_dates(typed(demo_raw).cams.train, "cams.train") == ["2022-06-02", "2022-06-05"]


@given(st.datetimes(datetime.datetime(1990, 1, 1), datetime.datetime(2090, 1, 1)))
def test_times_survive_their_text(moment):
    """ISO text is read back as the same aware UTC moment, whatever the host's zone."""
    moment = moment.replace(microsecond=0, tzinfo=datetime.UTC)
    assert parse(iso(moment)) == moment
    assert parse(iso(moment)).tzinfo is datetime.UTC


def test_calendar_does_not_depend_on_the_zone(demo_raw, monkeypatch):
    """Two zones give the same snapshots."""
    found = []
    for zone in ("Pacific/Auckland", "America/Anchorage"):
        with monkeypatch.context() as patch:
            patch.setenv("TZ", zone)
            time.tzset()
            snapshots.cache_clear()
            cams = typed(demo_raw).cams
            found.append([(s, parse(s.time).timestamp()) for s in snapshots(cams, "train")])
    time.tzset()
    assert found[0] == found[1]


# --------------------------------------------------------------------------------------------------- identity


def test_first_run_writes_its_identity(demo_raw, tmp_path):
    """A folder without a run takes the first one's identity, and the same run passes again."""
    path = tmp_path / "results" / "run.json"
    assert check_identity(typed(demo_raw), path, dry_run=False) is None
    assert json.loads(path.read_text()) == {
        "kind": "run", "cams.source": "demo", "aurora.checkpoint": "demo", "aurora.embed_dim": 32,
        "static.source": "demo",
    }  # fmt: skip
    before = path.stat().st_mtime_ns
    assert check_identity(typed(demo_raw), path, dry_run=False) is None
    assert path.stat().st_mtime_ns == before


def test_other_identity_is_refused_with_three_ways_out(year_raw, tmp_path, root):
    """A demo configuration in a year's folder names both runs and what the user can do."""
    path = tmp_path / "run.json"
    check_identity(typed(year_raw), path, dry_run=False)
    before = path.read_bytes()
    demo = yaml.safe_load((root / "config.yaml").read_text())
    with pytest.raises(UserError) as caught:
        check_identity(typed(demo), path, dry_run=False)
    message = caught.value.one_line()
    for words in ("cams.source: ads", "cams.source: demo", "embed_dim: 512", "embed_dim: 32"):
        assert words in message
    for way in ("--configfile", "another clone", "--config replace_results=true"):
        assert way in message
    assert path.read_bytes() == before


def test_dry_run_warns_and_writes_nothing(demo_raw, tmp_path):
    """A dry run neither takes an empty folder nor refuses a foreign one."""
    path = tmp_path / "run.json"
    assert check_identity(typed(demo_raw), path, dry_run=True) is None
    assert not path.exists()
    check_identity(typed(demo_raw), path, dry_run=False)
    before = path.read_bytes()
    warning = check_identity(typed(put(demo_raw, "aurora.embed_dim", 16)), path, dry_run=True)
    assert "aurora.embed_dim: 32" in warning and "aurora.embed_dim: 16" in warning
    assert "\n" not in warning
    assert path.read_bytes() == before


def test_replace_results_takes_the_folder_over(demo_raw, tmp_path):
    """With replace_results the new identity is written, but not by a dry run."""
    path = tmp_path / "run.json"
    check_identity(typed(demo_raw), path, dry_run=False)
    other = typed(put(put(demo_raw, "aurora.embed_dim", 16), "replace_results", "true"))
    assert check_identity(other, path, dry_run=True) is None
    assert json.loads(path.read_text())["aurora.embed_dim"] == 32
    assert check_identity(other, path, dry_run=False) is None
    assert json.loads(path.read_text())["aurora.embed_dim"] == 16


@pytest.mark.parametrize(("key", "value"), [("sae.seed", 5), ("sae.epochs", 1), ("cams.levels", [500, 850])])
def test_other_settings_never_trip_the_identity(demo_raw, tmp_path, key, value):
    """Changing the SAEs or the data of a run leaves it the same run."""
    path = tmp_path / "run.json"
    check_identity(typed(demo_raw), path, dry_run=False)
    assert check_identity(typed(put(demo_raw, key, value)), path, dry_run=False) is None


def test_config_file_is_found_again(demo_raw, tmp_path, monkeypatch):
    """The resolved configuration is written once, under its digest, and verbs read the same object from it."""
    mapping = resolve(demo_raw)[0]
    path = save_config(mapping, tmp_path)
    before = path.stat().st_mtime_ns
    assert save_config(mapping, tmp_path) == path
    assert path.stat().st_mtime_ns == before
    monkeypatch.setenv("AURORASCOPE_CONFIG", str(path))
    assert load_config() == from_mapping(mapping)


@pytest.mark.parametrize("value", [None, "nowhere.json"])
def test_verbs_without_a_configuration_say_so(monkeypatch, value):
    """A verb run by hand without the variable ends with one clear error."""
    monkeypatch.delenv("AURORASCOPE_CONFIG", raising=False)
    if value:
        monkeypatch.setenv("AURORASCOPE_CONFIG", value)
    with pytest.raises(UserError, match="AURORASCOPE_CONFIG"):
        load_config()


# ---------------------------------------------------------------------------------------------------- scratch


@pytest.fixture
def link(tmp_path):
    return tmp_path / "results" / "scratch"


def test_no_scratch_means_a_plain_folder(link):
    """Without a target, a plain folder is made, and kept on the next parse."""
    assert link_scratch(None, link) is None
    (link / "file").touch()
    assert link_scratch(None, link) is None
    assert (link / "file").exists() and not link.is_symlink()


def test_scratch_is_linked_and_created(link, tmp_path, monkeypatch):
    """The target is created, variables expand, and linking again changes nothing."""
    monkeypatch.setenv("AURORASCOPE_TEST_SCRATCH", str(tmp_path / "big"))
    for _ in range(2):
        assert link_scratch("$AURORASCOPE_TEST_SCRATCH/run", link) is None
        assert os.readlink(link) == str(tmp_path / "big" / "run")
        assert link.is_dir()


def test_purged_target_is_made_again(link, tmp_path):
    """After the scratch disk was purged, the dangling link works again."""
    link_scratch(str(tmp_path / "big"), link)
    (tmp_path / "big").rmdir()
    assert link_scratch(str(tmp_path / "big"), link) is None
    assert link.is_dir()


def test_link_stays_when_the_key_is_taken_away(link, tmp_path):
    """A link made by hand or by an earlier run is not undone."""
    link_scratch(str(tmp_path / "big"), link)
    assert link_scratch(None, link) is None
    assert link.is_symlink()


@pytest.mark.parametrize("target", ["$AURORASCOPE_UNSET/run", "${AURORASCOPE_UNSET}"])
def test_unset_variable_means_a_plain_folder_and_a_warning(link, monkeypatch, target):
    """A variable that is not set never becomes a folder of that name."""
    monkeypatch.delenv("AURORASCOPE_UNSET", raising=False)
    warning = link_scratch(target, link)
    assert target in warning and "not set" in warning
    assert link.is_dir() and not link.is_symlink()
    assert [path.name for path in link.parent.iterdir()] == ["scratch"]


def test_empty_real_folder_gives_way(link, tmp_path):
    """An empty plain folder is replaced by the link."""
    link.mkdir(parents=True)
    link_scratch(str(tmp_path / "big"), link)
    assert link.is_symlink()


@pytest.mark.parametrize("what", ["a folder with files", "a file", "a link elsewhere"])
def test_what_is_in_the_way_is_left_alone(link, tmp_path, what):
    """A real folder with files, a file or a link elsewhere is an error, and stays."""
    link.parent.mkdir()
    if what == "a folder with files":
        link.mkdir()
        (link / "file").touch()
    elif what == "a file":
        link.touch()
    else:
        (tmp_path / "other").mkdir()
        link.symlink_to(tmp_path / "other")
    with pytest.raises(UserError, match=r"expected a link to storage\.scratch .*Next: move its contents"):
        link_scratch(str(tmp_path / "big"), link)
    assert link.exists()
    assert not link.is_symlink() or link.resolve() == tmp_path / "other"


def test_target_that_cannot_be_made_is_a_user_error(link, tmp_path):
    """A target on a place that cannot be written is one clear error."""
    (tmp_path / "file").touch()
    with pytest.raises(UserError):
        link_scratch(str(tmp_path / "file" / "run"), link)


# ----------------------------------------------------------------------------------------------------- stages


def changed_stages(before, after):
    return {stage for stage in KEYS if stage_params(before, stage) != stage_params(after, stage)}


MAKE = {"make_static", "make_checkpoint"}


@pytest.mark.parametrize(
    ("key", "value", "stages"),
    [
        ("sae.seed", 5, {"train_sae"}),
        ("sae.epochs", 1, {"train_sae"}),
        ("sae.l1_coeff", 0.001, {"train_sae"}),
        ("sae.architecture", "relu", set()),
        ("evaluation.lat_bands", [-90, 0, 90], {"evaluate_sae"}),
        ("activations.dtype", "float32", {"dump_activations", "build_index"}),
        ("aurora.autocast", True, {"dump_activations", "build_index"}),
        ("aurora.embed_dim", 16, {"make_checkpoint", "dump_activations"}),
        ("aurora.demo.steps", 10, {"make_checkpoint"}),
        ("cams.levels", [500, 850], {"download_day", "select_states"}),
        ("cams.levels", [1000, 925, 850, 700, 600, 500, 400, 300, 250, 200, 150, 100, 50], set()),
        ("cams.demo_grid", [19, 36], {"download_day", "make_static"}),
        (
            "compute.threads", 2,
            {"make_checkpoint", "dump_activations", "train_sae", "evaluate_sae", "draw_feature"},
        ),
        ("cams.train.end", "2022-06-10", set()),
        ("cams.held_out.end", "2022-06-27", set()),
        ("cams.directory", "elsewhere", set()),
        ("static.path", "elsewhere", set()),
        ("static.sha256", "0" * 64, set()),
        ("aurora.device", "cpu", set()),
        ("storage.scratch", "$HOME", set()),
        ("replace_results", True, set()),
    ],
)
def test_a_key_changes_only_the_stages_whose_numbers_it_changes(demo_raw, key, value, stages):
    """Each key reaches its own stages' parameters and no other's."""
    before, after = typed(demo_raw), typed(put(demo_raw, key, value))
    assert changed_stages(before, after) == stages
    assert {s for s in KEYS if stage_digest(before, s) != stage_digest(after, s)} == stages


def test_revision_matters_only_where_official_files_are_fetched(year_raw, root):
    """The demo fetches nothing, so that a new revision remakes neither its statics nor its checkpoint."""
    demo = yaml.safe_load((root / "config.yaml").read_text())
    found = []
    for raw in (demo, year_raw):
        before = typed(raw)
        found.append(changed_stages(before, typed(put(raw, "aurora.revision", "0" * 40))))
    assert found == [set(), MAKE]


def test_demo_keys_do_not_matter_to_the_year(year_raw):
    """How the demo is made changes nothing of the published run."""
    before = typed(year_raw)
    for key, value in (("cams.demo_grid", [19, 36]), ("aurora.demo.steps", 3)):
        put(year_raw, key, value)
    assert changed_stages(before, typed(year_raw)) == set()


def test_digest_of_static_files_matters_only_for_files(demo_raw):
    """The expected digest of a static file is a parameter where a file is given."""
    put(put(demo_raw, "static.source", "file"), "static.path", "static.pickle")
    before = typed(demo_raw)
    assert changed_stages(before, typed(put(demo_raw, "static.sha256", "0" * 64))) == {"make_static"}


def test_params_hold_no_paths(demo_raw):
    """Paths of the user never enter the parameters, which Snakemake stores in clear."""
    for key in ("cams.directory", "static.path", "aurora.checkpoint", "storage.scratch"):
        put(demo_raw, key, "/a/secret/place")
    config = typed(demo_raw)
    assert "secret" not in json.dumps([stage_params(config, stage) for stage in KEYS])


@pytest.mark.parametrize("key", LEAVES)
def test_every_key_is_accounted_for(key):
    """Each key changes a stage's numbers or is listed as one that changes none."""
    listed = {*NO_NUMBERS, *(name for keys in KEYS.values() for name in keys)}
    names = {key, key.replace("sae.architecture", "sae.resolved_architecture")}
    assert any(name == entry or name.startswith(f"{entry}.") for name in names for entry in listed)


def test_every_stage_has_a_recipe_version(demo_raw):
    """Stages with keys and stages with recipes are the same, and each stage's parameters begin with its version."""
    assert set(KEYS) == set(RECIPES)
    for stage in KEYS:
        params = stage_params(typed(demo_raw), stage)
        assert list(params)[0] == "recipe"
        assert json.loads(json.dumps(params)) == params
