"""What a fidelity record must be made from, said from small records alone, and the adoption of one that is already made.

`fidelity_together` leaves finished records under scratch; the job of each block compares them with its claim and moves them
to their place. Nothing heavy is imported here, so that 48 such jobs cost seconds.
"""

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aurorascope.activations.manifest import read_manifest
from aurorascope.activations.paths import StorePaths
from aurorascope.blocks import Block
from aurorascope.config.calendar import STEP, iso, parse
from aurorascope.config.model import Config
from aurorascope.config.stages import stage_digest
from aurorascope.errors import UserError
from aurorascope.files import read_record, sha256_file, sha256_json, write_bytes, write_json, write_table
from aurorascope.records import KINDS

if TYPE_CHECKING:
    import pandas as pd

KIND = "fidelity"


class FidelityFiles:
    """Where one block's record and table lie, finished or waiting to be adopted.

    Attributes:
        record: the record, the one file that rules depend on.
        table: all metrics by variable and level.
        work: folder of a record that waits.
        complete: a record that waits, with its digest.
        waiting_table: its table.
    """

    def __init__(self, results: Path, block_id: str) -> None:
        self.record = results / "fidelity" / f"{block_id}.json"
        self.table = self.record.with_suffix(".parquet")
        self.work = results / "scratch" / "fidelity" / block_id
        self.complete = self.work / "complete.json"
        self.waiting_table = self.work / "table.parquet"


def make_claim(config: Config, block: Block, results: Path) -> dict[str, Any]:
    """The part of a fidelity record that says what it was made from.

    Returns:
        Block, digests of SAE, training manifest, checkpoint, statics and configuration, and the snapshots, each with the
        verifying time, or None where that state is not among those of the held-out split, and the states' digests.

    Raises:
        UserError: a record is missing, or the SAE or its training store is of another checkpoint or static file.
    """
    scratch = results / "scratch"
    sae_path, manifest_path = KINDS["sae"].where(results, block=block.id), StorePaths.of(scratch, block.id, "train").manifest
    sae, manifest = KINDS["sae"].read(results, block=block.id), read_manifest(manifest_path)
    checkpoint, static = KINDS["checkpoint"].read(results), KINDS["static"].read(results)
    for path, what, expected, found in (
        (sae_path, "an SAE of the training store", manifest["sha256"], sae["activations_manifest_sha256"]),
        (manifest_path, "activations of the checkpoint", checkpoint["sha256"], manifest["checkpoint_sha256"]),
        (manifest_path, "activations with the static fields", static["content_sha256"], manifest["static_sha256"]),
    ):
        if found != expected:
            raise UserError.stale(path, f"{what} {expected[:12]}", f"one of {found[:12]}")
    return {
        "kind": KIND,
        "format": 1,
        "block": block.id,
        "sae_sha256": sae["sha256"],
        "train_manifest_sha256": manifest["sha256"],
        "checkpoint_sha256": checkpoint["sha256"],
        "static_sha256": static["content_sha256"],
        "fidelity_config_sha256": stage_digest(config, "measure_fidelity"),
        "snapshots": _snapshots(config, scratch),
    }


def _snapshots(config: Config, scratch: Path) -> list[dict[str, Any]]:
    split = read_record(scratch / "states" / "held_out.json", "states")
    found = []
    for snapshot in split["snapshots"][: config.evaluation.fidelity.snapshots]:
        after = iso(parse(snapshot["time"]) + STEP)
        times = {"previous": snapshot["previous"], "time": snapshot["time"]}
        times["verifying"] = after if after in split["states"] else None
        digests = {time: split["states"][time]["sha256"] for time in times.values() if time is not None}
        found.append({**times, "states_sha256": digests})
    return found


def _holds(record: dict[str, Any], table: Path, claim: dict[str, Any]) -> bool:
    """Whether a record was made from what the claim says, and its table is whole."""
    return {key: record[key] for key in claim} == claim and sha256_file(table) == record["table_sha256"]


def _waiting(files: FidelityFiles, claim: dict[str, Any]) -> dict[str, Any] | None:
    """The whole record of this claim that waits, if one does."""
    try:
        content = json.loads(files.complete.read_text())
        record = content["record"]
        is_whole = sha256_json(record) == content["record_sha256"] and _holds(record, files.waiting_table, claim)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return record if is_whole else None


def _is_in_place(files: FidelityFiles, claim: dict[str, Any]) -> bool:
    try:
        return _holds(read_record(files.record, KIND), files.table, claim)
    except (OSError, KeyError, UserError):
        return False


def is_measured(files: FidelityFiles, claim: dict[str, Any]) -> bool:
    """Whether a record of this claim is in its place or waits to be adopted."""
    return _is_in_place(files, claim) or _waiting(files, claim) is not None


def leave(files: FidelityFiles, record: dict[str, Any], table: "pd.DataFrame") -> None:
    """Leave a record, its table's digest added, and the table to be adopted; the record last."""
    write_table(files.waiting_table, table)
    content = {**record, "table_sha256": sha256_file(files.waiting_table)}
    write_json(files.complete, {"record_sha256": sha256_json(content), "record": content})


def adopt(files: FidelityFiles, claim: dict[str, Any]) -> bool:
    """Move a waiting record of this claim, and its table, to their place; False where none waits."""
    record = _waiting(files, claim)
    if record is None:
        return False
    write_bytes(files.table, files.waiting_table.read_bytes())
    write_json(files.record, record)
    shutil.rmtree(files.work, ignore_errors=True)
    return True
