"""Studies in a small Aurora: the feature arm is what `intervene` does, over two steps, with outcomes of every kind."""

import numpy as np
import pytest
import torch
from aurora import rollout
from aurorascope.blocks import BY_ID
from aurorascope.interventions import Band, Clamp, Levels, intervene
from aurorascope.interventions.places import Place
from aurorascope.studies import read_study, run_study
from aurorascope.studies.outcomes import fields_of, values_of

from tests.backbone import small
from tests.interventions.linear import features_of, output_of, sae_of

SITE, LATER = "encoder_s1_b4", "decoder_s1_b9"
DATE = "2022-06-01"
OUTCOMES = [
    {"kind": "linear", "name": "temperature", "variable": "t", "level": 850, "region": {"band": [-60, 60]}},
    {"kind": "msl_min", "name": "low", "region": {"disk": [30.0, 200.0, 4000.0]}},
    {"kind": "wind_max", "name": "wind", "region": {"disk": [30.0, 200.0, 4000.0]}},
    {"kind": "feature", "name": "later", "block": LATER, "feature": 9, "region": {"levels": ["surface"]}},
]
EDIT = {"clamp": 0.5}


@pytest.fixture(scope="module")
def aurora():
    return small.small_model(), small.small_batch(small.small_states())


def saes():
    return {name: sae_of("jumprelu" if name == SITE else "relu", width=BY_ID[name].width(16)) for name in (SITE, LATER)}


def most_often_on(aurora, sae, sign=1):
    """A feature that is on at the most tokens."""
    model, batch = aurora
    h_nf = features_of(sae, output_of(model, batch, SITE).float())
    return int((h_nf * sign > 0).sum(0).argmax())


def asked(feature, **changes):
    given = {
        "name": "small", "block": SITE, "features": [feature], "edit": EDIT, "region": {"band": [-60, 60], "levels": ["surface", "atmos_1"]},
        "dates": [DATE], "outcomes": OUTCOMES, "n_controls": 2,
    }
    return read_study(given | changes)


def test_the_feature_arm_is_what_intervene_does_in_a_rollout(aurora):
    model, batch = aurora
    feature = most_often_on(aurora, saes()[SITE])
    found = run_study(asked(feature, steps=2), model, saes(), {DATE: batch})
    with torch.inference_mode():
        clean = list(rollout(model, batch, steps=2))
        where = Band(-60, 60) & Levels("surface", "atmos_1")
        with intervene(model, {SITE: saes()[SITE]}, Clamp((feature, 1), 0.5), where=where, steps={0}):
            edited = list(rollout(model, batch, steps=2))
    for field, change_yx in found.maps[DATE].items():
        assert np.array_equal(change_yx, (values_of(edited[1], field, 18) - values_of(clean[1], field, 18)).astype(np.float32))
        assert change_yx.any()
    rows = found.effects[found.effects.arm == "feature_1"].set_index(["outcome", "step"]).value
    for step, forecast in enumerate(edited, 1):
        inside = in_disk(*axes(batch))
        assert rows["low", step] == values_of(forecast, ("msl", None), 18)[inside].min()
        wind = np.hypot(*(values_of(forecast, (name, None), 18) for name in ("10u", "10v")))
        assert rows["wind", step] == wind[inside].max()
    d2 = found.fields[(found.fields.arm == "feature_1") & (found.fields.step == 1)]
    assert len(d2) == len(fields_of(clean[0])) and (d2.d2 > 0).all()
    # The mean temperature of a third of the globe moves by less than a rounding of it, though no two runs are alike.
    words = {name: each["word"] for name, each in found.summary["outcomes"].items()}
    assert found.summary["word"] == words["temperature"] == "within floor" and (rows["temperature"] != 0).all()
    assert words["wind"] == words["later"] == "too few controls"
    assert found.summary["n_forwards"] == 2 * len(found.effects.arm.unique())
    assert (found.effects[found.effects.kind == "clean_again"].effect == 0).all()
    assert list(found.summary["absent_arms"]) == ["placebo"]


def in_disk(lat, lon):
    """Cells within 4000 km, by the cosine law."""
    a, b, d = np.deg2rad(30.0), np.deg2rad(lat)[:, None], np.deg2rad(lon - 200.0)[None]
    return 6371 * np.arccos((np.sin(a) * np.sin(b) + np.cos(a) * np.cos(b) * np.cos(d)).clip(-1, 1)) <= 4000


def test_normal_takes_quiet_dates_and_signs_are_told_apart(aurora):
    """The SAE of signed latents; both signs of one edited feature are refused as controls."""
    model, batch = aurora
    both = {SITE: sae_of("abstopk", width=BY_ID[SITE].width(16))}
    feature = most_often_on(aurora, both[SITE], -1)
    given = {"edit": "normal", "outcomes": OUTCOMES[:1], "region": {"disk": [0.0, 90.0, 6000.0]}}
    found = run_study(asked([feature, -1], **given), model, both, {DATE: batch}, quiet=[batch])
    named = [tuple(each["features"][0]) for each in found.summary["controls"]]
    assert found.summary["features"] == [[feature, -1]] and len(named) == 2 and all(other != feature for other, _ in named)
    assert found.summary["absent_arms"] == {} and found.maps


def test_the_reconstruction_arm_replaces_the_region_alone(aurora):
    """All tokens of the region and no other, as `intervene` would with every feature's own error taken away."""
    model, batch = aurora
    some = saes()
    found = run_study(asked(most_often_on(aurora, some[SITE])), model, some, {DATE: batch})
    x_nd = output_of(model, batch, SITE)
    held = (Band(-60, 60) & Levels("surface", "atmos_1")).holds(Place.of_batch(BY_ID[SITE], batch))

    def replace(_module, _args, output):
        with torch.no_grad():
            return torch.where(torch.from_numpy(held)[:, None], some[SITE](x_nd)[0], output[0])[None]

    hook = BY_ID[SITE].module(model).register_forward_hook(replace)
    with torch.inference_mode():
        forecast = model(batch)
    hook.remove()
    rows = found.effects[found.effects.kind == "reconstruction"].set_index("outcome")
    assert rows.value["low"] == pytest.approx(values_of(forecast, ("msl", None), 18)[in_disk(*axes(batch))].min(), rel=1e-6)
    assert (rows.touched == held.sum()).all() and rows.effect["low"] != 0


def axes(batch):
    return batch.metadata.lat.numpy()[:18], batch.metadata.lon.numpy()
