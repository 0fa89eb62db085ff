"""What is logged, warned of and refused."""

import warnings

import numpy as np
import pytest
import torch
from aurorascope.errors import UserError
from aurorascope.interventions import (
    Ablate,
    Active,
    Add,
    Clamp,
    Disk,
    Donor,
    InterventionWarning,
    Labelled,
    Levels,
    Scale,
    intervene,
)
from aurorascope.interventions.places import Place

from tests.interventions.linear import BLOCKS, FIRST, SECOND, WIDTH, batch_of, features_of, output_of, rows_of, sae_of

REGION = Disk(20, 100, km=4000) & Levels("surface", "atmos_2")


def test_the_log_has_exposure_and_sizes(line):
    """Numbers of the formulas, from all features and tokens."""
    batch, sae, features = batch_of(), sae_of(), [3, 5]
    x, place = output_of(line, batch, SECOND), Place.of_batch(BLOCKS[1], batch)
    held = REGION.holds(place)
    v = features_of(sae, x)[:, features].numpy()
    with intervene(line, {SECOND: sae}, [Ablate(features), Scale(7, 0.5)], where=REGION) as log:
        line(batch)
    row, size = log.rows[0], np.linalg.norm((v @ rows_of(sae, features).numpy())[held], axis=1)
    spread = np.sqrt((np.linalg.norm(x - x.mean(0), axis=1) ** 2).mean())
    assert (row.block, row.edit, row.kind, row.step, row.member) == (SECOND, 0, "Ablate", 0, 0)
    assert row.features == ((3, 1), (5, 1)) and row.in_region == held.sum()
    assert row.touched == (v[held] > 0).any(1).sum() > 0
    area = place.area_n[held, None]
    assert np.allclose(row.exposure, (v[held] * area).sum(0) / area.sum(), rtol=1e-6)
    assert np.isclose(row.size, np.sqrt((size**2).mean()) / spread, rtol=1e-6)
    norms = (size / np.linalg.norm(x[held], axis=1))[(v[held] > 0).any(1)]
    assert np.allclose([row.norms_mean, row.norms_max], [norms.mean(), norms.max()], rtol=1e-6)
    table = log.table()
    assert list(table["kind"]) == ["Ablate", "Scale"] and list(table["touched"]) == [each.touched for each in log.rows]
    assert log.steps == [0] and log.warned == []


def test_threads_change_no_bit_of_what_is_logged_and_edited(line):
    """With the same output of the block: many tokens in uneven parts, of an architecture that computes columns and one that cannot."""
    from aurorascope.blocks import BY_ID
    from aurorascope.interventions.apply import apply_edits
    from aurorascope.interventions.block_edits import BlockEdits
    from aurorascope.interventions.log import Log

    x = torch.randn(1, 4 * 31 * 60, 64, generator=torch.Generator().manual_seed(0))
    lat, lon = np.linspace(90, -90, 93), np.arange(180) * 2.0
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        try:
            for architecture in ("relu", "jumprelu"):
                sae, log = sae_of(architecture, width=64), Log()
                site = BlockEdits(BY_ID["encoder_s0_b0"], sae, [(0, Clamp([3, 5], 0.2), Disk(0, 0, km=2e4) | Levels(0))])
                site.prepare(lat, lon)
                found.append((apply_edits(site, x, 0, log), log.rows))
        finally:
            torch.set_num_threads(1)
    for (one, rows), (other, again) in zip(found[:2], found[2:], strict=True):
        assert torch.equal(one, other) and rows == again and rows[0].touched > 4096


def test_a_part_of_the_region_gets_the_bits_that_the_whole_gets(line):
    """A value depends on its token alone, however many others are computed with it."""
    batch, sae = batch_of(), sae_of()
    with intervene(line, {SECOND: sae}, Scale([3, 5, 7], 1.7)):
        whole = output_of(line, batch, SECOND)
    with intervene(line, {SECOND: sae}, Scale([3, 5, 7], 1.7), where=REGION):
        part = output_of(line, batch, SECOND)
    held = torch.from_numpy(REGION.holds(Place.of_batch(BLOCKS[1], batch)))
    assert torch.equal(whole[held], part[held]) and not torch.equal(whole, part)


def test_more_than_a_norm_is_warned_of_and_ten_are_refused(line):
    batch, sae = batch_of(), sae_of()
    x = output_of(line, batch, SECOND)
    direction = torch.nn.functional.one_hot(torch.tensor(0), WIDTH).double()
    least = float(x.norm(dim=1).min())
    for times in (0.99, 1.01, 9.9):
        with warnings.catch_warnings(record=True) as caught, intervene(line, {SECOND: sae}, Add(direction, times * least)) as log:
            warnings.simplefilter("always")
            line(batch)
        assert [str(each.message) for each in caught] == log.warned and len(caught) == (times > 1)
        assert np.isclose(log.norms_max[SECOND], times) and all(f"{times:.3g} times its norm" in each for each in log.warned)
    with pytest.raises(UserError, match=r"b1: expected changes of at most 10 times a token's norm, found 10\.1 times at step 0"), \
            intervene(line, {SECOND: sae}, Add(direction, 10.1 * least)):
        line(batch)
    halves = [Add(direction, 5.1 * least), Add(direction, 5.1 * least)]
    with pytest.raises(UserError, match=r"10\.2 times"), intervene(line, {SECOND: sae}, halves):
        line(batch)
    assert torch.equal(output_of(line, batch, SECOND), x)


def test_tokens_that_are_not_finite_do_not_count_as_moved(line):
    """A rollout that diverges is no matter of the dose."""
    batch, sae = batch_of(float("nan")), sae_of()
    with intervene(line, {SECOND: sae}, [Clamp(3, 0.2), Add(torch.ones(WIDTH))]) as log:
        line(batch)
    assert log.norms_max[SECOND] == 0 and [row.norms_max for row in log.rows] == [0, 0]


@pytest.mark.parametrize("steps, step, words", [
    ({3}, 0, "touched no token: forwards ran of the steps 0 alone"), (None, None, "no forward of this model ran"),
])
def test_an_edit_that_never_acted_is_warned_of(line, steps, step, words):
    with pytest.warns(InterventionWarning, match=words) as caught, intervene(line, {SECOND: sae_of()}, Ablate(3), steps=steps):
        if step is not None:
            line(batch_of())
    assert caught[0].filename == __file__


def test_the_step_is_that_of_the_batch_and_no_count(line):
    sae = {SECOND: sae_of()}
    clean = line(batch_of())
    with intervene(line, sae, Ablate(3), steps={1}) as log:
        found = {at: line(batch_of(step=step)) for at, step in enumerate((1, 0, 1, 2, 0))}
    assert [not torch.equal(found[at], clean) for at in range(5)] == [True, False, True, False, False]
    assert log.steps == [1, 0, 1, 2, 0] and [row.step for row in log.rows] == [1, 1]


@pytest.mark.parametrize("region", [
    Disk(83, 15, km=50), Labelled(np.zeros((18, 36))), Levels(0) & Labelled(np.eye(18, 36)), Disk(83, 15, km=50) & Active(),
], ids=["small disk", "empty label", "thin label", "active"])
def test_a_region_without_a_token_is_refused_before_aurora_runs(line, region):
    ran = []
    hooks = [module.register_forward_hook(lambda *_: ran.append(1)) for module in (line.encoder, BLOCKS[0].module(line))]
    words = "the region of Ablate at encoder_s0_b1: expected at least one of its 288 tokens, 30 x 30 degrees apart"
    with pytest.raises(UserError, match=words), \
            intervene(line, {SECOND: sae_of()}, Ablate(3), where=region):
        line(batch_of())
    for hook in hooks:
        hook.remove()
    assert ran == []


def test_a_grid_that_changes_is_looked_at_anew(line):
    sae, region = {SECOND: sae_of()}, Disk(20, 100, km=4000)
    other = batch_of(lat=torch.arange(17.5, -18.5, -2, dtype=torch.float64))
    with intervene(line, sae, Ablate(3), where=region) as log:
        line(batch_of())
        line(other)
    expected = [int(region.holds(Place.of_batch(BLOCKS[1], each)).sum()) for each in (batch_of(), other)]
    assert [row.in_region for row in log.rows] == expected and expected[0] != expected[1]


def hooks_of(model):
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules())


@pytest.mark.parametrize("saes, edits, options, words", [
    ({}, Ablate(3), {}, "name the block of each SAE"), ({"encoder_s0_b9": 0}, Ablate(3), {}, "take encoder_s0_b5"),
    ({SECOND: "relu"}, Ablate(3), {}, "an AuroraSAE"),
    ({SECOND: 16}, Ablate(3), {}, "8 channels, as this block has in this model, found one of 16"),
    ({SECOND: 8}, [], {}, "at least one edit"), ({SECOND: 8}, [3], {}, "expected edits"), ({SECOND: 8}, "ablate", {}, "expected edits, found 'ablate'"), ({SECOND: 8}, Ablate(99), {}, "features 0 to 31"),
    ({SECOND: 8}, Ablate((3, -1)), {}, "name 3"), ({SECOND: 8, FIRST: 8}, Ablate(3), {}, "say which"),
    ({SECOND: 8}, Ablate(3, block=FIRST), {}, "give the SAE of that block"),
    ({SECOND: 8}, Ablate(3, block="encoder_s0_b11"), {}, "take encoder_s0_b1"),
    ({SECOND: 8}, Ablate(3), {"where": "surface"}, "a region"), ({SECOND: 8}, Ablate(3), {"steps": 1}, "a set of steps"),
    ({SECOND: 8}, Ablate(3), {"steps": set()}, "steps from 0"), ({SECOND: 8}, Ablate(3), {"steps": {-1}}, "steps from 0"),
    ({SECOND: 8}, Add(torch.ones(5)), {}, r"expected \(8,\), found \(5,\)"),
    ({SECOND: 8}, Add(torch.ones(8)), {"where": Active()}, r"Active\(\[7\]\)"),
    ({SECOND: 8}, Ablate(3), {"where": Active(99)}, "features 0 to 31"),
])
def test_what_makes_no_sense_is_refused_before_any_forward(line, saes, edits, options, words):
    saes = {name: sae_of(width=each) if each in (8, 16) else each for name, each in saes.items()}
    before = hooks_of(line)
    with pytest.raises(UserError, match=words), intervene(line, saes, edits, **options):
        raise AssertionError("the block of the with was entered")
    assert hooks_of(line) == before


@pytest.mark.parametrize("make, words", [
    (lambda: Ablate([]), "an empty list"), (lambda: Ablate([3, 3]), "3, None. twice"), (lambda: Ablate("3"), "a feature's number"),
    (lambda: Ablate((3, 7)), "with sign 1 or -1"), (lambda: Ablate(-1), "a feature's number"), (lambda: Ablate(True), "a feature's number"),
    (lambda: Ablate(3, dose=float("inf")), "Ablate, dose: expected a finite number"), (lambda: Ablate(3, where="here"), "a region"),
    (lambda: Scale(3, "2"), "Scale, factor"), (lambda: Clamp(3, "p98"), "2.p99"), (lambda: Clamp(3, float("nan")), "Clamp, value"),
    (lambda: Donor(3, 5), "a date, a batch"), (lambda: Donor(3, "2022-06-01", "east"), "Donor, dlon"),
    (lambda: Add(torch.ones(2, 2)), "direction"),
    (lambda: Add(torch.tensor([1.0, torch.nan])), "finite"), (lambda: Add(torch.ones(3), np.ones((2, 2))), "amount"),
])
def test_edits_that_make_no_sense_are_refused_when_they_are_made(make, words):
    with pytest.raises(UserError, match=words):
        make()


def test_a_clamp_of_a_signed_latent_needs_its_sign(line):
    with pytest.raises(UserError, match=r"name \(3, 1\) or \(3, -1\)"), intervene(line, {SECOND: sae_of("abstopk")}, Clamp(3, 0.2)):
        pass


def test_an_amount_for_each_token_must_be_for_all(line):
    edit = Add(torch.ones(8), np.ones(287))
    with pytest.raises(UserError, match="one for each of 288 tokens, found 287"), intervene(line, {SECOND: sae_of()}, edit):
        line(batch_of())


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, UserError.stale("a", "b", "c").__class__])
def test_no_hook_stays_after_an_exception(line, error):
    before, clean = hooks_of(line), line(batch_of())
    made = error("a", "b", "c", "d") if error is UserError else error("mine")
    for in_forward in (True, False):
        hook = BLOCKS[2].module(line).register_forward_pre_hook(lambda *_: (_ for _ in ()).throw(made)) if in_forward else None
        with pytest.raises(error), intervene(line, {SECOND: sae_of()}, Ablate(3)):
            line(batch_of())
            raise made
        if hook:
            hook.remove()
    assert hooks_of(line) == before and torch.equal(line(batch_of()), clean)
