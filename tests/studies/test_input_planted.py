"""Studies of changed inputs whose effects and responses are known: in an Aurora that carries, and one in which a head sees the input."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from aurorascope.perturbations import apply, normalised_size
from aurorascope.studies import run_input_study
from aurorascope.studies.input_arms import n_forwards, plan_input_study

from tests.studies import input_planted as planted

pytestmark = pytest.mark.filterwarnings("ignore::aurorascope.studies.UnseenWarning")
NO2, COLUMN = planted.VARIABLES.index("no2"), planted.VARIABLES.index("tcno2")


@pytest.fixture(scope="module")
def plume(carrying, inputs_by_date):
    """The result of the study of a plume, with the responses of the features that read its variables."""
    return run_input_study(planted.study(blocks=[planted.BLOCK]), carrying, {planted.BLOCK: planted.reading()}, inputs_by_date)


def test_a_model_that_carries_has_nothing_left_for_the_backbone(plume):
    found = plume.summary
    assert found["word"] == found["outcomes"]["smoke"]["word"] == "effect"
    parts = found["parts"]["smoke"]
    assert parts["carry_share"] == 1 and parts["backbone_share"] == parts["backbone"] == 0 and parts["effect"] > 0
    for date, maps in plume.maps.items():
        assert date in planted.DATES[::2] and list(maps["total"]) == [("no2", 925)]
        assert not maps["backbone"]["no2", 925].any() and maps["total"]["no2", 925].any()
        assert np.array_equal(maps["total"]["no2", 925], maps["carry"]["no2", 925])
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_a_carried_plume_is_the_change_of_the_state_of_24_hours_before(plume, inputs_by_date):
    """The forecast of a model that carries is that state: its change is the plume's, in units of how far it moves by itself."""
    rows = plume.effects[(plume.effects.arm == "change_1")].set_index("date")
    for date in planted.DATES[::2]:
        inputs = inputs_by_date[date]
        changed = apply(inputs, planted.study().operations())
        at = inputs.levels.index(925)
        before, now, new = (np.asarray(state["no2"].values[at, :18], np.float64) for state in (*inputs.states, changed.previous))
        disk = np.asarray(planted.study().outcomes[0].where.region("here", f"{date}T12:00:00Z", None).holds(planted.cells(inputs)))
        weight = np.where(disk.reshape(18, 36), inputs.area_y[:18, None], 0)
        mean = ((new - before) * weight).sum() / weight.sum()
        unit = np.sqrt((np.square(before - now) * weight).sum() / weight.sum())
        assert rows.effect[date] == pytest.approx(mean / unit, rel=1e-5)
        assert rows["size"][date] == pytest.approx(normalised_size(inputs, changed), rel=1e-12)


def test_effects_are_linear_and_a_dose_that_takes_away_too_much_is_absent(plume):
    found = plume.summary["outcomes"]["smoke"]
    assert [row["dose"] for row in found["doses"]] == [-0.5, -0.1, 0.1, 0.5, 1]
    assert found["slope"] == pytest.approx(found["effect"], rel=1e-5) and found["is_linear_throughout"] and found["antisymmetry"] < 1e-5
    assert [row["size"] for row in found["doses"]] == pytest.approx([abs(row["dose"]) * found["doses"][-1]["size"] for row in found["doses"]], rel=1e-5)
    assert list(plume.summary["absent_arms"]) == ["reverse_1"] and "taken away" in plume.summary["absent_arms"]["reverse_1"]


def test_every_arm_runs_on_every_date_and_other_changes_are_as_large(plume):
    effects = plume.effects
    kinds = effects.groupby("kind").arm.nunique().to_dict()
    assert kinds == {"clean": 1, "clean_again": 1, "change": 3, "reverse": 2, "moved": 3, "other": 1, "noise": 6}
    assert (effects.groupby("arm").date.nunique() == 2).all()
    whole = effects[effects.arm == "change_1"].set_index("date")["size"]
    for name, rows in effects[effects.kind.isin(("other", "noise"))].groupby("arm"):
        assert rows.set_index("date")["size"].to_dict() == pytest.approx(whole.to_dict(), rel=1.1e-3), name
    clean = effects[effects.kind.isin(("clean", "clean_again"))]
    assert (clean.effect == 0).all() and (clean["size"] == 0).all()
    found = plume.summary["outcomes"]["smoke"]
    assert found["n_by_kind"] == {"moved": 3, "other": 1, "noise": 6} and found["n_controls"] == 10
    # One arm is absent on both dates.
    assert plume.summary["n_forwards"] == n_forwards(planted.study()) - 2
    assert plume.summary["n_forwards"] == effects.groupby("date").arm.nunique().sum() + 2 * 2


def test_exactly_the_planted_features_respond(plume):
    """The gas near the ground, and its column; the features that read the negative of both are off, as all others are unmoved."""
    table = plume.responses
    assert len(table) == 4 * 2 * planted.WIDTH and set(table.block) == {planted.BLOCK}
    responds = table[(table.change != 0) | (table.slope != 0) & table.slope.notna()]
    assert {(row.level, row.feature) for row in responds.itertuples()} == {(3, NO2), (0, COLUMN)}
    assert (responds.change > 0).all() and (responds.agree == 1).all() and responds.beyond_controls.all()
    # The clamp at 2.5 of the encoder bends what lies above it.
    assert (responds.r2 > 1 - 1e-4).all() and (responds.q < 1).all() and (responds.change_other_co == 0).all()
    assert ((responds.change_noise > 0) & (responds.change_noise < responds.change)).all()
    # Elsewhere the same plume is as large, though not on as many tokens of the same rows.
    assert np.allclose(responds.change_moved_180, responds.change, rtol=0.5)
    other = table[(table.level == 3) & (table.feature == planted.VARIABLES.index("co"))]
    assert other.change_other_co.item() != 0 and not other.beyond_controls.item()


def test_blocks_that_do_nothing_reach_no_further(plume):
    assert len(plume.reach) == 48 * 2 and len(plume.rings) == 8 * len(plume.reach)
    encoder = plume.reach[plume.reach.block.str.startswith("encoder_s0")]
    assert np.allclose(encoder.inside, 1, rtol=1e-12) and (encoder.rms_change > 0).all() and (encoder.km_90 == 0).all()


def test_a_head_that_sees_the_plume_is_the_backbones(inputs_by_date):
    """PM2.5 is carried and its head sees the input; temperature is not carried; CO is carried and its head is silent."""
    outcomes = [{"kind": "linear", "name": name, "variable": name, "level": level} for name, level in (("pm2p5", None), ("t", 925), ("co", 925))]
    plumes = [{"add_plume": {"variable": "pm2p5", "kg": 3e9, "depth_m": 1000, "region": planted.DISK}}, planted.PLUME]
    asked = planted.study(perturb=plumes, outcomes=outcomes, dates=planted.DATES[:1], n_controls=1)
    found = run_input_study(asked, planted.planted_model(seen=("pm2p5", "t")), {}, inputs_by_date)
    parts = found.summary["parts"]
    for name in ("pm2p5", "t"):
        assert parts[name]["backbone"] != 0
        assert parts[name]["carry"] + parts[name]["backbone"] == pytest.approx(parts[name]["effect"], rel=1e-9)
        maps = {part: found.maps[planted.DATES[0]][part][name, 925 if name == "t" else None] for part in ("total", "carry", "backbone")}
        assert np.allclose(maps["carry"] + maps["backbone"], maps["total"], rtol=1e-4, atol=1e-6 * np.abs(maps["total"]).max())
    assert parts["pm2p5"]["carry"] != 0
    assert parts["t"]["carry_share"] == 0 and parts["t"]["backbone_share"] == 1
    assert parts["co"]["effect"] == 0 and parts["co"]["carry_share"] is None
    assert found.summary["word"] == "too few controls" and found.responses.empty


def test_controls_no_smaller_than_the_change_say_so(carrying, inputs_by_date):
    """A change by red noise is one of the noises it is compared with."""
    noise = {"add_red_noise": {"variables": ["no2"], "amplitude": 0.5, "region": planted.DISK}}
    found = run_input_study(planted.study(perturb=[noise], dates=planted.DATES[1:2]), carrying, {}, inputs_by_date).summary
    assert found["word"] == "not beyond controls" and found["outcomes"]["smoke"]["n_controls"] >= 10
    assert set(found["absent_arms"]) == {"reverse_0.1", "reverse_0.5", "reverse_1"}


def test_what_the_outcome_does_not_see_is_within_the_floor(carrying, inputs_by_date):
    asked = planted.study(outcomes=[{**planted.SMOKE, "variable": "no"}], dates=planted.DATES[:1])
    assert run_input_study(asked, carrying, {}, inputs_by_date).summary["word"] == "within floor"


def test_a_feature_is_an_outcome(carrying, inputs_by_date):
    """The mean over the disk's tokens is what responds; it lies before the output skip, so that it has no parts."""
    feature = {"kind": "feature", "name": "reads", "block": planted.DEEP, "feature": NO2, "region": {"disk": [30.0, 100.0, 5000.0], "levels": [3]}}
    asked = planted.study(outcomes=[feature], dates=planted.DATES[:1], expected_sign=-1)
    found = run_input_study(asked, carrying, {planted.DEEP: planted.reading()}, inputs_by_date).summary
    assert found["word"] == "effect" and found["outcomes"]["reads"]["sign_as_expected"] is False
    assert found["parts"]["reads"]["carry"] is None and found["parts"]["reads"]["effect"] > 0


def test_a_forecast_that_is_not_finite_is_diverged_and_not_read(carrying, inputs_by_date):
    """A decoder that breaks where NO2 rises as far as the whole plume lets it, and not half of it."""
    date = planted.DATES[0]
    asked = planted.study(dates=[date], n_controls=1)
    plan, most = plan_input_study(asked, inputs_by_date), {}

    def listen(_module, _args, x_bnd):
        # Nothing is encoded where the decoder's answer is known.
        if x_bnd is not None:
            most["now"] = float(x_bnd[..., NO2].sum())

    listening = carrying.encoder.register_forward_hook(listen)
    seen = {}
    for name in ("change_0.5", "change_1"):
        with torch.inference_mode():
            carrying(apply(inputs_by_date[date], plan.operations[date, name]).batch())
        seen[name] = most["now"]
    bar = sum(seen.values()) / 2

    def broken(_module, _args, output):
        fields = {**output.surf_vars, "2t": output.surf_vars["2t"] + torch.inf}
        return dataclasses.replace(output, surf_vars=fields) if most["now"] > bar else output

    breaking = carrying.decoder.register_forward_hook(broken)
    try:
        found = run_input_study(asked, carrying, {}, inputs_by_date)
    finally:
        breaking.remove()
        listening.remove()
    assert found.summary["word"] == "diverged_at_step" and found.summary["diverged_at_step"]["change_1"] == 1
    assert "change_0.5" not in found.summary["diverged_at_step"] and not found.maps and found.reach.empty
    rows = found.effects[found.effects.diverged_at_step > 0]
    assert set(rows.arm) == set(found.summary["diverged_at_step"]) and rows.effect.isna().all()
    assert found.effects[found.effects.arm == "change_0.5"].effect.notna().all()
