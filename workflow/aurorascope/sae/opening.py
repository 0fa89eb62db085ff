"""Open an SAE of a results folder once its weights are those of its record."""

from pathlib import Path
from typing import Any

from aurorascope.files import check_file, read_record
from aurorascope.sae.aurora_sae import AuroraSAE


def open_sae(record_path: Path) -> tuple[AuroraSAE, dict[str, Any]]:
    """The SAE whose record is `saes/sae_<block>.json`, on the CPU, and that record.

    Raises:
        UserError: record or weights are missing or unreadable, or the weights are not those that the record names.
    """
    record, weights = read_record(record_path, "sae"), record_path.with_suffix(".pt")
    check_file(weights, record["sha256"], record_path)
    return AuroraSAE.from_file(str(weights)), record
