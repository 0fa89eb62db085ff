import copy
import datetime
import json
import re

import pytest
import yaml
from aurorascope.blocks import BLOCK_IDS
from aurorascope.config import from_mapping
from aurorascope.config.complaints import expectation
from aurorascope.config.resolve import resolve
from aurorascope.errors import UserError
from hypothesis import given
from hypothesis import strategies as st

from tests.config.raw import SCHEMA_KEYS, put, typed


def take(mapping, key):
    for part in key.split("."):
        mapping = mapping[part]
    return mapping


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("sae.epoch", r"config key sae\.epoch: .*did you mean sae\.epochs\?"),
        ("saes", r"config key saes: .*did you mean sae\?"),
        ("cams.train.strat", r"config key cams\.train\.strat: .*did you mean cams\.train\.start\?"),
        ("aurora.demo.step", r"config key aurora\.demo\.step: .*did you mean aurora\.demo\.steps\?"),
        ("labels.thresholds.jet_sped", r"config key labels\.thresholds\.jet_sped: .*did you mean labels\.thresholds\.jet_speed\?"),
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
        ("sae.architecture", "sparse"), ("sae.target_l0", 0), ("sae.warm_up", 1.1), ("sae.p_end", 0), ("sae.p_end", 2),
        ("sae.batch_rows", 0), ("sae.dead_snapshots", 0), ("sae.orthogonality", -1), ("sae.mutual_weight", -0.1), ("sae.checkpoint_minutes", 0),
        ("sae.normalise", "perhaps"), ("sae.expansion", 0),
        ("aurora.autocast", "maybe"), ("aurora.autocast", 1),
        ("aurora.embed_dim", 24), ("aurora.revision", "main"), ("aurora.device", "gpu"),
        ("cams.levels", []), ("cams.levels", [50, 50]), ("cams.levels", [55]), ("cams.levels", 500),
        ("cams.init_hours", [6]), ("cams.init_hours", []), ("cams.source", "era5"),
        ("cams.train.start", "June"), ("cams.train", {"start": "2022-02-30", "end": "2022-03-01"}), ("cams.train.dates", "2022-06-01"),
        ("cams.train.dates", ["2022-6-1"]), ("cams.missing_dates", ["2022-02-30"]), ("cams.gap_hours", -1),
        ("cams.demo_grid", [46]), ("cams.demo_grid", [46, 90, 1]), ("cams.demo_grid", [7, 9]),
        ("activations.mode", "live "), ("activations.dtype", "bfloat16"), ("compute.threads", 0),
        ("atlas.rotations", 15), ("atlas.date_shifts", 3), ("evaluation.lat_bands", [0]), ("evaluation.lat_bands", [0, 91]), ("evaluation.lat_bands", [30, -30]),
        ("evaluation.lat_bands", [0, 0, 30]), ("blocks", []), ("blocks", ["encoder_s0_b0"] * 2), ("blocks", 5),
        ("replace_results", "perhaps"), ("static.sha256", "abc"), ("storage.scratch", 5),
        ("labels.thresholds.jet_speed", "fast"), ("labels.thresholds.jet_speed", -1), ("labels.thresholds.jet_speed", float("nan")),
        ("labels.thresholds.dust_percentile", 100), ("labels.thresholds.edge_percentile", 50), ("labels.thresholds", [30]),
        ("labels.own", 3),
        ("sae.lr", float("nan")), ("sae.lr", float("inf")), ("sae.l1_coeff", "nan"), ("evaluation.lat_bands", "[0"),
    ],
)
def test_wrong_values_are_refused_by_name(demo_raw, key, value):
    """A value of the wrong type or range is a user error that names the key."""
    with pytest.raises(UserError, match=f"config key {key}"):
        resolve(put(demo_raw, key, value))


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("sae.orthogonality", -1.0, "expected a number of 0 or more, found -1.0. Next: correct it in your config ("),
        ("blocks", "encoder_s1_b5", "found 'encoder_s1_b5'. Next: write it as a list, [encoder_s1_b5] (The blocks that"),
        ("evaluation.stability.blocks", "encoder_s1_b5", "Next: write it as a list, [encoder_s1_b5] (Blocks that"),
        ("cams.levels", 850, "Next: write it as a list, [850] ("), ("cams.levels", "top", "Next: correct it in your config ("),
        ("blocks", [], "Next: correct it in your config ("),
        ("sae.epochs", 1.5, "expected a whole number of 1 or more, found 1.5"),
        ("sae.epochs", "three", "expected a whole number of 1 or more, found 'three'"),
        ("sae.epochs", True, "expected a whole number of 1 or more, found true"),
        ("sae.expansion", 0, "expected a whole number of 1 or more, or null, found 0"),
        ("sae.p_end", 2.0, "expected a number above 0 and of 1 or less"),
        ("labels.thresholds.jet_speed", -1.0, "expected a number of 0 or more, or null, found -1.0"),
        ("labels.thresholds.dust_percentile", 100.0, "expected a number above 0 and below 100, or null, found 100.0"),
        ("aurora.embed_dim", 24, "expected a whole number of 16 or more and a multiple of 16, found 24"),
        ("evaluation.lat_bands.1", [0, 91], "expected a number from -90 to 90, found 91.0"),
        ("aurora.revision", "main", "expected 40 hexadecimal digits, found 'main'"),
        ("aurora.device", "gpu", "expected auto, cpu, cuda or cuda and a number such as cuda:1, found 'gpu'"),
        ("cams.train.start", "June", "expected a date such as 2022-06-01, or null, found 'June'"),
        ("cams.missing_dates.0", ["2022-2-30"], "expected a date such as 2022-06-01, found '2022-2-30'"),
        ("aurora.autocast", "maybe", "expected true or false, found 'maybe'"),
        ("cams.source", "era5", "expected one of demo, local, ads, found 'era5'"),
        ("sae.architecture", "sparse", ", null, found 'sparse'"),
        ("cams.levels", [50, 50], "expected a list of values (one of 50, 100, 150, 200, 250, 300, 400, 500, 600, 700, 850, 925, 1000), "
                                  "at least 1 of them, each once, found [50, 50]"),
        ("cams.demo_grid", [46], "expected a list of 2 values (a whole number of 9 or more), found [46]"),
        ("blocks", 5, "expected all, or a list of values (text), at least 1 of them, each once, found 5"),
        ("storage.scratch", 5, "expected text, or null, found 5"),
        ("aurora.demo", 3, "expected keys of its own: grid, steps, seed, found 3"),
        ("sae", 3, "expected keys of its own: recipe, architecture, tuned, …, found 3"),
    ],
)
def test_what_is_expected_is_said_in_words(demo_raw, key, value, words):
    """Of the kind of error that a bound, a type, a choice or a pattern is, in a list and in a section."""
    with pytest.raises(UserError) as error:
        resolve(put(demo_raw, re.sub(r"\.\d+$", "", key), value))
    assert str(error.value).startswith(f"config key {key}: ") and words in str(error.value)


@pytest.mark.parametrize("key", SCHEMA_KEYS)
def test_every_key_can_say_what_it_expects(key):
    """No word of the schema's own, and no pattern, reaches a user."""
    words = expectation(SCHEMA_KEYS[key])
    assert words and not re.search(r"minimum|maximum|items|integer|boolean|string|\^|\\|None|True", words), words


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
    # BaseLoader makes nothing but text, lists and mappings; Snakemake reads --config with it.
    text = yaml.load((root / "config.yaml").read_text(), Loader=yaml.BaseLoader)
    assert text["sae"]["epochs"] == "8" and text["sae"]["tuned"]["target_l0"] == "8"
    assert resolve(text) == resolve(demo_raw)


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("sae.target_l0", 32, 32.0), ("sae.target_l0", "32", 32.0), ("sae.warm_up", 0, 0.0), ("sae.batch_rows", None, 512),
        ("sae.seed", "7", 7), ("sae.seed", 7.0, 7), ("sae.lr", "3e-4", 0.0003), ("sae.architecture", "null", "abstopk"),
        ("aurora.autocast", "True", True), ("storage.scratch", "null", None), ("cams.demo_grid", "[19, 36]", [19, 36]),
        ("cams.levels", ["500", 850.0], [500, 850]), ("blocks", "[encoder_s0_b0]", ["encoder_s0_b0"]),
        ("cams.train.dates", "[2022-06-01, 2022-06-03]", ["2022-06-01", "2022-06-03"]), ("sae.lr", None, 0.002), ("sae.expansion", "null", 2), ("sae.expansion", "2", 2),
        ("cams.source", None, "demo"),
        ("storage.scratch", "$HOME/x", "$HOME/x"), ("cams.init_hours", ["0"], [0]), ("replace_results", "true", True),
    ],
)
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
    dates = {"train": {"dates": ["2022-06-01"]}, "held_out": {"dates": ["2022-07-01"]}}
    demo_raw["cams"] |= {"source": source, "directory": "days", **dates}
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
