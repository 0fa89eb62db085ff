"""The estimate as the text that `snakemake -c1 plan` prints.

Each line says where its number comes from: derived (it follows from the configuration), measured (with what), or
assumed.
"""

import itertools
from collections.abc import Sequence

from aurorascope.config.calendar import SPLITS
from aurorascope.config.model import Config
from aurorascope.costs.estimate import Estimate
from aurorascope.costs.hours import Stage, hours, stage
from aurorascope.costs.need import Free, Need, total
from aurorascope.costs.rows import MeasureCost, OtherCost, Row, there
from aurorascope.units import between, duration, flop, size


def _section(title: str, rows: Sequence[Row]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in (0, 1)]
    lines = [f"  {label:<{widths[0]}}  {value:<{widths[1]}}  {basis}".rstrip() for label, value, basis in rows]
    return ["", title, *lines]


def _cams(config: Config, e: Estimate) -> list[str]:
    days, left, source = e.days, e.days_left, config.cams.source
    done = days.n_days - left.n_days
    rows = [
        ("snapshots", " + ".join(f"{e.n_snapshots[split]:,} {split}" for split in SPLITS), "derived"),
        ("CAMS days", f"{days.n_days:,} with {days.n_states:,} states", f"derived; {there(done, 'days')}"),
        ("ADS requests", f"{left.requests:,}", f"derived; cams.source is {source}"),
    ]
    if source == "ads":
        rows.append(("download", size(left.download), "228 MB a full day, measured by a user; in proportion"))
    if left.zips.content:
        kept = "they stay" if days.keeps_zips else "two days in flight, a zip goes once verified (cams.keep_zips)"
        rows.append(("zips on disk", size(left.zips.content), f"derived; {kept}"))
    raw_basis = "demo's ratio measured" if source == "demo" else "assumed half of the raw size"
    rows.append(("states, raw", size(left.raw), "derived; float32"))
    rows.append(("states, stored", size(left.states.content), raw_basis))
    return _section("Requests and CAMS (from the requests on, of the days that are not there)", rows)


def _activations(config: Config, e: Estimate) -> list[str]:
    head = ("stage", "blocks", "tokens", "width", "latents", "a snapshot", "train store", "held_out store")
    table = [head]
    for name, group in itertools.groupby(e.blocks, key=lambda cost: f"{cost.block.component}_s{cost.block.stage}"):
        costs = list(group)
        c = costs[0]
        tokens = f"{c.shape[0] * c.shape[1] * c.shape[2]:,}"
        room = [size(c.stores[split].content) for split in SPLITS]
        table.append((name, str(len(costs)), tokens, f"{c.width:,}", f"{c.latents:,}", size(c.snapshot_bytes), *room))
    widths = [max(len(row[i]) for row in table) for i in range(len(head))]
    lines = ["  " + "  ".join(f"{cell:>{w}}" if i else f"{cell:<{w}}" for i, (cell, w) in
                              enumerate(zip(row, widths, strict=True))) for row in table]
    values = sum(c.snapshot_bytes for c in e.blocks)
    needs = e.store_needs()
    n_blocks = len(e.blocks)
    rows = [("all blocks, a snapshot", size(values), "derived; values alone")]
    for split in SPLITS:
        room = total([need for key, need in needs.items() if key[1] == split])
        n = e.n_snapshots[split]
        rows.append(
            (f"all blocks, {split}", size(room.content), f"derived; values {size(values * n)}, {n:,} snapshots")
        )
    inodes = total([*needs.values(), e.days.zips, e.days.states]).inodes
    rows.append(("files and folders", f"{inodes:,}", "derived; inodes of stores and CAMS days"))
    rows.append(("stores", f"{2 * n_blocks}", f"derived; {there(len(e.done.finished), 'finished stores')}"))
    kept = "live: no chunks are kept" if e.is_live else config.activations.dtype
    title = f"Activations ({kept}; the last three columns are of one block)"
    return ["", title, *lines, *_section("", rows)[2:]]


def _forwards(e: Estimate, measured: Sequence[MeasureCost]) -> list[str]:
    deepest = max(e.blocks, key=lambda cost: cost.forward_flop)
    fraction = deepest.forward_flop / e.last_flop
    rows = [
        ("one forward", flop(deepest.forward_flop),
         f"derived; stops after {deepest.block.id}, {fraction:.0%} of the way to the last block"),
        ("fill_activations", "1 forward a snapshot", "all blocks from the same forward"),
        ("dump jobs", f"{e.forwards_of_dumps():.1f} forwards a snapshot", "each block runs Aurora up to itself"),
        *(row for cost in measured for row in cost.forwards),
        ("Aurora", f"{e.aurora_parameters:,} parameters", f"derived; {size(4 * e.aurora_parameters)} as float32"),
    ]
    return _section("Forwards of Aurora", rows)


def _training(e: Estimate, measured: Sequence[MeasureCost]) -> list[str]:
    seen = e.epochs * e.n_snapshots["train"]
    ends = [min, max]
    fewest, most = (end(cost.steps for cost in e.blocks) for end in ends)
    steps = f"{fewest:,}" if fewest == most else f"{fewest:,} to {most:,}"
    six, five = ([end(getattr(c, name) for c in e.blocks) for end in ends] for name in ("training_flop", "engine_flop"))
    engine = sum(cost.engine_flop for cost in e.blocks) * seen
    beside = [("SAEs of a training", str(e.n_at_once), "sae.mutual_weight; all products are those of both")] if e.n_at_once > 1 else []
    rows = [
        ("SAE parameters", f"{sum(cost.parameters for cost in e.blocks):,}", f"derived; {there(len(e.done.saes), 'SAEs')}"),
        ("optimiser steps", f"{steps} a block", f"derived; {e.epochs} epochs"),
        ("a block and snapshot", between(*six), "derived; the six products of forward and backward"),
        ("… as computed here", between(*five), "five: no gradient of the input is needed"),
        ("all blocks and epochs", flop(engine), "derived; five products"),
        *beside,
        *(row for cost in measured for row in cost.training),
    ]
    return _section("Training", rows)


def _stage(label: str, stage: Stage, config: Config, note: str = "") -> Row:
    compute = f"compute {duration(stage.compute)} at {config.plan.tflops:g} TFLOP/s (plan.tflops)"
    disk = f"disk {duration(stage.disk)} at {config.plan.disk_mb_s:g} MB/s (plan.disk_mb_s)"
    return label, duration(stage.hours), f"{compute}, {disk}{note}"


def _time(config: Config, e: Estimate, measured: Sequence[MeasureCost]) -> list[str]:
    found, plan = hours(e, config.plan), config.plan
    source = "Aurora run" if e.is_live else "the store read"
    rows = [
        ("states", duration(found.states.disk), f"disk alone, at {plan.disk_mb_s:g} MB/s (plan.disk_mb_s)"),
        _stage("fill_activations", found.fill, config),
        _stage("or dump jobs", found.dumps, config),
        _stage("training", found.train, config, f"; {source} each epoch"),
        _stage("… from memory", found.train_resident, config, f"; {source} once"),
        *(_stage(cost.label, stage(cost.flop, cost.moved, plan), config, cost.note) for cost in measured),
    ]
    if config.cams.source == "ads":
        rate = f"at {plan.download_mb_s:g} MB/s (plan.download_mb_s)"
        rows.insert(0, ("download", duration(found.download), rate))
    title = (
        "Time left, one job after another, the longer of compute and disk; rates are assumed: set yours under `plan`"
    )
    return _section(title, rows)


def report(
    config: Config, e: Estimate, measured: Sequence[MeasureCost], notes: Sequence[str], others: Sequence[OtherCost] = ()
) -> list[str]:
    """Lines of the plan, with notes under its head, without its last section, which needs the file system."""
    rows, cols = e.grid
    head = (
        f"Plan: {config.cams.source} on {rows} x {cols}, Aurora {config.aurora.checkpoint_kind} at width "
        f"{config.aurora.embed_dim}, {len(e.blocks)} block{'s' if len(e.blocks) > 1 else ''}. "
        "Estimates, before anything is made."
    )
    parts = [_cams(config, e), _activations(config, e), _forwards(e, measured), _training(e, measured), _time(config, e, measured)]
    parts += [_section(other.title, other.rows) for other in others]
    return [head, *notes, *(line for part in parts for line in part)]


def space_lines(e: Estimate, free: Free, need: Need, options: str) -> list[str]:
    """The last section: what the file system of scratch must still take, what it has left, and the verdict."""
    rows = [
        (
            "still to be written",
            size(need.on_disk),
            "derived; days, checkpoint, stores and weights, with 4 KiB more for each file and folder",
        ),
        ("free", size(free.disk), "measured now on the disk of results/scratch, without quotas"),
        ("files to be made", f"{need.inodes:,}", "derived"),
        ("free inodes", "not counted" if free.inodes is None else f"{free.inodes:,}", "measured now"),
    ]
    largest = max((room.on_disk for room in e.store_needs().values()), default=0)
    verdict = (
        "It fits."
        if free.holds(need)
        else f"It does not fit. Choose {options}. The largest store takes {size(largest)}."
    )
    return [*_section("Space", rows), "", verdict]
