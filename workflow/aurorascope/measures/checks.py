"""What an evaluation refuses: an SAE, stores and dates that do not belong together, or nothing to measure on."""

import datetime
from pathlib import Path
from typing import Any

from aurorascope.activations.reader import StoreReader
from aurorascope.config.calendar import ENOUGH_HELD_OUT, parse
from aurorascope.errors import UserError
from aurorascope.training.sae_files import check_trained_on

_SAME = ("block", "checkpoint_sha256", "static_sha256", "config_sha256", "dtype")


def check_belongs(
    record: dict[str, Any], where: Path, train: StoreReader, held_out: StoreReader, gap_hours: float
) -> list[str]:
    """Refuse what would make the metrics say something else than they claim.

    Args:
        record: the SAE's.
        where: the file it was read from.
        train: activations it was trained on.
        held_out: activations it is measured on.
        gap_hours: least distance in hours between a training and a held-out state.

    Returns:
        What a reader of the metrics must know, sentences; empty where there is nothing.

    Raises:
        UserError: the SAE is of another block, base checkpoint or training store; the splits differ in anything but
            their snapshots; there is no held-out snapshot, or one that shares a state with training or is too near.
    """
    check_trained_on(record, where, train.manifest, train.paths.manifest)
    for key in _SAME:
        if held_out.manifest[key] != train.manifest[key]:
            raise UserError(
                held_out.paths.manifest, f"{key} {train.manifest[key]}, as in training", str(held_out.manifest[key]),
                held_out.paths.rebuild_command(),
            )
    n = held_out.n_snapshots
    if n == 0:
        raise UserError(held_out.paths.manifest, "at least one held-out snapshot", "none", "add dates to cams.held_out")
    _check_apart(train, held_out, gap_hours)
    return [] if n >= ENOUGH_HELD_OUT else [f"only {n} held-out snapshots, fewer than {ENOUGH_HELD_OUT}"]


def _states(reader: StoreReader) -> list[datetime.datetime]:
    """Both states of every snapshot, in time order, each once."""
    return [parse(time) for time in sorted({s[key] for s in reader.manifest["snapshots"] for key in ("previous", "time")})]


def _check_apart(train: StoreReader, held_out: StoreReader, gap_hours: float) -> None:
    train_states = _states(train)
    for state in _states(held_out):
        near = min(train_states, key=lambda other: abs(other - state))
        hours = abs(near - state).total_seconds() / 3600
        if hours == 0 or hours < gap_hours:
            raise UserError(
                held_out.paths.manifest, f"states {gap_hours:g} h or more from every training state, and none in common",
                f"{state:%Y-%m-%dT%H:%MZ}, {hours:g} h from the training state {near:%Y-%m-%dT%H:%MZ}",
                "move cams.held_out away from cams.train and run snakemake once more",
            )
