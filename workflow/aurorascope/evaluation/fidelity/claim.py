"""What a fidelity record must be made from, said from small records alone, and the adoption of one that is already made.

`fidelity_together` leaves finished records under scratch; the job of each block compares them with its claim and moves them
to their place. Nothing heavy is imported here, so that 48 such jobs cost seconds.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aurorascope.activations.paths import StorePaths
from aurorascope.activations.verify import read_manifest
from aurorascope.blocks import Block
from aurorascope.config.calendar import STEP, iso, parse
from aurorascope.config.model import Config
from aurorascope.config.stages import stage_digest
from aurorascope.errors import UserError
from aurorascope.files import read_record, sha256_file, write_bytes, write_json

KIND = "fidelity"


@dataclass(frozen=True)
class FidelityFiles:
    """Where one block's record and table lie, finished or waiting to be adopted.

    Attributes:
        results: the results folder.
        block_id: the block.
    """

    results: Path
    block_id: str

    @property
    def record(self) -> Path:
        """The record, the one file that rules depend on."""
        return self.results / "fidelity" / f"{self.block_id}.json"

    @property
    def table(self) -> Path:
        """All metrics by variable and level."""
        return self.record.with_suffix(".parquet")

    @property
    def work(self) -> Path:
        """Folder of a record that waits."""
        return self.results / "scratch" / "fidelity" / self.block_id

    @property
    def waiting(self) -> tuple[Path, Path]:
        """Record and table that wait."""
        return self.work / "complete.json", self.work / "table.parquet"


def make_claim(config: Config, block: Block, results: Path) -> dict[str, Any]:
    """The part of a fidelity record that says what it was made from.

    Args:
        config: the configuration.
        block: the block.
        results: the results folder.

    Returns:
        Block, digests of SAE, training manifest, checkpoint, statics and configuration, and the snapshots, each with the
        verifying time, or None where that state is not among those of the held-out split, and the states' digests.

    Raises:
        UserError: a record is missing, or the SAE or its training store is of another checkpoint or static file.
    """
    scratch = results / "scratch"
    sae_path = results / "saes" / f"sae_{block.id}.json"
    sae = read_record(sae_path, "sae")
    manifest_path = StorePaths.of(scratch, block.id, "train").manifest
    manifest = read_manifest(manifest_path)
    checkpoint = read_record(scratch / "checkpoint" / "checkpoint.json", "checkpoint")
    static = read_record(scratch / "static" / "static.json", "static")
    for path, what, expected, found in (
        (sae_path, "an SAE of the training store", manifest["sha256"], sae["activations_manifest_sha256"]),
        (manifest_path, "activations of the checkpoint", checkpoint["sha256"], manifest["checkpoint_sha256"]),
        (manifest_path, "activations with the static fields", static["content_sha256"], manifest["static_sha256"]),
    ):
        if found != expected:
            fix = f"rm -f {path} && snakemake {path} --cores 1"
            raise UserError(path, f"{what} {expected[:12]}", f"one of {found[:12]}", fix)
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


def _holds(record: Path, table: Path, claim: dict[str, Any]) -> bool:
    """Whether both files are there, made from what the claim says, and whole."""
    try:
        content = json.loads(record.read_text())
        return {key: content[key] for key in claim} == claim and sha256_file(table) == content["table_sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        return False


def is_measured(files: FidelityFiles, claim: dict[str, Any]) -> bool:
    """Whether a record of this claim is in its place or waits to be adopted."""
    return _holds(files.record, files.table, claim) or _holds(*files.waiting, claim)


def adopt(files: FidelityFiles, claim: dict[str, Any]) -> bool:
    """Move a waiting record of this claim, and its table, to their place; False where none waits.

    Raises:
        UserError: the disk is full or read-only.
    """
    record, table = files.waiting
    if not _holds(record, table, claim):
        return False
    write_bytes(files.table, table.read_bytes())
    write_json(files.record, json.loads(record.read_text()))
    shutil.rmtree(files.work, ignore_errors=True)
    return True
