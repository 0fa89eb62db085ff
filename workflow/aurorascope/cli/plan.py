"""Print what the configured run costs: requests, bytes, files, forwards, training, hours, and whether it fits."""

import argparse
import contextlib
from pathlib import Path

from aurorascope.activations.claim import make_claim
from aurorascope.activations.manifest import is_complete
from aurorascope.activations.paths import StorePaths
from aurorascope.activations.space import free_space, options, there
from aurorascope.attribution.costs import attributions_cost
from aurorascope.blocks import BY_ID
from aurorascope.cams.local.listing import list_files
from aurorascope.circuits.costs import circuits_cost
from aurorascope.config import Config
from aurorascope.config.calendar import SPLITS, day_hours, snapshots
from aurorascope.config.identity import is_of_run, scratch_folder
from aurorascope.config.made import blocks_made
from aurorascope.costs.estimate import Done, estimate
from aurorascope.costs.report import report, space_lines
from aurorascope.costs.rows import not_counted
from aurorascope.errors import UserError
from aurorascope.files import find_record
from aurorascope.labels.cost import labelled_days, labels_cost
from aurorascope.matching.costs import matches_cost
from aurorascope.measures.all import MEASURES
from aurorascope.progress import tell
from aurorascope.records import KINDS
from aurorascope.spec import GRID
from aurorascope.stage_saes.costs import stages_cost, stages_need
from aurorascope.studies.costs import studies_cost


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", required=True, type=Path, help="the results folder")


def run(args: argparse.Namespace, config: Config) -> None:
    scratch, notes = args.results / "scratch", []
    grid, note = _grid(config, scratch)
    notes += [note] if note else []
    is_mine = is_of_run(config, args.results / "run.json")
    if not is_mine:
        notes.append("This folder holds another run (results/run.json): nothing in it is counted as already there.")
    e = estimate(config, grid, _done(config, args.results) if is_mine else None)
    need = e.scratch_left()
    mine = args.results if is_mine else None
    # Planning makes no link to storage.scratch, nor the folder itself.
    disk = _existing(scratch_folder(config.storage.scratch) or scratch)
    if disk.stat().st_dev == _existing(args.results).stat().st_dev:
        need += e.weights_left() + stages_need(config, e, mine)
    space = space_lines(e, free_space(disk), need, options(config))
    measured = [cost for measure in MEASURES if (cost := measure.cost(config, e))]
    if (of_stages := stages_cost(config, e, mine)) is not None:
        measured.append(of_stages)
    labels = labels_cost(config, grid, labelled_days(config, args.results) if is_mine else frozenset())
    studies = studies_cost(config, grid, mine)
    attributions = attributions_cost(config, grid, mine)
    circuits = circuits_cost(config, grid, mine)
    refused = [*not_counted(studies, "study", "studies"), *not_counted(attributions, "outcome", "attributions")]
    refused += not_counted(circuits, "circuit", "circuits")
    matches = matches_cost(config, e, mine)
    others = [labels, *studies, *attributions, *circuits, *matches]
    tell("\n".join([*report(config, e, measured, notes, others), *space, *refused]))


def _existing(path: Path) -> Path:
    """The folder, or the nearest above it that exists."""
    return path if path.exists() else _existing(path.absolute().parent)


def _grid(config: Config, scratch: Path) -> tuple[tuple[int, int], str | None]:
    """Rows and columns of the states, and a note where they are assumed."""
    cams = config.cams
    if cams.source == "demo":
        return cams.demo_grid, None
    if cams.source == "ads":
        return GRID, None
    for day in day_hours(cams):
        record = find_record(scratch / "cams" / f"{day}.json", "cams_day")
        if record and record.get("source") == "local":
            return (record["latitude"]["n"], record["longitude"]["n"]), None
    try:
        files = list_files(cams.directory or "")
    except UserError:
        files = []
    for file in files:
        if (grid := _read_grid(file.path)) is not None:
            return grid, None
    return GRID, f"No day was found in cams.directory: a grid of {GRID[0]} x {GRID[1]} is assumed."


def _read_grid(path: Path) -> tuple[int, int] | None:
    """Rows and columns of the first field of ours in a file."""
    # Imported only where a file must be read: xarray costs a second.
    from aurorascope.cams.source import open_files
    from aurorascope.cams.validate import look_into

    try:
        with open_files([path]) as files, contextlib.ExitStack() as stack:
            for piece in look_into(files, stack).pieces:
                return len(piece.latitude.exact), len(piece.longitude.exact)
    except UserError:
        return None
    return None


def _done(config: Config, results: Path) -> Done:
    scratch = results / "scratch"
    days = frozenset(day for day, hours in day_hours(config.cams).items() if _has_day(config, scratch, day, hours))
    finished, begun = set(), {}
    for split in SPLITS:
        is_current = _has_split(config, scratch, split)
        for name in config.block_ids:
            paths = StorePaths.of(scratch, name, split)
            if not paths.folder.is_dir():
                continue
            if is_current and _is_finished(config, paths, name, split, scratch):
                finished.add((name, split))
            else:
                begun[name, split] = there(paths.folder)

    # What must be made again leaves nothing to be measured of it.
    saes = blocks_made(config, results, KINDS["sae"], config.block_ids)
    return Done(
        days=days,
        finished=frozenset(finished),
        begun=begun,
        has_checkpoint=KINDS["checkpoint"].where(results).is_file(),
        saes=saes,
        measured={measure.kind.name: blocks_made(config, results, measure.kind, saes) for measure in MEASURES},
    )


def _has_day(config: Config, scratch: Path, day: str, hours: list[int]) -> bool:
    record = find_record(scratch / "cams" / f"{day}.json", "cams_day")
    wanted = {f"{day}T{hour:02d}:00:00Z" for hour in hours}
    return (
        record is not None
        and record["source"] == config.cams.source
        and record["levels"] == list(config.cams.levels)
        and wanted <= set(record["states"])
    )


def _has_split(config: Config, scratch: Path, split: str) -> bool:
    """Whether the record of a split is that of the configuration; a store's claim is made from it."""
    record = find_record(scratch / "states" / f"{split}.json", "states")
    return record is not None and [s["time"] for s in record["snapshots"]] == [
        s.time for s in snapshots(config.cams, split)
    ]


def _is_finished(config: Config, paths: StorePaths, name: str, split: str, scratch: Path) -> bool:
    try:
        return is_complete(paths, make_claim(config, BY_ID[name], split, scratch))
    except UserError:
        return False
