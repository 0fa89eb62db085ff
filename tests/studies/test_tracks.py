"""Tracks of lows as outcomes: planted lows of a stand-in, lows that are lost, and Aurora's own tracker on a small Aurora."""

import dataclasses

import numpy as np
import pytest
import torch
from aurora import Tracker, rollout
from aurora.tracker import havdist
from aurorascope.blocks import BY_ID
from aurorascope.errors import UserError
from aurorascope.interventions import Band, Clamp, intervene
from aurorascope.sphere import RADIUS_M
from aurorascope.studies import read_study, run_study
from aurorascope.studies.outcomes import Reader
from aurorascope.studies.tracks import Follower, Track

from tests.backbone import small
from tests.interventions.linear import features_of, output_of, sae_of
from tests.studies import lows, planted
from tests.studies.linear import BLOCK
from tests.studies.lows import DATE, START, Low

# Of a late block, so that arms run little of the model.
LATE = "decoder_s2_b5"


def ran(model, feature, reads, **changes):
    return run_study(read_study(lows.given(feature, reads, **changes)), model, {BLOCK: planted.planted_sae()}, {DATE: lows.batch_of()})


KM = np.deg2rad(1.0) * RADIUS_M / 1000 * np.cos(np.deg2rad(START[0]))


@pytest.fixture(scope="module")
def mean_h():
    """What the ablation of the strong feature, which writes channel 0 alone, takes from that channel's mean."""
    model = Low()
    ran(model, planted.STRONG, "shift", n_controls=1)
    clean, again, _, *doses = (float(each[0]) for each in model.means)
    assert clean == again == 0 and doses[2] < 0
    return -doses[2]


@pytest.fixture(scope="module")
def moving(mean_h):
    """The ablation of the strong feature moves the low by two degrees to the west."""
    return Low(turn=2 / mean_h)


def test_a_low_that_is_moved_two_degrees_has_moved_two_cells(moving):
    """Along the row of START; the reverse goes as far the other way; half of it one cell; four cells are beyond the tracker's reach."""
    found = ran(moving, planted.STRONG, "shift")
    rows = found.effects.set_index("arm").effect
    assert rows["feature_1"] == pytest.approx(2 * KM, rel=1e-3) == rows["minus_feature_1"]
    assert rows["feature_0.5"] == pytest.approx(KM, rel=1e-3) and np.isnan(rows["feature_2"]) and rows["clean_again_0"] == 0
    # Half a row of cells: a low lies at a cell.
    judged = found.summary["outcomes"]["storm"]
    assert judged["floor"] == pytest.approx(np.deg2rad(1) * RADIUS_M / 2000)
    assert judged["n_lost"]["feature"] == 1 and judged["n_lost"]["control"] == 0


def test_words_of_a_shift(moving):
    found = ran(moving, planted.STRONG, "shift").summary
    assert found["word"] == "effect" and found["outcomes"]["storm"]["controls_95"] < found["outcomes"]["storm"]["effect"]
    assert ran(moving, planted.UNSEEN, "shift").summary["word"] == "within floor"


def test_the_error_is_the_distance_from_where_the_low_was(moving):
    """The truth is where the edited low goes: the edit takes away all of the error."""
    found = ran(moving, planted.STRONG, "error", outcome={"truth": [[START[0], START[1] - 2]]}).effects.set_index("arm")
    assert found.value["clean_0"] == pytest.approx(2 * KM, rel=1e-3) and found.value["feature_1"] == 0
    assert found.effect["feature_1"] == pytest.approx(-2 * KM, rel=1e-3)


def test_depth_and_wind_are_those_of_the_low():
    """The low's centre is a cell's: pressure there, and the greatest wind."""
    for reads, expected in (("pressure", 1e5 + START[0] - 3000), ("wind", 20.0)):
        found = ran(Low(), planted.STRONG, reads, n_controls=1, steps=2)
        assert found.effects.value.tolist() == pytest.approx([expected] * len(found.effects), rel=1e-12)
        assert found.summary["word"] == "within floor"
        assert set(found.maps[DATE]) == {("msl", None), ("10u", None), ("10v", None), ("z", 700)}


@pytest.mark.parametrize("gone_from", [0, 1])
def test_a_low_that_is_gone_is_said_to_be_lost(gone_from):
    """In the first step Aurora's tracker raises, later it goes on along the track: neither gives a value here."""
    found = ran(Low(gone_from=gone_from), planted.STRONG, "pressure", steps=2, n_controls=1)
    rows = found.effects[found.effects.step == 2]
    assert rows.value.isna().all() and (rows.diverged_at_step == 0).all()
    first = found.effects[found.effects.step == 1].value
    assert first.isna().all() if gone_from == 0 else first.notna().all()
    judged = found.summary["outcomes"]["storm"]
    assert found.summary["word"] == "track lost" and judged["effect"] is None and judged["n_lost"]["feature"] == 4
    # What does not follow the low has its numbers.
    assert (found.fields.d2.dropna() == 0).all() and (found.fields.d2 == 0).any()


def test_an_edit_that_loses_the_low_and_controls_that_do(mean_h):
    """Features of one strength, so that those whose row has more than 0.2 of channel 6 fill the low when they are ablated."""
    model = Low(deepen=3000 / (0.2 * mean_h))
    found = ran(model, planted.STRONG, "wind")
    controls = [each["features"][0][0] for each in found.summary["controls"]]
    fill = planted.planted_sae().W_dec.detach()[controls, 6] > 0.2
    is_lost = found.effects[found.effects.kind == "control"].effect.isna().to_numpy()
    assert np.array_equal(is_lost, fill.numpy()) and 0 < fill.sum() < len(controls)
    judged = found.summary["outcomes"]["storm"]
    assert judged["n_lost"]["control"] == fill.sum() and judged["n_lost"]["clean"] == judged["n_lost"]["feature"] == 0
    # What is lost counts as infinite, and no number can be given for the quantile of such.
    assert found.summary["word"] == "within floor" and judged["controls_95"] is None
    lost = ran(model, controls[int(fill.int().argmax())], "wind").summary
    assert lost["word"] == "track lost" and lost["outcomes"]["storm"]["n_lost"]["clean"] == 0


def test_tracks_of_one_start_and_of_several_go_on_side_by_side(moving):
    outcomes = [
        {"kind": "tracker", "name": name, "lat": START[0], "lon": START[1] + east, "reads": "shift"} for name, east in (("near", 0), ("far", 1))
    ]
    outcomes += [{"kind": "msl_min", "name": "least", "region": lows.REGION}]
    found = ran(moving, planted.STRONG, "shift", outcomes=outcomes, n_controls=1).effects.set_index(["outcome", "arm"]).effect
    assert found["near", "feature_1"] == found["far", "feature_1"] > 0 and found["least", "clean_0"] == 0


@pytest.fixture(scope="module")
def aurora():
    """A degree and a half a cell, the coarsest that is taken, over 27 by 54 degrees."""
    from aurorascope.cams.demo import demo_state, demo_static
    from aurorascope.cams.grid import regular_grid
    from aurorascope.cams.variables import LEVELS
    from aurorascope.config.calendar import parse

    lat, lon = regular_grid(121, 240)
    states = [demo_state(parse(time), lat, lon, LEVELS) for time in small.TIMES], demo_static(lat, lon)
    whole, rows, columns = small.small_batch(states), slice(90, 108), slice(36)
    parts = {part: {name: each[..., rows, columns] for name, each in getattr(whole, part).items()} for part in ("surf_vars", "static_vars", "atmos_vars")}
    axes = {"lat": whole.metadata.lat[rows], "lon": whole.metadata.lon[columns]}
    return small.small_model(), dataclasses.replace(whole, **parts, metadata=dataclasses.replace(whole.metadata, **axes))


def test_a_small_aurora_is_followed_as_its_own_tracker_does(aurora):
    """Values of each step are those of `aurora.Tracker` on the forecasts of a rollout, edited in its second step and not."""
    model, batch = aurora
    start, sae = (-64.5, 19.5), sae_of("relu", width=BY_ID[LATE].width(16))
    h_nf = features_of(sae, output_of(model, batch, LATE).float())
    outcomes = [{"kind": "tracker", "name": reads, "lat": start[0], "lon": start[1], "reads": reads} for reads in ("pressure", "wind", "shift")]
    study = read_study({
        "name": "small", "block": LATE, "features": [int((h_nf > 0).sum(0).argmax())], "edit": {"clamp": 3.0}, "steps": 2, "edit_steps": [1],
        "region": {"band": [-70, -40]}, "dates": [DATE], "outcomes": outcomes, "n_controls": 1,
    })
    found = run_study(study, model, {LATE: sae}, {DATE: batch})
    values = found.effects.set_index(["arm", "outcome", "step"]).value
    with torch.inference_mode():
        clean = list(rollout(model, batch, steps=2))
        with intervene(model, {LATE: sae}, Clamp(study.features[0][0], 3.0), where=Band(-70, -40), steps={1}):
            edited = list(rollout(model, batch, steps=2))
    tracks = {}
    for arm, forecasts in (("clean_0", clean), ("feature_1", edited)):
        tracker = Tracker(*start, batch.metadata.time[0])
        for forecast in forecasts:
            tracker.step(forecast)
        assert tracker.fails == 0
        tracks[arm] = tracker.results()
        for step in (1, 2):
            assert values[arm, "pressure", step] == tracks[arm].msl[step] and values[arm, "wind", step] == tracks[arm].wind[step]
    (_, lat, lon, _, _), (_, other_lat, other_lon, _, _) = (tracks[arm].iloc[2] for arm in ("clean_0", "feature_1"))
    assert values["feature_1", "shift", 2] == pytest.approx(havdist(lat, lon, other_lat, other_lon), abs=1e-3)
    assert tracks["clean_0"].msl[2] != tracks["feature_1"].msl[2]


@pytest.mark.parametrize(("changes", "words"), [
    ({"outcome": {"reads": "depth"}}, "reads"), ({"outcome": {"truth": [[0, 0]]}}, "truth"), ({"outcome": {"reads": "error"}}, "truth"),
    ({"outcome": {"lat": 95}}, "a latitude from -90 to 90"), ({"outcome": {"lon": "x"}}, "degrees north and degrees east"),
    ({"outcome": {"start": 3}}, "start"), ({"outcome": {"region": {"levels": ["surface"]}}}, "latent levels"),
])
def test_what_is_no_track_is_refused(changes, words):
    with pytest.raises(UserError, match=words):
        read_study(lows.given(0, "shift", **changes))


def test_inputs_that_the_tracker_cannot_read_are_refused_before_any_forward():
    def refused(words, batch, **changes):
        model = Low()
        with pytest.raises(UserError, match=words):
            run_study(read_study(lows.given(0, "shift", **changes)), model, {BLOCK: planted.planted_sae()}, {DATE: batch})
        assert not model.means

    whole = lows.batch_of()
    refused("a grid of 1.5 degrees or finer, which the tracker needs, found 2 degrees", lows.batch_of(lows.LAT, lows.LON * 2))
    refused("the land-sea mask lsm", type(whole)(whole.surf_vars, {}, whole.atmos_vars, whole.metadata))
    refused("variable: expected one of .*found 'z'", type(whole)(whole.surf_vars, whole.static_vars, {}, whole.metadata))
    refused("2 places, one a step, found 1", whole, steps=2, outcome={"reads": "error", "truth": [[0, 0]]})


def test_the_same_bytes_twice_and_after_a_stop(moving):
    kept = {}
    study = read_study(lows.given(planted.STRONG, "shift", steps=2, edit_steps=[1], n_controls=2))
    first = run_study(study, moving, {BLOCK: planted.planted_sae()}, {DATE: lows.batch_of()}, keep=kept.__setitem__)
    half = dict(list(kept.items())[:7])
    again = run_study(study, moving, {BLOCK: planted.planted_sae()}, {DATE: lows.batch_of()}, done=half)
    assert again.digest() == first.digest() and first.summary["word"] == "too few controls"


def test_what_reads_a_single_forecast_refuses_a_track():
    """As studies of changed inputs do, which follow no run."""
    (outcome,), batch = read_study(lows.given(0, "shift")).outcomes, lows.batch_of()
    with pytest.raises(UserError, match="outcome storm: expected an outcome of a single forecast, found a track"):
        Reader([outcome], {}, np.ones((18, 36)), batch, batch)


@pytest.mark.parametrize("start", [355.0, 175.0, 0.0])
def test_a_low_is_followed_across_any_meridian(start):
    """Aurora's tracker by itself leaves a low that crosses 0 degrees for another place, without a word."""
    lat, lon = torch.linspace(90, -90, 181, dtype=torch.float64), torch.arange(360, dtype=torch.float64)
    outcome = Track.read("outcome", {"name": "storm", "lat": 20.0, "lon": start, "reads": "shift"})
    follower = Follower([outcome], lows.batch_of(lat, lon), len(lat))
    for step in range(1, 9):
        east = (start + 1.5 * step) % 360
        bowl = torch.exp(-((lat[:, None] - 20) ** 2 + ((lon[None] - east + 180) % 360 - 180) ** 2) / 18)
        fields = {"msl": 1.01e5 + 10 * lat[:, None] - 3000 * bowl, "10u": 20 * bowl, "10v": 0 * bowl}
        forecast = dataclasses.replace(
            lows.batch_of(lat, lon), surf_vars={name: field[None, None] for name, field in fields.items()},
            atmos_vars={"z": (3e4 - 300 * bowl)[None, None, None]},
        )
        (eye,) = follower.follow(forecast).values()
        assert abs((eye.lon - east + 180) % 360 - 180) <= 0.5 + 1e-9 and eye.lat == 20 and eye.pressure < 0.99e5
