"""The section `sae`: recipes, what the user may set beside them, and what does not go together."""

import contextlib
import dataclasses
import json
import re

import pytest
from aurorascope.boosting.settings import boosted_sae, check_label
from aurorascope.config import from_mapping
from aurorascope.config.model import Sae
from aurorascope.config.recipes import RECIPES
from aurorascope.config.resolve import resolve
from aurorascope.config.sae import Boost
from aurorascope.config.stages import KEYS, NO_NUMBERS, stage_params
from aurorascope.errors import UserError
from aurorascope.sae.architectures import ARCHITECTURES
from hypothesis import given
from hypothesis import strategies as st

from tests.config.raw import LEAVES, put, typed


def resolved(raw, **sae):
    """The resolved section of a configuration whose `sae` is this."""
    return resolve({**raw, "sae": sae})[0]["sae"]


def test_the_card_is_that_of_the_model_card(demo_raw):
    """Without a section of its own, an SAE is trained as the published card says."""
    assert resolved(demo_raw) == {
        "recipe": "card", "architecture": "relu", "expansion": 8, "target_l0": None, "target_growth": 0.0, "l1_coeff": 3e-4, "p_end": 1.0,
        "lr": 4e-4, "warm_up": 0.0, "decay": 0.0, "epochs": 3, "shuffle": "snapshots", "batch_rows": None,
        "area_weights": False, "normalise": False, "init": "scaled", "project": False, "revive": "none", "aux_weight": 1 / 32,
        "dead_snapshots": 30, "orthogonality": 0.0, "mutual_weight": 0.0, "precision": "float32", "seed": 0, "group": "block", "checkpoint_minutes": 10.0,
        "boost": {"enabled": False, "target_l0": None, "expansion": None, "epochs": None, "label": None, "label_weight": None},
    }


@pytest.mark.parametrize("empty", [None, {}, {"recipe": None}, {"lr": None, "revive": None, "epochs": None}])
def test_an_empty_section_is_the_card(demo_raw, empty):
    """A section left out, empty, or of nulls is that of the defaults."""
    assert resolve({**demo_raw, "sae": empty})[0]["sae"] == resolved(demo_raw)


@pytest.mark.parametrize("recipe", RECIPES)
def test_null_means_the_recipes_value(demo_raw, recipe):
    """Every key of a recipe is filled, whether left out or null, as text or not."""
    nulls = [{}, dict.fromkeys(RECIPES[recipe]), dict.fromkeys(RECIPES[recipe], "null")]
    found = [resolved(demo_raw, recipe=recipe, **sae) for sae in nulls]
    assert found[0] == found[1] == found[2]
    assert {key: found[0][key] for key in RECIPES[recipe]} == RECIPES[recipe]


def test_recipes_speak_of_the_same_keys():
    """What one recipe sets the other sets too, and all of it may be null in the schema."""
    assert RECIPES["card"].keys() == RECIPES["tuned"].keys()
    for key in RECIPES["card"]:
        node = LEAVES[f"sae.{key}"]
        assert node["default"] is None
        assert None in node["enum"] if "enum" in node else "null" in node["type"]


def test_an_overlay_of_the_card_is_the_card(demo_raw):
    """Nothing that config.yaml gives `tuned` reaches it, but for the number of epochs."""
    demo_raw["sae"]["recipe"] = "card"
    assert resolve(demo_raw)[0]["sae"] == resolved(demo_raw, epochs=demo_raw["sae"]["epochs"])


def test_what_tuned_takes_here(demo_raw):
    """Values of `sae.tuned` go before the recipe's, and the user's keys before both; null is the recipe's again."""
    tuned, whole = {"target_l0": 8, "expansion": 2, "aux_weight": 0.5}, resolved(demo_raw, recipe="tuned")
    assert resolve(demo_raw)[0]["sae"] == whole | tuned | {"epochs": demo_raw["sae"]["epochs"]}
    for here, others, expected in (
        (tuned, {"target_l0": 5}, tuned | {"target_l0": 5}), (tuned, {"expansion": 3}, tuned | {"expansion": 3}),
        ({**tuned, "expansion": None}, {}, {"target_l0": 8, "aux_weight": 0.5}), ({"target_l0": "null"}, {}, {}), (None, {}, {}),
        (tuned, {"architecture": "topk"}, tuned | {"architecture": "topk", "target_growth": 0.0}),
    ):
        assert resolved(demo_raw, recipe="tuned", tuned=here, **others) == whole | expected


@pytest.mark.parametrize(("key", "value"), [("target_l0", 0), ("expansion", 0), ("expansion", 1.5), ("lr", 1e-3), ("target", 3)])
def test_what_tuned_cannot_take(demo_raw, key, value):
    """Its two keys have the bounds that they have outside, and others are unknown."""
    with pytest.raises(UserError, match=rf"config key sae\.tuned\.{key}"):
        resolved(demo_raw, recipe="card", tuned={key: value})


OTHERS = {
    "architecture": "gated", "expansion": 3, "target_l0": 7.0, "target_growth": 0.25, "l1_coeff": 0.5, "lr": 0.25, "warm_up": 0.1, "decay": 0.3,
    "shuffle": "rows", "batch_rows": 77, "area_weights": True, "normalise": False, "init": "active_subspace",
    "project": False, "revive": "resample", "aux_weight": 0.125,
}


# Whole snapshots take the batch with them, which a test of its own shows.
@pytest.mark.parametrize("key", sorted(OTHERS.keys() - {"shuffle"}))
def test_what_the_user_sets_wins(demo_raw, key):
    """Any key of the tuned recipe can be replaced, the others staying."""
    found = resolved(demo_raw, recipe="tuned", **{key: OTHERS[key]})
    assert found[key] == OTHERS[key]
    assert {k: v for k, v in found.items() if k != key} == {
        k: v for k, v in resolved(demo_raw, recipe="tuned").items() if k != key
    }
    assert OTHERS.keys() == RECIPES["tuned"].keys() and OTHERS[key] != RECIPES["tuned"][key]


@pytest.mark.parametrize("recipe", RECIPES)
def test_jumprelu_has_a_weight_of_its_own(demo_raw, recipe):
    """Its term is another than L1: whatever the recipe, null means another weight; the user's own still wins."""
    weights = [
        resolved(demo_raw, recipe=recipe, target_l0=8, architecture=architecture, **given)["l1_coeff"]
        for architecture, given in (("relu", {}), ("jumprelu", {}), ("jumprelu", {"l1_coeff": 0.5}))
    ]
    assert weights == [RECIPES[recipe]["l1_coeff"], ARCHITECTURES["jumprelu"].defaults["l1_coeff"], 0.5]
    assert weights[0] != weights[1]


@pytest.mark.parametrize("text", [False, True])
def test_nothing_is_revived_where_the_user_says_none(demo_raw, text):
    """`revive: none` is a choice, not null, and the recipe does not replace it."""
    assert resolved(demo_raw, recipe="tuned", revive="none")["revive"] == "none"
    assert resolved(demo_raw, recipe="tuned", revive="null" if text else None)["revive"] == "auxk"


def test_whole_snapshots_with_the_tuned_recipe(demo_raw):
    """The tuned recipe's batch goes with its rows: with snapshots there is none."""
    for batch_rows in ({}, {"batch_rows": None}, {"batch_rows": "null"}):
        assert resolved(demo_raw, recipe="tuned", shuffle="snapshots", **batch_rows)["batch_rows"] is None


@pytest.mark.parametrize(
    ("sae", "message"),
    [
        ({"shuffle": "snapshots", "batch_rows": 64}, r"sae\.batch_rows: expected null.*found 64"),
        ({"batch_rows": 64}, r"sae\.batch_rows: expected null"),
        ({"recipe": "tuned", "shuffle": "snapshots", "batch_rows": 64}, r"sae\.batch_rows: expected null"),
        ({"architecture": "topk"}, r"sae\.target_l0: expected a number, since sae\.architecture is topk"),
        ({"architecture": "batchtopk"}, r"sae\.target_l0: expected a number"),
        ({"architecture": "matryoshka"}, r"sae\.target_l0: expected a number"),
        ({"architecture": "abstopk"}, r"sae\.target_l0: expected a number"),
        ({"architecture": "jumprelu"}, r"sae\.target_l0: expected a number"),
        ({"architecture": "topk", "target_l0": 0.4}, r"sae\.target_l0: expected a whole number.*found 0\.4"),
        ({"recipe": "tuned", "architecture": "matryoshka", "target_l0": 2.5}, r"sae\.target_l0: expected a whole number"),
        ({"architecture": "topk", "target_l0": 2.5}, r"sae\.target_l0: expected a whole number.*set sae\.target_l0: 2, for example"),
        ({"boost": {"label_weight": 8}}, r"sae\.boost\.label_weight: expected null, since no sae\.boost\.label .* found 8\. "),
        ({"architecture": "topk", "target_l0": 8, "p_end": 0.5}, r"sae\.p_end: expected 1, since sae\.architecture is topk"),
        ({"architecture": "gated", "p_end": 0.9}, r"sae\.p_end: expected 1.*set sae\.architecture: relu, or sae\.p_end: 1"),
        ({"architecture": "jumprelu", "target_l0": 8, "normalise": False}, r"sae\.normalise: expected true, since JumpReLU's"),
        ({"mutual_weight": 0.03}, r"sae\.mutual_weight: expected 0, since without sae\.normalise .* found 0\.03\. Next: set sae\.normalise: true"),
        ({"warm_up": 0.6, "decay": 0.5}, r"sae\.warm_up and sae\.decay: expected .*at most 1.*found 0\.6 and 0\.5"),
        ({"recipe": "tuned", "warm_up": 0.9}, r"sae\.warm_up and sae\.decay: .*found 0\.9 and "),
    ],
)
def test_what_does_not_go_together_is_refused(demo_raw, sae, message):
    """The key, the reason and a way out."""
    with pytest.raises(UserError, match=f"config keys? {message}") as caught:
        resolved(demo_raw, **sae)
    assert caught.value.fix


@pytest.mark.parametrize("sae", [{"shuffle": "rows"}, {"recipe": "tuned"}, {"recipe": "tuned", "architecture": "relu"}])
def test_rows_cannot_be_drawn_live(demo_raw, sae):
    """Where activations are recomputed there are no rows to draw; whole snapshots go, with either recipe."""
    live = put(demo_raw, "activations.mode", "live")
    with pytest.raises(UserError, match=r"config key sae\.shuffle: expected snapshots.*activations\.mode: dump"):
        resolved(live, **sae)
    assert resolved(live, **{**sae, "shuffle": "snapshots"})["shuffle"] == "snapshots"


@pytest.mark.parametrize(
    "sae",
    [
        {"architecture": "gated"}, {"architecture": "relu", "target_l0": 20.5}, {"architecture": "jumprelu", "target_l0": 2.5},
        {"architecture": "topk", "target_l0": 1}, {"p_end": 0.5}, {"warm_up": 0.5, "decay": 0.5},
        {"recipe": "tuned", "architecture": "relu", "p_end": 0.5}, {"shuffle": "rows"}, {"shuffle": "rows", "batch_rows": 1},
    ],
    ids=str,
)
def test_what_goes_together_is_accepted(demo_raw, sae):
    """The nearest neighbours of what is refused."""
    found = resolved(demo_raw, **sae)
    assert {key: found[key] for key in sae} == sae


@pytest.mark.parametrize(
    ("key", "value", "choices"),
    [
        ("recipe", "tunde", "card, tuned"), ("architecture", "top_k", "relu, topk, batchtopk"),
        ("init", "tide", "scaled, tied, active_subspace"), ("revive", "aux", "none, auxk, resample"),
        ("precision", "float16", "float32, tf32, bfloat16"), ("shuffle", "row", "snapshots, rows"),
    ],
)
def test_unknown_choices_are_told_the_known(demo_raw, key, value, choices):
    """A misspelt choice names its key and what may stand there."""
    with pytest.raises(UserError, match=rf"config key sae\.{key}: expected one of {choices}.*found '{value}'"):
        resolved(demo_raw, **{key: value})


@pytest.mark.parametrize("unknown", ["archtecture", "target_l_0", "l1_coef", "warmup", "batch_row", "normalize", "dead_snapshot"])
def test_unknown_keys_are_told_the_nearest(demo_raw, unknown):
    """A misspelt key is an error that says which one is meant."""
    with pytest.raises(UserError, match=rf"config key sae\.{unknown}: .*did you mean sae\.") as caught:
        resolved(demo_raw, **{unknown: 1})
    meant = re.search(r"did you mean sae\.(\w+)\?", caught.value.one_line())[1]
    assert meant in {field.name for field in dataclasses.fields(Sae)} and meant[:2] == unknown[:2]


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Sae)])
def test_every_field_is_read_somewhere(root, field):
    """No key of the section is without effect: some module beside the configuration's own reads it."""
    modules = [path for path in (root / "workflow" / "aurorascope").rglob("*.py") if path.parent.name != "config"]
    pattern = re.compile(rf"\b(?:config|sae|config\.sae)\.{field}\b")
    assert any(pattern.search(path.read_text()) for path in modules)


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Sae) if field.name != "boost"])
def test_every_field_has_its_stage(field):
    """Each key is a trigger of the training, or is listed as one that changes no number, and not both."""
    assert (f"sae.{field}" in KEYS["train_sae"]) != (f"sae.{field}" in NO_NUMBERS)


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Boost)])
def test_what_a_boost_is_trained_with_makes_no_first_sae_anew(field):
    """Each key of it is a trigger of the second training, or says whether there is one."""
    assert (f"sae.boost.{field}" in KEYS["boost_sae"]) != (f"sae.boost.{field}" in KEYS["build_index"])
    assert f"sae.boost.{field}" not in KEYS["train_sae"]


def test_a_boost_is_as_the_first_but_for_what_is_said(demo_raw):
    """What its architecture cannot do is refused with its own key."""
    first = typed(put(demo_raw, "sae.boost.epochs", 3)).sae
    assert boosted_sae(typed(demo_raw)) == dataclasses.replace(first, epochs=3)
    more = boosted_sae(typed(put(put(demo_raw, "sae.boost.target_l0", 4), "sae.boost.expansion", 5)))
    assert more == dataclasses.replace(typed(demo_raw).sae, epochs=3, target_l0=4.0, expansion=5)
    with pytest.raises(UserError, match=r"config key sae.boost.target_l0: expected a whole number, since abstopk keeps"):
        typed(put(demo_raw, "sae.boost.target_l0", 4.5))


@pytest.mark.parametrize(("label", "changes", "match"), [
    ("dost", {}, "null or one of .*dust.*Next: take dust"), ("jet", {"cams.levels": [500]}, "jet needs 250 hPa, found no 250"),
    ("mine", {"labels.own": "folder"}, None), ("dust", {}, None), (None, {}, None),
])
def test_a_boosts_label_is_one_that_there_will_be(demo_raw, label, changes, match):
    put(demo_raw, "sae.boost.label", label)
    for key, value in changes.items():
        put(demo_raw, key, value)
    with contextlib.nullcontext() if match is None else pytest.raises(UserError, match=f"config key sae.boost.label: expected .*{match}"):
        check_label(typed(demo_raw))


@given(
    recipe=st.sampled_from([*RECIPES]),
    changes=st.fixed_dictionaries({}, optional={key: st.just(value) | st.none() for key, value in OTHERS.items()}),
)
def test_resolving_twice_changes_nothing(demo_raw, recipe, changes):
    """A resolved section resolves to itself, whatever was left to the recipe, also after a way through JSON."""
    once = resolve({**demo_raw, "sae": {"recipe": recipe, **changes}} if _fits(recipe, changes) else demo_raw)
    assert resolve(json.loads(json.dumps(once[0]))) == once
    assert hash(from_mapping(once[0])) == hash(from_mapping(resolve(once[0])[0]))


def _fits(recipe, changes):
    is_rows = (changes.get("shuffle") or RECIPES[recipe]["shuffle"]) == "rows"
    return is_rows or changes.get("batch_rows") is None


@pytest.mark.parametrize("key", ["target_l0", "l1_coeff", "warm_up", "batch_rows", "lr"])
def test_a_number_is_the_same_however_it_is_written(demo_raw, key):
    """1, 1.0 and their text are one configuration, so that writing it otherwise trains nothing again."""
    others = {"shuffle": "rows", "decay": 0}
    found = [typed({**demo_raw, "sae": {**others, key: value}}) for value in (1, 1.0, "1")]
    assert len({json.dumps(stage_params(config, "train_sae")) for config in found}) == 1


def test_a_recipe_and_its_values_spelt_out_differ_in_name_only(demo_raw):
    """Naming the recipe or writing its values trains the same; only the name itself is another trigger."""
    tuned = typed({**demo_raw, "sae": {"recipe": "tuned"}})
    spelt = typed({**demo_raw, "sae": {"recipe": "card", **RECIPES["tuned"]}})
    first, second = (stage_params(config, "train_sae") for config in (tuned, spelt))
    assert {key for key in first if first[key] != second[key]} == {"sae.recipe"}
