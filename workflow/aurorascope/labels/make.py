"""The reference of a run and its days of labels, from the files of earlier stages."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import xarray as xr

from aurorascope.backbone.static import load_static
from aurorascope.cams.states import open_states
from aurorascope.config import Config
from aurorascope.config.calendar import Snapshot, day_snapshots, snapshots
from aurorascope.config.stages import stage_digest
from aurorascope.errors import UserError
from aurorascope.files import sha256_json
from aurorascope.labels.all import label_state
from aurorascope.labels.claim import made_from
from aurorascope.labels.own import common_ids, read_own
from aurorascope.labels.own_files import dates_to_compare, own_folder
from aurorascope.labels.reference import Reference, doubts
from aurorascope.labels.reference_file import load_reference, write_reference
from aurorascope.labels.state import LabelState
from aurorascope.labels.write import write_day
from aurorascope.notices import tell
from aurorascope.progress import Progress
from aurorascope.records import KINDS


def make_reference(config: Config, results: Path) -> None:
    """Read every training snapshot and write the reference.

    Raises:
        UserError: a state is missing or damaged, states and static fields lie on different grids, or a quantile has no values.
    """
    record, chosen = KINDS["label_reference"].where(results), snapshots(config.cams, "train")
    progress = Progress("Reading training states", len(chosen), "snapshot")

    def states() -> Iterator[LabelState]:
        static = load_static(KINDS["static"].where(results))
        for snapshot in chosen:
            yield _label_state(results, snapshot, static)
            progress.step()

    times = sorted({time for snapshot in chosen for time in (snapshot.previous, snapshot.time)})
    days = {day: KINDS["cams_day"].read(results, day=day)["states"] for day in sorted({time[:10] for time in times})}
    try:
        reference = Reference.of(states(), config.labels.thresholds)
    except ValueError as error:
        fix = "give days and static fields on one grid, with land and sea, or take the label's levels out of cams.levels"
        raise UserError(record, "training states that all quantiles can be had of", str(error), fix) from None
    finally:
        progress.close()
    digests = sha256_json({time: days[time[:10]].get(time) for time in times})
    static = KINDS["static"].read(results)["content_sha256"]
    write_reference(record, reference, stage_digest(config, "label_reference"), digests, static)
    tell(doubts(len(chosen), config.labels.thresholds))


def _label_state(results: Path, snapshot: Snapshot, static: Mapping[str, np.ndarray]) -> LabelState:
    states = open_states(results / "scratch" / "cams", [snapshot.previous, snapshot.time])
    try:
        return LabelState.of(states.isel(time=1), states.isel(time=0), static)
    except ValueError as error:
        path = KINDS["static"].where(results)
        raise UserError(path, "static fields on the grid of the states", str(error), "give days and static fields on one grid") from None


def make_day(config: Config, date: str, results: Path, record: Path) -> None:
    """Make the labels of a date's snapshots.

    Args:
        config: the configuration.
        date: `YYYY-MM-DD`.
        results: the results folder, with days, static fields and the reference.
        record: the record to write, `<date>.json`; the zarr group lies beside it.

    Raises:
        UserError: what they are made from is missing, damaged or does not hang together, or a label of the user's is refused.
    """
    source, chosen = made_from(config, date, results), day_snapshots(config.cams)[date]
    static = load_static(KINDS["static"].where(results))
    reference_record = KINDS["label_reference"].where(results)
    reference, thresholds = load_reference(reference_record), config.labels.thresholds
    found = []
    for snapshot in chosen:
        state = _label_state(results, snapshot, static)
        try:
            reference.check(state.place, thresholds)
        except ValueError as error:
            raise UserError.stale(reference_record, f"a reference for the states of {date}", str(error)) from None
        found.append(label_state(state, reference, thresholds))
    write_day(record.parent, date, _with_own(config, date, results, found), thresholds, source)


def _with_own(config: Config, date: str, results: Path, found: list[xr.Dataset]) -> list[xr.Dataset]:
    """Labels of each time with the user's behind them, in the order of their ids."""
    folder = own_folder(config)
    if folder is None:
        return found
    first = found[0]
    ids = common_ids(folder, dates_to_compare(date, list(day_snapshots(config.cams))))
    own = read_own(folder, date, [data["time"].values for data in found], first["latitude"].values, first["longitude"].values)
    there = [str(name) for name in own.datasets[0]["label"].values]
    places = [there.index(name) for name in ids]
    return [xr.concat([data, mine.isel(label=places)], "label") for data, mine in zip(found, own.datasets, strict=True)]
