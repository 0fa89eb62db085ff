"""Studies of changed inputs in a small Aurora whose blocks do something: rollouts, responses, parts and emissions against other ways to them."""

import copy

import numpy as np
import pytest
import torch
from aurora import rollout
from aurorascope.blocks import BY_ID
from aurorascope.perturbations import feature_responses, perturb, reach, score, split_change
from aurorascope.perturbations.inputs import Inputs
from aurorascope.studies import plan_input_study, read_input_study, run_input_study
from aurorascope.studies.outcomes import values_of

from tests.backbone import small
from tests.interventions.linear import sae_of

pytestmark = pytest.mark.filterwarnings("ignore::aurorascope.studies.UnseenWarning")
DATE, DISK = "2022-06-01", {"disk": [30.0, 100.0, 4000.0], "taper_km": 2000.0}
BLOCKS = ("encoder_s1_b4", "decoder_s2_b1")
OUTCOMES = [
    {"kind": "linear", "name": "smoke", "variable": "co", "level": 850, "region": {"disk": [30.0, 100.0, 5000.0]}},
    {"kind": "wind_max", "name": "wind", "region": {"disk": [30.0, 100.0, 5000.0]}},
]
SCALE = {"scale": {"variables": ["co", "pm10"], "factor": 1.5, "region": DISK}}


@pytest.fixture(scope="module")
def aurora():
    (previous, current), static = small.small_states()
    return small.small_model(), {DATE: Inputs(previous, current, small.TIMES[1], static)}


def asked(**changes):
    given = {"name": "small", "perturb": [SCALE], "dates": [DATE], "outcomes": OUTCOMES, "n_controls": 1}
    return read_input_study({**given, **changes})


def saes():
    return {name: sae_of("topk" if name == BLOCKS[0] else "abstopk", width=BY_ID[name].width(16)) for name in BLOCKS}


@pytest.fixture(scope="module")
def ran(aurora):
    model, inputs = aurora
    return run_input_study(asked(steps=2, blocks=list(reversed(BLOCKS))), model, saes(), inputs)


def test_an_arm_is_a_rollout_of_the_changed_inputs(aurora, ran):
    model, inputs = aurora
    plan = plan_input_study(asked(steps=2), inputs)
    for name in ("reverse_0.5", "other_go3", "noise_00"):
        changed, _ = perturb(inputs[DATE], plan.operations[DATE, name])
        with torch.inference_mode():
            forecasts = list(rollout(model, changed.batch(), steps=2))
        rows = ran.effects[ran.effects.arm == name].set_index(["outcome", "step"]).value
        inside = in_disk(inputs[DATE])
        for step, forecast in enumerate(forecasts, 1):
            wind = np.hypot(*(values_of(forecast, (variable, None), 18) for variable in ("10u", "10v")))
            assert rows["wind", step] == wind[inside].max()
    clean = ran.effects[ran.effects.kind.isin(("clean", "clean_again"))]
    assert (clean.effect == 0).all() and len(clean) == 2 * 2 * 2
    assert ran.summary["n_forwards"] == 2 * ran.effects.arm.nunique() + 2


def in_disk(inputs):
    """Cells within 5000 km, by the cosine law."""
    a, b, d = np.deg2rad(30.0), np.deg2rad(inputs.lat[:18])[:, None], np.deg2rad(inputs.lon - 100.0)[None]
    return 6371 * np.arccos((np.sin(a) * np.sin(b) + np.cos(a) * np.cos(b) * np.cos(d)).clip(-1, 1)) <= 5000


def test_parts_and_maps_are_those_of_the_first_step(aurora, ran):
    model, inputs = aurora
    changed, _ = perturb(inputs[DATE], asked().operations())
    split = split_change(model, inputs[DATE].batch(), changed.batch())
    maps, at = ran.maps[DATE], inputs[DATE].levels.index(850)
    for part in ("total", "carry", "backbone"):
        expected = getattr(split, part)
        assert np.array_equal(maps[part]["co", 850], expected["co"][at].astype(np.float32)) and maps[part]["co", 850].any()
        assert np.array_equal(maps[part]["10u", None], expected["10u"].astype(np.float32))
    parts = ran.summary["parts"]
    first = ran.effects[(ran.effects.arm == "change_1") & (ran.effects.step == 1)].set_index("outcome")
    for name in ("smoke", "wind"):
        assert parts[name]["carry"] + parts[name]["backbone"] == pytest.approx(parts[name]["effect"], rel=1e-9)
        assert parts[name]["effect"] == first.effect[name]
    assert parts["smoke"]["carry"] != 0 and parts["smoke"]["backbone"] != 0 and parts["wind"]["carry"] == 0
    assert ran.effects[ran.effects.step == 2][["carry", "backbone"]].isna().all(axis=None)


def test_responses_are_those_of_two_encodings_scored(aurora, ran):
    """Blocks come in forward order; of the SAE that tells signs apart each latent is two features."""
    model, inputs = aurora
    study = asked(steps=2)
    plan = plan_input_study(study, inputs)
    assert list(dict.fromkeys(ran.responses.block)) == list(BLOCKS)
    for block in BLOCKS:
        found = {}
        for arm in plan.arms[2:]:
            changed = perturb(inputs[DATE], plan.operations[DATE, arm.name])[0]
            region = study.region.moved_east(float(arm.label)) if arm.kind == "moved" else study.region
            batches = inputs[DATE].batch(), changed.batch()
            found[arm] = [feature_responses(model, {block: saes()[block]}, *batches, {"here": region}, small.TIMES[1])[block]]
        doses = {arm.dose: each for arm, each in found.items() if arm.kind in ("change", "reverse")}
        controls = {arm.name: each for arm, each in found.items() if arm.dose == 1 and arm.kind != "change"}
        controls.pop("reverse_1", None)
        expected = score(doses, controls, region="here", dose=1.0, signed=block == BLOCKS[1])
        table = ran.responses[ran.responses.block == block].reset_index(drop=True)
        for name in ("level", "feature", "sign", "mean", "change", "slope", "r2", "q", "change_moved_090", "change_other_go3"):
            assert np.array_equal(table[name], expected[name], equal_nan=table[name].dtype.kind == "f"), name
        assert np.array_equal(table.change_noise, expected.change_noise_00.abs())
        assert table.change.any() and (table.sign == -1).any() == (block == BLOCKS[1])


def test_reach_is_that_of_the_whole_change(aurora, ran):
    model, inputs = aurora
    changed, _ = perturb(inputs[DATE], asked().operations())
    found = reach(model, inputs[DATE].batch(), changed.batch(), asked().region)
    assert ran.reach.drop(columns="date").equals(found.blocks) and ran.rings.drop(columns="date").equals(found.rings)
    assert len(ran.reach) == 48 and (ran.reach.km_90 > 0).any()


def test_what_is_read_of_a_backbone_in_autocast_is_read_outside_of_it(aurora):
    """An SAE's products in bfloat16 would have other features."""
    model, inputs = aurora
    half = copy.deepcopy(model)
    half.autocast_backbone, half.autocast_dtype = True, torch.bfloat16
    outcome = {"kind": "feature", "name": "reads", "block": BLOCKS[0], "feature": 3, "region": {"band": [0, 60]}}
    study = asked(blocks=[BLOCKS[0]], outcomes=[outcome])
    found = run_input_study(study, half, saes(), inputs).responses
    changed, _ = perturb(inputs[DATE], study.operations())
    args = {BLOCKS[0]: saes()[BLOCKS[0]]}, inputs[DATE].batch(), changed.batch(), {"here": study.region}, small.TIMES[1]
    expected = feature_responses(half, *args)[BLOCKS[0]].change_rlf[0].reshape(-1)
    assert np.array_equal(found.change, expected) and expected.any()
    assert not np.array_equal(expected, feature_responses(model, *args)[BLOCKS[0]].change_rlf[0].reshape(-1))


def test_an_emission_is_the_backbones_and_has_all_controls(aurora):
    """Nothing of an emission is carried."""
    model, inputs = aurora
    emission = {"scale_emission": {"emission": "static_nox", "factor": 3.0, "region": DISK}}
    found = run_input_study(asked(perturb=[emission], n_controls=4, expected_sign=1), model, {}, inputs).summary
    assert found["parts"]["smoke"]["carry"] == 0 and found["parts"]["smoke"]["backbone_share"] == 1
    smoke = found["outcomes"]["smoke"]
    assert smoke["n_by_kind"] == {"moved": 3, "other": 3, "noise": 4} and found["word"] in ("effect", "not beyond controls")
    assert list(found["absent_arms"]) == ["reverse_1"]
