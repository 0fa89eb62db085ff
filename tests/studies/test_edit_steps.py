"""Edits at later steps of a rollout, and at several: the changes are the clean run's, and no step is held longer than it is needed."""

import gc
import tracemalloc
import weakref

import numpy as np
import pytest
import torch
from aurora import rollout
from aurorascope.errors import UserError
from aurorascope.interventions import Ablate, Band, Clamp, Disk, Levels, intervene
from aurorascope.studies import read_study, run_study
from aurorascope.studies.outcomes import values_of

from tests.backbone import small
from tests.interventions.linear import Encoder
from tests.studies import planted
from tests.studies.linear import BLOCK, Forecasting
from tests.studies.test_aurora import DATE, SITE, aurora, most_often_on, saes  # noqa: F401
from tests.studies.test_aurora import asked as asked_of_aurora

FEW = {"n_controls": 1, "dates": list(planted.DATES[:1])}


def effects(line, sae, **changes):
    found = run_study(planted.study(planted.STRONG, **changes), line, {BLOCK: sae}, planted.batches())
    return found, found.effects.set_index(["arm", "date", "step"]).effect


def test_effects_of_several_steps_add_up(line, sae):
    """The stand-in is linear, so that they do if no change is computed under another edit; those that `intervene` computes are."""
    both, together = effects(line, sae, steps=3, edit_steps=[0, 2], **FEW)
    alone = [effects(line, sae, steps=3, edit_steps=[step], **FEW)[1]["feature_1", planted.DATES[0], 3] for step in (0, 2)]
    assert together["feature_1", planted.DATES[0], 3] == pytest.approx(sum(alone), rel=1e-9) and min(map(abs, alone)) > 1e-3
    maps, batch = both.maps[planted.DATES[0]], planted.batches()[planted.DATES[0]]
    with intervene(line, {BLOCK: sae}, Ablate(planted.STRONG), where=Disk(*planted.REGION["disk"]), steps={0, 2}):
        edited = list(rollout(line, batch, steps=3))[-1]
    change = values_of(edited, ("2t", None), 18) - values_of(list(rollout(line, batch, steps=3))[-1], ("2t", None), 18)
    assert np.abs(maps["2t", None] - change).max() > 1e-4


def test_an_edit_of_a_later_step_is_what_intervene_does_there(aurora):  # noqa: F811
    model, batch = aurora
    feature = most_often_on(aurora, saes()[SITE])
    found = run_study(asked_of_aurora(feature, steps=3, edit_steps=[1]), model, saes(), {DATE: batch})
    where = Band(-60, 60) & Levels("surface", "atmos_1")
    with torch.inference_mode():
        clean = list(rollout(model, batch, steps=3))
        with intervene(model, {SITE: saes()[SITE]}, Clamp((feature, 1), 0.5), where=where, steps={1}):
            edited = list(rollout(model, batch, steps=3))
    for field, change_yx in found.maps[DATE].items():
        assert np.array_equal(change_yx, (values_of(edited[2], field, 18) - values_of(clean[2], field, 18)).astype(np.float32))
        assert change_yx.any()
    rows = found.effects.set_index(["arm", "outcome", "step"])
    before = rows.xs(1, level="step")
    assert (before.effect == 0).all() and (before.d2.dropna() == 0).all() and (found.fields[found.fields.step == 1].d2 == 0).all()
    # The edit moves the wind from its own step on, and the feature of a later block is read in that step.
    assert rows.effect["feature_1", "wind", 2] != 0 and rows.effect["feature_1", "wind", 3] != 0
    assert rows.value["feature_1", "later", 2] == rows.value["feature_1", "later", 3] != rows.value["clean_0", "later", 2]
    assert rows.value["clean_0", "later", 1] != rows.value["clean_0", "later", 2]
    assert (rows.touched["feature_1"] == rows.touched["feature_1", "wind", 3]).all()


def test_an_edit_of_the_last_step_sees_the_clean_state_of_that_step(line, sae):
    """One step from the state that a rollout leaves is the same study as the second of two."""
    batch = planted.batches()[planted.DATES[0]]
    first = line(batch)
    state = batch.surf_vars | {name: torch.cat([batch.surf_vars[name][:, 1:], each], dim=1) for name, each in first.surf_vars.items()}
    later = type(batch)(state, {}, {}, batch.metadata)
    short = run_study(planted.study(planted.STRONG, **FEW), line, {BLOCK: sae}, {planted.DATES[0]: later})
    long, _ = effects(line, sae, steps=2, edit_steps=[1], **FEW)
    rows = long.effects[long.effects.step == 2]
    for name in ("exposure", "exposure_share", "touched", "size", "norms_mean", "norms_max"):
        assert np.array_equal(rows[name], short.effects[name], equal_nan=True), name
    assert long.summary["controls"] == short.summary["controls"] and long.summary["p99"] == short.summary["p99"]
    assert np.array_equal(long.maps[planted.DATES[0]]["2t", None], short.maps[planted.DATES[0]]["2t", None])


def test_sizes_are_means_over_the_edited_steps(line, sae):
    _, _ = effects(line, sae, steps=1, **FEW)
    found = [effects(line, sae, steps=3, edit_steps=steps, **FEW)[0].effects.query("arm == 'feature_0.5'") for steps in ([0], [2], [0, 2])]
    first, last, both = (each.iloc[-1] for each in found)
    for name in ("exposure", "size", "norms_mean"):
        assert both[name] == pytest.approx((first[name] + last[name]) / 2, rel=1e-12) and first[name] != last[name]
    assert both.touched == first.touched + last.touched and both.norms_max == max(first.norms_max, last.norms_max)


def test_clean_steps_before_the_edit_are_made_once_a_date(line, sae, monkeypatch):
    """At the edited step the encoder runs for the survey and for the replay, after it in every arm."""
    ran, encode = [], Encoder.forward
    monkeypatch.setattr(Encoder, "forward", lambda self, batch, lead_times: ran.append(batch.metadata.rollout_step) or encode(self, batch, lead_times))
    found = run_study(planted.study(planted.STRONG, steps=4, edit_steps=[2], n_controls=1), line, {BLOCK: sae}, planted.batches())
    n_arms, n_dates = found.effects.arm.nunique(), len(planted.DATES)
    assert [ran.count(step) for step in range(4)] == [n_dates, n_dates, 2 * n_dates, n_arms * n_dates]
    assert found.summary["n_forwards"] == n_dates * (2 + 2 * n_arms)


class Watched(Forecasting):
    """Counts what is alive of its forecasts and inputs, and fields in NumPy's memory, whenever it is called."""

    def __init__(self):
        super().__init__()
        self.seen, self.most, self.most_fields = [], 0, 0

    def forward(self, batch, lead_times=None):
        alive = [each for each in self.seen if each() is not None]
        self.most = max(self.most, len(alive))
        if tracemalloc.is_tracing() and batch.metadata.rollout_step >= 2:
            least = 8 * 18 * 36
            # What nothing holds any more is not counted, whenever it would have been collected.
            gc.collect()
            fields = sum(trace.size >= least for trace in tracemalloc.take_snapshot().traces)
            self.most_fields = max(self.most_fields, fields)
        forecast = super().forward(batch, lead_times)
        # The date's own input, which is the test's, is no matter.
        made = (forecast, batch) if batch.metadata.rollout_step else (forecast,)
        self.seen = list({*alive, *(weakref.ref(each) for part in made for each in part.surf_vars.values())})
        return forecast


@pytest.mark.parametrize("edit_steps", [[0], [1, 2]])
def test_six_steps_hold_no_more_than_three(sae, edit_steps):
    """Besides the step that runs and its input: the input of the first edited step where that was made here; no arrays of other steps."""
    watched = Watched()
    assert len(list(rollout(watched, planted.batches()[planted.DATES[0]], steps=3))) == 3 and watched.most > 0
    found = {}
    for steps in (3, 6):
        model = Watched()
        # What was there before needs no look at each call.
        gc.freeze()
        tracemalloc.start()
        try:
            run_study(planted.study(planted.STRONG, steps=steps, edit_steps=edit_steps, **FEW), model, {BLOCK: sae}, planted.batches())
        finally:
            tracemalloc.stop()
        found[steps] = model.most, model.most_fields
    assert found[3] == found[6] and found[6][0] == (len(Forecasting.variables) if edit_steps[0] else 0) and found[6][1] > 0


@pytest.mark.parametrize("edit_steps", [[1], [0, 2]])
def test_the_same_bytes_twice_in_any_order_and_after_a_stop(line, sae, tmp_path, edit_steps):
    def run(batches, **more):
        asked = planted.study(planted.STRONG, steps=3, edit_steps=edit_steps, n_controls=2)
        return run_study(asked, line, {BLOCK: sae}, batches, scratch=tmp_path, **more).digest()

    kept = {}
    first = run(planted.batches(), keep=kept.__setitem__)
    half = dict(list(kept.items())[: len(kept) // 2 + 3])
    assert run(dict(reversed(planted.batches().items()))) == first == run(planted.batches(), done=half)
    assert not list(tmp_path.iterdir())


def test_nothing_stays_on_disk_after_an_error(line, sae, tmp_path):
    def stop(_key, _measured):
        assert list(tmp_path.iterdir())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_study(planted.study(planted.STRONG, steps=2, edit_steps=[1], **FEW), line, {BLOCK: sae}, planted.batches(), keep=stop, scratch=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("steps", [[3], [0, 0], [], [-1], ["0"], 1])
def test_steps_that_there_are_not_are_refused(steps):
    with pytest.raises(UserError, match="the study, edit_steps"):
        read_study(planted.given(planted.STRONG, steps=3, edit_steps=steps))
    assert read_study(planted.given(planted.STRONG, steps=3, edit_steps=[2, 0])).edit_steps == (0, 2)
    assert read_study(planted.given(planted.STRONG)).edit_steps == (0,)


def test_the_small_aurora_goes_on_as_a_rollout_does(aurora):  # noqa: F811
    """Its input has a row more than its forecasts; the next input is what `aurora.rollout` makes of it, to the bit."""
    from aurorascope.studies.day import run_early

    model, batch = aurora
    seen = []
    state = run_early(model, batch, 2, (), lambda step, forecast, outputs: seen.append((step, outputs)))
    with torch.inference_mode():
        expected = list(rollout(model, batch, steps=3))[2]
        found = model(state)
    assert seen == [(0, {}), (1, {})] and state.metadata.rollout_step == 2
    for part in ("surf_vars", "atmos_vars"):
        for name, tensor in getattr(expected, part).items():
            assert torch.equal(tensor, getattr(found, part)[name])
    assert small.TIMES[1][:10] == DATE
