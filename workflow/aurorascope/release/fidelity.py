"""The forecast metrics of a suite for its index: none where they are not measured, never some of two configurations."""

from pathlib import Path
from typing import Any

from aurorascope.errors import UserError
from aurorascope.evaluation.fidelity.claim import KIND, FidelityFiles
from aurorascope.evaluation.fidelity.formulas import FIDELITY_FORMULAS
from aurorascope.files import read_record

_MUST_AGREE = ("fidelity_config_sha256", "checkpoint_sha256", "static_sha256", "snapshots")


def fidelity_entries(results: Path, saes: list[dict[str, Any]], is_enabled: bool) -> list[dict[str, Any]]:
    """What each SAE's entry in the index says of forecasts.

    Args:
        results: the results folder.
        saes: records of the suite's SAEs.
        is_enabled: whether fidelity is measured; otherwise no record is read and every metric is null.

    Returns:
        For each SAE its `metrics`, and the `fidelity_file` with all of them by variable and level.

    Raises:
        UserError: a record is missing, is of another SAE, or differs from the others in its configuration, checkpoint,
            statics or snapshots.
    """
    if not is_enabled:
        return [{"metrics": dict.fromkeys(FIDELITY_FORMULAS), "fidelity_file": None} for _ in saes]
    records = [_record(results, sae) for sae in saes]
    _refuse_mixture(results, records)
    return [
        {"metrics": record["metrics"], "fidelity_file": f"fidelity/{record['block']}.parquet"} for record in records
    ]


def _record(results: Path, sae: dict[str, Any]) -> dict[str, Any]:
    path = FidelityFiles(results, sae["block"]).record
    record = read_record(path, KIND)
    for key, expected in (
        ("sae_sha256", sae["sha256"]),
        ("train_manifest_sha256", sae["activations_manifest_sha256"]),
        ("checkpoint_sha256", sae["checkpoint_sha256"]),
    ):
        if record[key] != expected:
            raise UserError.stale(path, f"forecasts with {key} {expected[:12]}", f"with {record[key][:12]}")
    return record


def _refuse_mixture(results: Path, records: list[dict[str, Any]]) -> None:
    for key in _MUST_AGREE:
        groups: list[list[dict[str, Any]]] = []
        for record in records:
            same = next((group for group in groups if group[0][key] == record[key]), None)
            if same is None:
                groups.append([record])
            else:
                same.append(record)
        if len(groups) > 1:
            few = [record["block"] for record in min(groups, key=len)]
            files = " ".join(str(FidelityFiles(results, block_id).record) for block_id in few[:3])
            raise UserError(
                f"the suite's {key} of fidelity", "one value in all blocks", f"{len(groups)}, with another in {', '.join(few)}",
                f"rm -f {files} …, then snakemake --cores N makes them again with the present configuration",
            )
