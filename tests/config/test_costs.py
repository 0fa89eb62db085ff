"""Closed forms: what the published year costs, and how costs follow the configuration."""

import math

import numpy as np
import pytest
from aurorascope.blocks import BLOCKS, BY_ID
from aurorascope.config.calendar import SPLITS
from aurorascope.costs.cams import N_ATMOS, N_SURFACE, cams_cost
from aurorascope.costs.estimate import Done, estimate
from aurorascope.costs.flops import aurora_parameters
from aurorascope.costs.hours import hours, stage
from aurorascope.costs.need import Free, Need
from aurorascope.costs.report import report, space_lines
from aurorascope.costs.stores import n_tokens, token_shape
from aurorascope.measures.all import MEASURES
from aurorascope.measures.atlas.record import ATLAS
from aurorascope.measures.boost.record import BOOST
from aurorascope.measures.fidelity.record import FIDELITY
from aurorascope.measures.held_out.record import HELD_OUT
from aurorascope.measures.stability.record import STABILITY
from aurorascope.spec import GRID
from aurorascope.stage_saes.costs import stages_cost, stages_need
from aurorascope.tokens import token_grid
from aurorascope.units import between, duration, figure, flop, size
from hypothesis import given
from hypothesis import strategies as st

from tests.config.raw import put, typed


def near(value):
    return pytest.approx(value, rel=0.02)


@pytest.fixture
def year(year_raw):
    return estimate(typed(year_raw), GRID)


def cost_of(e, name):
    return next(cost for cost in e.blocks if cost.block.id == name)


def test_the_years_days(year, year_raw):
    """365 + 20 snapshots on 385 days of 228 MB; a year is 168.3 GB raw, 83.2 GB as zips, 80 to 90 GB in the store."""
    days = year.days
    assert year.n_snapshots == {"train": 365, "held_out": 20}
    assert (days.n_days, days.requests, days.n_states) == (385, 385, 770)
    assert days.download / 385 == near(228e6)
    assert days.download == near(87.8e9)
    assert days.zips.content == near(4 * 228e6) and not days.keeps_zips
    only_train = cams_cost(
        typed(put(year_raw, "cams.keep_zips", True)).cams, GRID, [f"2023-06-{d:02d}" for d in range(7, 27)]
    )
    assert only_train.n_days == 365
    assert only_train.zips.content == only_train.download == near(83.2e9)
    assert only_train.raw == near(168.3e9)
    assert 80e9 < only_train.states.content < 90e9


@pytest.mark.parametrize(
    ("name", "shape", "latents", "snapshot", "year_of_it", "parameters"),
    [
        ("encoder_s0_b0", (4, 150, 300), 4096, 184e6, 67.3e9, 4_198_912),
        ("decoder_s1_b9", (4, 75, 150), 8192, 92e6, 33.6e9, 16_786_432),
        ("encoder_s2_b7", (4, 38, 75), 16384, 46.7e6, 17.0e9, 67_127_296),
    ],
)
def test_the_years_blocks(year, name, shape, latents, snapshot, year_of_it, parameters):
    """Tokens, latents, bytes and operations of one block of each width."""
    cost = cost_of(year, name)
    assert (cost.shape, cost.latents, cost.parameters) == (shape, latents, parameters)
    assert cost.snapshot_bytes == near(snapshot)
    assert cost.snapshot_bytes * 365 == near(year_of_it)
    assert cost.training_flop == near(4.53e12)
    assert cost.stores["train"].content == near(year_of_it)


def test_the_years_totals(year):
    """4.80 GB a snapshot, 1.75 TB a year, 1.46e9 SAE parameters, 2e17 operations of training; Aurora's 5.09 GB."""
    assert len(year.blocks) == 48
    assert sum(cost.snapshot_bytes for cost in year.blocks) == near(4.80e9)
    needs = year.store_needs()
    assert sum(needs[cost.block.id, "train"].content for cost in year.blocks) == near(1.75e12)
    assert sum(cost.parameters for cost in year.blocks) == 1_460_152_320
    assert sum(cost.engine_flop for cost in year.blocks) * 365 * 3 == near(2.0e17)
    assert sum(cost.training_flop for cost in year.blocks) * 365 * 3 == near(2.4e17)
    assert year.aurora_parameters == aurora_parameters(512) == 1_272_694_198
    assert year.checkpoint_need().content == near(5.09e9)
    assert year.weights_left().content == 8 * 1_460_152_320


def test_two_saes_side_by_side_are_counted(year, year_raw):
    """With `mutual_weight` a training costs twice as much, of other seeds, stages and boosts, too; what is encoded later does not."""
    raw = put(put(put(year_raw, "sae.boost.enabled", True), "sae.group", "stage"), "sae.normalise", True)
    alone = typed(raw)
    both = typed(put(raw, "sae.mutual_weight", 0.1))
    one, two = (estimate(config, GRID) for config in (alone, both))
    assert [cost.engine_flop for cost in two.blocks] == [2 * cost.engine_flop for cost in year.blocks]
    assert [cost.training_flop for cost in two.blocks] == [2 * cost.training_flop for cost in year.blocks]
    assert STABILITY.cost(both, two).flop == 2 * STABILITY.cost(alone, one).flop
    trained = 365 * 3 * sum(cost.engine_flop for cost in one.blocks)
    for costs in (BOOST.cost, lambda config, e: stages_cost(config, e, None)):
        assert costs(both, two).flop - costs(alone, one).flop == trained
    assert [cost.evaluation_flop for cost in two.blocks] == [cost.evaluation_flop for cost in one.blocks]
    assert [5 * cost.encoding_flop for cost in two.blocks] == [cost.engine_flop for cost in one.blocks]
    assert "SAEs of a training" in planned(both, two) and "SAEs of a training" not in planned(alone, one)


def test_dump_jobs_cost_about_half_of_48_forwards(year):
    """Were all blocks alike and the encoder free, it would be (1 + … + 48) / 48 = 24.5 forwards a snapshot."""
    assert year.forwards_of_dumps() == pytest.approx(24.5, rel=0.05)
    assert year.dumps_flop() == pytest.approx(year.fill_flop() * year.forwards_of_dumps())
    flops = [cost.forward_flop for cost in year.blocks]
    assert flops == sorted(flops)


def test_float32_doubles_the_values(year, year_raw):
    """Twice the bytes, the same tokens and operations."""
    other = estimate(typed(put(year_raw, "activations.dtype", "float32")), GRID)
    for one, two in zip(year.blocks, other.blocks, strict=True):
        assert two.snapshot_bytes == 2 * one.snapshot_bytes
        assert two.forward_flop == one.forward_flop
        assert two.stores["held_out"].content == near(2 * one.stores["held_out"].content)


def test_a_subset_of_blocks_costs_its_own(year, year_raw):
    """Only its blocks count, and the forward stops after the deepest."""
    names = ["encoder_s0_b3", "encoder_s1_b5"]
    some = estimate(typed(put(year_raw, "blocks", names)), GRID)
    assert [cost.block.id for cost in some.blocks] == names
    assert set(some.store_needs()) == {(name, split) for name in names for split in SPLITS}
    assert some.fill_flop() == 385 * cost_of(year, "encoder_s1_b5").forward_flop < year.fill_flop() / 3
    assert some.dumps_flop() == 385 * sum(cost_of(year, name).forward_flop for name in names)


def test_two_snapshots_a_day_double_them(year, year_raw):
    """Twice the snapshots, and one more day for each split's first midnight."""
    twice = estimate(typed(put(year_raw, "cams.init_hours", [0, 12])), GRID)
    assert twice.n_snapshots == {"train": 730, "held_out": 40}
    assert twice.days.requests == 387
    assert twice.dumps_flop() == 2 * year.dumps_flop()


def test_missing_dates_cost_nothing(year_raw):
    """A date that the archive lacks takes its snapshot and its request along."""
    e = estimate(typed(put(year_raw, "cams.missing_dates", ["2022-07-01", "2022-07-02"])), GRID)
    assert (e.n_snapshots["train"], e.days.requests) == (363, 383)


@pytest.mark.parametrize(("source", "requests", "keeps"), [("demo", 0, True), ("local", 0, False)])
def test_other_sources_ask_for_nothing(demo_raw, source, requests, keeps):
    """No request and no download; the demo keeps its zips, and files of the user's have none here."""
    dates = {"train": {"dates": ["2022-06-01"]}, "held_out": {"dates": ["2022-07-01"]}}
    demo_raw["cams"] |= {"source": source, "directory": "days", **dates}
    put(put(demo_raw, "static.source", "file"), "static.path", "static.nc")
    days = cams_cost(typed(demo_raw).cams, (46, 90))
    assert (days.requests, days.download, days.keeps_zips) == (requests, 0, keeps)
    assert bool(days.zips.content) == keeps and days.states.content > 0


def test_fields_are_those_of_the_variables():
    """12 at the surface and 10 on levels."""
    assert (N_SURFACE, N_ATMOS) == (12, 10)


@given(st.integers(3, 60), st.sampled_from([0, 1]), st.integers(3, 60), st.sampled_from(BLOCKS))
def test_token_shapes_are_those_of_the_token_grids(rows, extra, cols, block):
    """The closed form agrees with the grid of labels, for odd and even sides."""
    grid = (3 * rows + extra, 3 * cols)
    labels = token_grid(block, np.linspace(90, -90, grid[0]), np.arange(grid[1]) * 360 / grid[1])
    assert token_shape(block, grid) == labels.shape
    assert n_tokens(block, grid) == labels.n_tokens


def test_what_is_there_is_taken_off(year_raw):
    """Days, finished and begun stores, SAEs and the checkpoint no longer count, and hours follow."""
    config = typed(put(year_raw, "blocks", ["encoder_s0_b0", "encoder_s1_b5"]))
    fresh = estimate(config, GRID)
    begun = Need(60_000_000_000, 1000)
    done = Done(
        days=frozenset(["2022-06-01", "2022-06-02"]),
        finished=frozenset([("encoder_s1_b5", split) for split in SPLITS]),
        begun={("encoder_s0_b0", "train"): begun},
        has_checkpoint=True,
        saes=frozenset(["encoder_s1_b5"]),
        measured={"evaluation": frozenset(["encoder_s1_b5"])},
    )
    e = estimate(config, GRID, done)
    assert e.days_left.requests == fresh.days.requests - 2
    left = e.store_needs(left=True)
    assert set(left) == {("encoder_s0_b0", split) for split in SPLITS}
    whole = fresh.store_needs()["encoder_s0_b0", "train"]
    assert left["encoder_s0_b0", "train"] == Need(whole.content - begun.content, whole.inodes - begun.inodes)
    assert e.fill_flop() == e.dumps_flop() == 385 * cost_of(e, "encoder_s0_b0").forward_flop
    assert [cost.block.id for cost in e.untrained()] == ["encoder_s0_b0"]
    assert e.unmeasured("evaluation", config.block_ids) == e.untrained()
    before, after = hours(fresh, config.plan), hours(e, config.plan)
    assert after.download == pytest.approx(before.download * 383 / 385)
    assert after.train.compute == pytest.approx(before.train.compute / 2, rel=0.02)
    assert after.fill.disk < before.fill.disk
    all_done = estimate(config, GRID, Done(finished=frozenset(whole_keys(config))))
    assert all_done.fill_flop() == all_done.dumps_flop() == 0


def planned(config, e):
    """The plan's text with what all measures add."""
    return "\n".join(report(config, e, [cost for measure in MEASURES if (cost := measure.cost(config, e))], []))


def test_forecasts_are_counted(year, year_raw):
    """Four a block and snapshot and one shared clean one; spliced ones begin at their block; what is measured is off."""
    config = typed(year_raw)
    assert FIDELITY.cost(config, year).forwards[0] == (
        "fidelity_together", f"{4 + 4 * 4 * 48} forecasts", "4 clean, 768 from their block on; no records there yet",
    )
    only = typed(put(year_raw, "blocks", ["decoder_s2_b5"]))
    last = estimate(only, GRID)
    # After the last block nothing of the backbone is left: one forward a snapshot, and the SAE.
    assert FIDELITY.cost(only, last).flop == 4 * (last.last_flop + cost_of(last, "decoder_s2_b5").evaluation_flop)
    put(year_raw, "blocks", ["encoder_s0_b0", "decoder_s2_b5"])
    put(year_raw, "evaluation.fidelity.snapshots", None)
    config = typed(year_raw)
    e = estimate(config, GRID, Done(measured={"fidelity": frozenset(["decoder_s2_b5"])}))
    assert FIDELITY.cost(config, e).forwards[0][2] == "20 clean, 80 from their block on; 1 records already there"
    text = planned(config, e)
    assert "100 forecasts" in text and "1 records already there" in text
    whole = estimate(config, GRID, Done(measured={"fidelity": frozenset(config.block_ids)}))
    assert FIDELITY.cost(config, whole).flop == FIDELITY.cost(config, whole).moved == 0
    off = typed(put(year_raw, "evaluation.fidelity.enabled", False))
    assert FIDELITY.cost(off, estimate(off, GRID)) is None
    assert "forecasts" not in planned(off, estimate(off, GRID))


def test_other_seeds_are_counted(year, year_raw):
    """Two more trainings of one block a stage, each as that of the released SAE; what is compared is off."""
    config = typed(year_raw)
    ids = STABILITY.blocks(config)
    chosen = [cost for cost in year.blocks if cost.block.id in ids]
    assert [(c.block.component, c.block.stage) for c in chosen] == [(c, s) for c in ("encoder", "decoder") for s in range(3)]
    assert STABILITY.cost(config, year).flop == 2 * 3 * 365 * sum(cost.engine_flop for cost in chosen)
    e = estimate(config, GRID, Done(measured={"stability": frozenset(ids[:4])}))
    assert [cost.block.id for cost in e.unmeasured("stability", ids)] == list(ids[4:])
    text = planned(config, e)
    assert "4 more SAEs" in text and "4 comparisons already there" in text
    put(year_raw, "evaluation.stability", {"blocks": ["encoder_s1_b5"], "seeds": 2})
    one, rates = typed(year_raw), typed(year_raw).plan
    e = estimate(one, GRID)
    block, cost = cost_of(e, "encoder_s1_b5"), STABILITY.cost(one, e)
    found = stage(cost.flop, cost.moved, rates)
    assert found.compute == pytest.approx(block.engine_flop * 365 * 3 / rates.tflops / 1e12 / 3600)
    assert found.disk == pytest.approx(block.snapshot_bytes * 365 / rates.disk_mb_s / 1e6 / 3600)
    none = typed(put(year_raw, "evaluation.stability.blocks", []))
    assert STABILITY.cost(none, estimate(none, GRID)) is None
    assert "other seeds" not in planned(none, estimate(none, GRID))


def test_atlases_are_counted(year_raw):
    """Off: no line. On: both splits encoded, the half of training that chooses read once more; those that are there are left out."""
    off = typed(year_raw)
    assert ATLAS.cost(off, estimate(off, GRID)) is None and "atlases" not in planned(off, estimate(off, GRID))
    config = typed(put(year_raw, "atlas.enabled", True))
    e = estimate(config, GRID)
    cost, n = ATLAS.cost(config, e), e.n_snapshots
    assert cost.moved == sum(each.snapshot_bytes for each in e.blocks) * (1.5 * n["train"] + n["held_out"])
    assert cost.flop > sum(each.evaluation_flop for each in e.blocks) / 4 * (n["train"] + n["held_out"])
    one = estimate(config, GRID, Done(measured={"atlas": frozenset(config.block_ids[1:])}))
    first = cost_of(one, config.block_ids[0])
    assert ATLAS.cost(config, one).moved == first.snapshot_bytes * (1.5 * n["train"] + n["held_out"])
    assert "47 atlases already there" in planned(config, one)


def whole_keys(config):
    return {(name, split) for name in config.block_ids for split in SPLITS}


def test_hours_follow_the_rates(year, year_raw):
    """Each rate moves its own stages, in proportion; a stage takes the longer of compute and disk."""
    base = hours(year, typed(year_raw).plan)
    assert base.download == near(87.8e9 / 2e6 / 3600)
    assert base.train.compute == near(2.0e17 / 40e12 / 3600)
    assert base.train.disk == pytest.approx(3 * base.train_resident.disk)
    assert base.dumps.compute == pytest.approx(base.fill.compute * year.forwards_of_dumps())
    put(year_raw, "plan", {"download_mb_s": 4, "disk_mb_s": 5000, "tflops": 20})
    other = hours(year, typed(year_raw).plan)
    assert other.download == pytest.approx(base.download / 2)
    assert other.fill.disk == pytest.approx(base.fill.disk / 10)
    assert other.train.compute == pytest.approx(base.train.compute * 2)
    assert other.train.hours == max(other.train.compute, other.train.disk) == other.train.compute
    assert base.train.hours == base.train.disk


def test_room_counts_a_block_for_each_file():
    """What is charged is never less than the content, and inodes count on their own."""
    need = Need(10_000, 3)
    assert need.on_disk == 10_000 + 3 * 4096
    assert Free(need.on_disk, 3).holds(need) and Free(need.on_disk, None).holds(need)
    assert not Free(need.on_disk - 1, 3).holds(need)
    assert not Free(need.on_disk, 2).holds(need)
    assert need.beyond(Need(20_000, 1)) == Need(0, 2)


def test_the_text_names_options_only_where_it_does_not_fit(year, year_raw):
    """The verdict follows the free space; the report holds the figures and each rate's key."""
    need = year.scratch_left()
    (fits, options) = ("It fits.", "fewer `blocks`")
    assert space_lines(year, Free(need.on_disk, None), need, options)[-1] == fits
    assert options in space_lines(year, Free(need.on_disk - 1, None), need, options)[-1]
    assert options in space_lines(year, Free(need.on_disk, need.inodes - 1), need, options)[-1]
    text = "\n".join(report(typed(year_raw), year, [], ["A note."]))
    for words in ("A note.", "365 train + 20 held_out", "1,460,152,320", "87.8 GB", "4.80 GB", "1.75 TB", "385",
                  "(plan.download_mb_s)", "(plan.disk_mb_s)", "(plan.tflops)"):
        assert words in text, words


def test_every_block_has_its_own_line_of_a_stage(year_raw):
    """A single block's plan has one stage and ends its forwards there."""
    config = typed(put(year_raw, "blocks", ["encoder_s1_b5"]))
    lines = report(config, estimate(config, GRID), [], [])
    assert [line.split()[0] for line in lines if line.startswith("  encoder_s") or line.startswith("  decoder_s")] == [
        "encoder_s1"
    ]
    assert any("stops after encoder_s1_b5" in line for line in lines)
    assert BY_ID["encoder_s1_b5"].merges == 1


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (figure(1_752_835.2), "1,750,000"),
        (figure(12.345), "12.3"),
        (figure(0.04567, 2), "0.046"),
        (figure(0), "0"),
        (figure(9.996), "10.0"),
        (size(999), "999 bytes"),
        (size(999_999), "1.00 MB"),
        (size(1.7528e12), "1.75 TB"),
        (flop(4.53e12), "4.5e12 FLOP"),
        (between(4.53e12, 4.59e12), "4.5e12 to 4.6e12 FLOP"),
        (between(4.51e12, 4.53e12), "4.5e12 FLOP"),
        (duration(0), "0 h"),
        (duration(0.01), "under 1 min"),
        (duration(0.5), "30 min"),
        (duration(12.2), "12 h"),
        (duration(120), "120 h (5.0 days)"),
    ],
)
def test_numbers_in_words(found, expected):
    """Few digits, units, thousands separated."""
    assert found == expected


def test_evaluation_reads_the_training_store_once(year, year_raw):
    """Principal components take every training snapshot: read from the store, or computed again where there is none."""
    config, costs = typed(year_raw), year.blocks
    found = HELD_OUT.cost(config, year)
    assert found.moved == 385 * sum(cost.snapshot_bytes for cost in costs)
    widths = {cost.block.id: 2 * math.prod(cost.shape) * cost.width for cost in costs}
    moments = sum(widths[cost.block.id] * cost.width for cost in costs) * 385
    products = sum(4 * widths[cost.block.id] * cost.latents for cost in costs) * 20
    assert found.flop == moments + products
    live = typed(put(year_raw, "activations.mode", "live"))
    again = HELD_OUT.cost(live, estimate(live, GRID))
    assert (again.flop, again.moved) == (moments + products + 385 * sum(cost.forward_flop for cost in costs), 0)
    done = estimate(config, GRID, Done(measured={"evaluation": frozenset(config.block_ids[1:])}))
    assert HELD_OUT.cost(config, done).moved == 385 * costs[0].snapshot_bytes
    assert "47 records already there" in planned(config, done)


def test_saes_of_stages_cost_as_much_as_those_of_their_blocks(year_raw, tmp_path):
    """In operations; in room one dictionary a stage, and biases for each block."""
    config = typed(put(year_raw, "sae.group", "stage"))
    e = estimate(config, GRID)
    cost, seen = stages_cost(config, e, None), e.epochs * 365
    training, measuring = (sum(getattr(block, name) for block in e.blocks) for name in ("engine_flop", "evaluation_flop"))
    assert cost.flop == training * seen + measuring * 20 == stages_cost(config, e, tmp_path).flop
    assert cost.moved == sum(block.snapshot_bytes for block in e.blocks) * (seen + 20)
    widths = {"encoder_s0": (512, 6), "encoder_s1": (1024, 10), "encoder_s2": (2048, 8)}
    expected = 2 * sum(2 * 8 * d * d + n * (8 * d + d) for d, n in widths.values())
    assert stages_need(config, e, None).content == 4 * expected
    assert stages_cost(typed(put(year_raw, "sae.group", "block")), e, None) is None
    live = typed(put(put(year_raw, "sae.group", "stage"), "activations.mode", "live"))
    alive = estimate(live, GRID)
    deepest = sum(max(block.forward_flop for block in alive.blocks if block.block.stage_id == stage) for stage in {b.block.stage_id for b in alive.blocks})
    assert stages_cost(live, alive, None).flop == training * seen + measuring * 20 + deepest * (seen + 20)
