"""What an evaluation must be made from, said from small records alone: nothing heavy is imported here."""

from pathlib import Path
from typing import Any

from aurorascope.activations.manifest import read_manifest
from aurorascope.activations.paths import StorePaths
from aurorascope.config.model import Config
from aurorascope.config.stages import stage_digest
from aurorascope.files import read_record
from aurorascope.records import KINDS, Kind
from aurorascope.training.sae_files import check_trained_on

STATISTICS = "saes/statistics/{block}.parquet"
"""Path under results of the table of what features usually are."""
KIND = Kind(
    "evaluation", "evaluation/{block}.json", "evaluations",
    {"evaluation/{block}.parquet": "table_sha256", STATISTICS: "statistics_sha256"}, "metrics_file",
    stage=("evaluate_sae", "evaluate_config_sha256"), of={"sae_sha256": ("sae", "sha256")},
)


def make_claim(config: Config, sae: Path, train: Path, held_out: Path) -> dict[str, Any]:
    """The part of an evaluation that says what it was made from.

    Args:
        config: the configuration.
        sae: record of the SAE.
        train: manifest of the activations it was trained on.
        held_out: manifest of those it is measured on.

    Raises:
        UserError: a record is missing or altered, or the SAE is of another training store.
    """
    record = read_record(sae, "sae")
    check_trained_on(record, sae, read_manifest(train), train)
    return {
        "block": record["block"],
        "sae_sha256": record["sha256"],
        "held_out_manifest_sha256": read_manifest(held_out)["sha256"],
        "evaluate_config_sha256": stage_digest(config, "evaluate_sae"),
    }


def inputs_of(results: Path, block_id: str) -> dict[str, Path]:
    """What a block's evaluation is made from, as arguments of `make_claim`."""
    manifests = {split: StorePaths.of(results / "scratch", block_id, split).manifest for split in ("train", "held_out")}
    return {"sae": KINDS["sae"].where(results, block=block_id), **manifests}
