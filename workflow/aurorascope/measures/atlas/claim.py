"""What an atlas must be made from, said from small records alone: nothing heavy is imported here."""

from pathlib import Path
from typing import Any

from aurorascope.activations.manifest import read_manifest
from aurorascope.activations.paths import StorePaths
from aurorascope.config.calendar import SPLITS, snapshots
from aurorascope.config.model import Config
from aurorascope.config.stages import stage_digest
from aurorascope.files import sha256_json
from aurorascope.records import KINDS, Kind
from aurorascope.training.sae_files import check_trained_on

_TABLES = ("features", "labels", "examples", "maps")
KIND = Kind(
    "atlas", "atlas/{block}/summary.json", "atlases",
    {f"atlas/{{block}}/{name}.parquet": f"{name}_sha256" for name in _TABLES}, "atlas_file",
    # What pages draw, and larger than all else.
    unreleased=("atlas/{block}/maps.parquet",),
    stage=("score_features", "atlas_config_sha256"),
    of={"sae_sha256": ("sae", "sha256"), "train_manifest_sha256": ("sae", "activations_manifest_sha256")},
)


def label_dates(config: Config) -> list[str]:
    """Dates whose labels an atlas reads, those with snapshots of either split, ascending."""
    return sorted({snapshot.time[:10] for split in SPLITS for snapshot in snapshots(config.cams, split)})


def labels_digest(config: Config, results: Path) -> str:
    """One digest of all those labels' values, from the days' records."""
    days = {date: KINDS["labels"].read(results, day=date)["labels"] for date in label_dates(config)}
    return sha256_json({date: {name: entry["sha256"] for name, entry in found.items()} for date, found in days.items()})


def make_claim(config: Config, block_id: str, results: Path) -> dict[str, Any]:
    """The part of an atlas's summary that says what it was made from.

    Raises:
        UserError: a record is missing or altered, or the SAE is of another training store.
    """
    path, record = KINDS["sae"].where(results, block=block_id), KINDS["sae"].read(results, block=block_id)
    manifests = {split: StorePaths.of(results / "scratch", block_id, split).manifest for split in SPLITS}
    train, held_out = (read_manifest(manifests[split]) for split in ("train", "held_out"))
    check_trained_on(record, path, train, manifests["train"])
    return {
        "block": block_id,
        "sae_sha256": record["sha256"],
        "train_manifest_sha256": train["sha256"],
        "held_out_manifest_sha256": held_out["sha256"],
        "label_days_sha256": labels_digest(config, results),
        "atlas_config_sha256": stage_digest(config, "score_features"),
    }
