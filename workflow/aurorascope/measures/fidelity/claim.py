"""What a fidelity record must be made from, said from small records alone.

Nothing heavy is imported here, so that 48 jobs that adopt what `fidelity_together` left cost seconds.
"""

from pathlib import Path
from typing import Any

from aurorascope.activations.manifest import read_manifest
from aurorascope.activations.paths import StorePaths
from aurorascope.blocks import Block
from aurorascope.config.calendar import STEP, iso, parse
from aurorascope.config.model import Config
from aurorascope.config.stages import stage_digest
from aurorascope.errors import UserError
from aurorascope.files import read_record
from aurorascope.records import KINDS, Kind

KIND = Kind(
    "fidelity", "fidelity/{block}.json", "measured forecasts", {"fidelity/{block}.parquet": "table_sha256"}, "fidelity_file",
    stage=("measure_fidelity", "fidelity_config_sha256"),
    of={
        "sae_sha256": ("sae", "sha256"), "train_manifest_sha256": ("sae", "activations_manifest_sha256"),
        "checkpoint_sha256": ("sae", "checkpoint_sha256"),
    },
)


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
        "kind": KIND.name,
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
