import json

import pytest
import yaml
from aurorascope.config.stages import (
    KEYS,
    NO_NUMBERS,
    RECIPES,
    RECIPES_OF_DEMO,
    RECIPES_OF_KEPT,
    stage_digest,
    stage_params,
)
from aurorascope.files import sha256_json
from aurorascope.sae.architectures import ARCHITECTURES

from tests.config.raw import LEAVES, put, typed


def changed_stages(before, after):
    return {stage for stage in KEYS if stage_params(before, stage) != stage_params(after, stage)}


MAKE = {"make_static", "make_checkpoint"}
TRAINING = {"train_sae", "train_stage_sae", "measure_stability", "reproduce_sae", "boost_sae"}


@pytest.mark.parametrize(
    ("key", "value", "stages"),
    [
        ("sae.seed", 5, TRAINING),
        ("sae.epochs", 1, TRAINING),
        ("sae.l1_coeff", 0.001, TRAINING),
        ("sae.architecture", "abstopk", set()),
        ("sae.architecture", "topk", TRAINING),
        # Tokens do not keep a number of latents then.
        ("sae.architecture", "gated", TRAINING | {"evaluate_sae"}),
        ("sae.recipe", "card", TRAINING | {"evaluate_sae"}),
        ("sae.tuned.target_l0", 8, set()),
        ("sae.tuned.target_l0", 16, TRAINING),
        ("sae.tuned.expansion", None, TRAINING),
        ("sae.target_l0", 8, set()),
        ("sae.lr", 2e-3, set()),
        ("sae.revive", "none", TRAINING),
        ("sae.revive", "auxk", set()),
        ("sae.checkpoint_minutes", 1, set()),
        ("sae.boost.enabled", True, {"build_index"}),
        ("sae.boost.target_l0", 4, {"boost_sae"}),
        ("sae.boost.label", "dust", {"boost_sae"}),
        ("sae.group", "stage", {"build_index"}),
        ("evaluation.lat_bands", [-90, 0, 90], {"evaluate_sae"}),
        ("evaluation.fidelity.snapshots", 4, {"measure_fidelity"}),
        ("evaluation.fidelity.enabled", False, {"build_index"}),
        ("evaluation.stability.seeds", 4, {"measure_stability"}),
        ("evaluation.stability.blocks", ["encoder_s0_b0"], {"build_index"}),
        ("atlas.enabled", False, {"build_index"}),
        ("atlas.least_f1", 0.5, {"score_features"}),
        ("activations.dtype", "float32", {"dump_activations", "build_index"}),
        ("aurora.autocast", True, {"dump_activations", "build_index", "measure_fidelity", "run_study", "attribute", "trace_circuit"}),
        ("aurora.embed_dim", 16, {"make_checkpoint", "dump_activations"}),
        ("aurora.demo.steps", 10, {"make_checkpoint"}),
        ("cams.levels", [500, 850], {"download_day", "select_states"}),
        ("cams.levels", [1000, 925, 850, 700, 600, 500, 400, 300, 250, 200, 150, 100, 50], set()),
        ("cams.demo_grid", [19, 36], {"download_day", "make_static"}),
        (
            "compute.threads", 2,
            {
                "make_checkpoint", "dump_activations", "train_sae", "evaluate_sae", "write_features", "measure_fidelity",
                "measure_stability", "score_features", "reproduce_sae", "draw_feature", "run_study",
                "attribute", "trace_circuit", "match_features", "train_stage_sae", "evaluate_stage_sae", "boost_sae", "evaluate_boost",
            },
        ),
        (
            "compute.portable", True,
            {
                "download_day", "make_static", "make_checkpoint", "dump_activations", "train_sae", "evaluate_sae",
                "write_features", "measure_fidelity", "measure_stability", "score_features", "reproduce_sae", "draw_feature", "label_reference",
                "label_day", "run_study", "attribute", "trace_circuit", "match_features", "train_stage_sae", "evaluate_stage_sae",
                "boost_sae", "evaluate_boost",
            },
        ),
        ("labels.thresholds.jet_speed", 35, {"label_reference", "label_day"}),
        ("labels.thresholds.jet_speed", 30, set()),
        ("labels.own", "elsewhere", set()),
        ("features.top_k", 4, {"write_features"}),
        ("features.chosen", [1, 7], {"write_features"}),
        ("cams.train", {"start": "2022-06-01", "end": "2022-06-10"}, set()),
        ("cams.held_out.dates", ["2022-06-27"], set()),
        ("cams.directory", "elsewhere", set()),
        ("static.path", "elsewhere", set()),
        ("static.sha256", "0" * 64, set()),
        ("aurora.device", "cpu", set()),
        ("storage.scratch", "$HOME", set()),
        ("reproduce.against", "elsewhere", set()),
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


def test_portable_numbers_do_not_download_a_year_again(year_raw):
    """What is copied has the same bits on every machine."""
    changed = changed_stages(typed(year_raw), typed(put(year_raw, "compute.portable", True)))
    assert not changed & {"download_day", "make_static", "make_checkpoint"} and "dump_activations" in changed


def test_a_key_that_is_off_leaves_all_as_it_was(demo_raw):
    """Parameters and digests of before there was portable mode stay as they are; the literal is one of them."""
    config = typed(put(demo_raw, "compute.portable", False))
    assert not any("compute.portable" in stage_params(config, stage) for stage in KEYS)
    assert stage_digest(config, "write_features") == sha256_json(
        {"recipe": 1, "features": {"top_k": 16, "chosen": []}, "compute.threads": 1}
    )


def test_digest_of_static_files_matters_only_for_files(demo_raw):
    """The expected digest of a static file is a parameter where a file is given."""
    put(put(demo_raw, "static.source", "file"), "static.path", "static.pickle")
    before = typed(demo_raw)
    assert changed_stages(before, typed(put(demo_raw, "static.sha256", "0" * 64))) == {"make_static"}


def test_params_hold_no_paths(demo_raw):
    """Paths of the user never enter the parameters, which Snakemake stores in clear."""
    for key in ("cams.directory", "static.path", "labels.own", "aurora.checkpoint", "storage.scratch"):
        put(demo_raw, key, "/a/secret/place")
    config = typed(demo_raw)
    assert "secret" not in json.dumps([stage_params(config, stage) for stage in KEYS])


@pytest.mark.parametrize("key", LEAVES)
def test_every_key_is_accounted_for(key):
    """Each key changes a stage's numbers, is listed as one that changes none, or is filled in for one that does."""
    key = key.replace("sae.tuned.", "sae.")
    listed = {*NO_NUMBERS, *(name for keys in KEYS.values() for name in keys)}
    assert any(key == entry or key.startswith(f"{entry}.") for entry in listed)


def test_every_stage_has_a_recipe_version(demo_raw):
    """Stages with keys and stages with recipes are the same, and each stage's parameters begin with its version."""
    assert set(KEYS) == set(RECIPES)
    for stage in KEYS:
        params = stage_params(typed(demo_raw), stage)
        assert list(params)[0] == "recipe"
        assert json.loads(json.dumps(params)) == params


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_top_k_family_has_recipe_versions_of_its_own(demo_raw, architecture):
    """What changed the bits of latents that are kept by their number makes no other SAE anew."""
    target = 16 if ARCHITECTURES[architecture].needs_target else None
    config = typed({**demo_raw, "sae": {**demo_raw["sae"], "architecture": architecture, "target_l0": target}})
    found = {stage: stage_params(config, stage)["recipe"] for stage in RECIPES}
    assert found == {**RECIPES, **RECIPES_OF_DEMO, **(RECIPES_OF_KEPT if ARCHITECTURES[architecture].keeps_k else {})}
    assert all(RECIPES_OF_KEPT[stage] > RECIPES[stage] for stage in RECIPES_OF_KEPT)


def test_the_demo_has_recipe_versions_of_its_own(year_raw):
    """What changed the demo's Aurora makes nothing of the official one anew."""
    assert all(RECIPES_OF_DEMO[stage] > RECIPES[stage] for stage in RECIPES_OF_DEMO)
    found = {stage: stage_params(typed(year_raw), stage)["recipe"] for stage in RECIPES_OF_DEMO}
    assert found == {stage: RECIPES[stage] for stage in RECIPES_OF_DEMO}
