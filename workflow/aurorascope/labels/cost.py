"""What labels cost: room and time of the dates that have none yet, for the plan.

Measured on the demo's states at 19 x 36 to 451 x 900, on one core: bytes of a label at a time, which depend on the edges of
masks, too, so that small grids take more a cell; seconds of a time's labels with their compression, and of a training state in
the reference. The demo's fields are smooth; those of CAMS may take more.
"""

import math
from pathlib import Path

from aurorascope.config import Config
from aurorascope.config.calendar import day_snapshots, snapshots
from aurorascope.config.stages import stage_digest
from aurorascope.costs.cams import cams_cost
from aurorascope.costs.hours import stage
from aurorascope.costs.need import Need
from aurorascope.costs.rows import OtherCost, there
from aurorascope.files import find_record
from aurorascope.records import KINDS
from aurorascope.units import duration, size

_CELL_BYTES, _EDGE_BYTES = 1.9, 48
_CELL_S, _TIME_S, _REFERENCE_CELL_S = 4.2e-6, 0.15, 2.9e-6
# A record names a digest a label and time.
_RECORD_BYTES, _DIGEST_BYTES = 10_000, 110
# Group, record and zarr.json; four axes of 4; three arrays, each with zarr.json and `c`. A file a time and array in three folders.
_DAY_INODES, _TIME_INODES = 3 + 4 * 4 + 3 * 3, 3 * 4


def labelled_days(config: Config, results: Path) -> frozenset[str]:
    """Dates whose labels were made with the present settings."""
    expected = stage_digest(config, "label_day")
    records = {day: find_record(KINDS["labels"].where(results, day=day), "labels") for day in day_snapshots(config.cams)}
    return frozenset(day for day, record in records.items() if record and record.get("config_sha256") == expected)


def labels_need(n_days: int, n_times: int, n_labels: int, grid: tuple[int, int]) -> Need:
    """Room of so many dates of labels with so many times in all, on a grid of (rows, columns)."""
    cells = grid[0] * grid[1]
    label = _CELL_BYTES * cells + _EDGE_BYTES * math.sqrt(cells) + _DIGEST_BYTES
    content = n_days * _RECORD_BYTES + n_times * n_labels * label
    return Need(round(content), n_days * _DAY_INODES + n_times * _TIME_INODES)


def labels_cost(config: Config, grid: tuple[int, int], done: frozenset[str] = frozenset()) -> OtherCost:
    """What the labels of the configured dates cost on states of a grid of (rows, columns), less the dates that are done."""
    # What says which labels there are costs a second to import.
    from aurorascope.labels.all import available

    days = {day: found for day, found in day_snapshots(config.cams).items() if day not in done}
    n_labels, n_times, n_train = len(available(config.cams.levels)), sum(map(len, days.values())), len(snapshots(config.cams, "train"))
    n_read, need, cells = n_times + (n_train if days else 0), labels_need(len(days), n_times, n_labels, grid), grid[0] * grid[1]
    cams = cams_cost(config.cams, grid)
    moved = need.content + 2 * n_read * cams.states.content / cams.n_states
    seconds = n_times * (_TIME_S + _CELL_S * cells) + (n_read - n_times) * (_TIME_S + _REFERENCE_CELL_S * cells)
    disk = stage(0, moved, config.plan).disk
    hours = max(seconds / 3600, disk)
    basis = f"compute {duration(seconds / 3600)} on one core, measured; disk {duration(disk)} at {config.plan.disk_mb_s:g} MB/s"
    all_days = day_snapshots(config.cams)
    return OtherCost(
        f"Labels, {'which atlases need' if config.atlas.enabled else 'with the target `labels` alone'} (not counted above or below)",
        (
            ("dates", f"{len(all_days):,} with {sum(map(len, all_days.values())):,} times", f"derived; {there(len(done), 'dates')}"),
            ("labels by formula", f"{n_labels}", "derived; those that cams.levels allows"),
            ("on disk, still to be written", size(need.content), f"measured on the demo's; {need.inodes:,} files and folders"),
            ("time left", duration(hours), f"{basis} (plan.disk_mb_s)"),
        ),
    )
