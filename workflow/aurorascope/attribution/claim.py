"""What an attribution was made from, said from small records alone: nothing heavy is imported here."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aurorascope.attribution.needs import Needs
from aurorascope.config.model import Config
from aurorascope.config.stages import stage_digest
from aurorascope.errors import UserError
from aurorascope.files import find_record
from aurorascope.records import KINDS
from aurorascope.sae.architectures import RELEASED
from aurorascope.studies.claim import labels_sha256, states_sha256
from aurorascope.studies.written import AskedFile

KIND = KINDS["attribution"]


def make_claim(config: Config, file: AskedFile, needs: Needs, block: str, results: Path) -> dict[str, Any]:
    """The part of the record of one block's attribution that says what it was made from.

    Raises:
        UserError: a record is missing, or the SAE is of another checkpoint.
    """
    checkpoint, sae = KINDS["checkpoint"].read(results)["sha256"], KINDS["sae"].read(results, block=block)
    if sae["checkpoint_sha256"] != checkpoint:
        path, found = KINDS["sae"].where(results, block=block), sae["checkpoint_sha256"]
        raise UserError.stale(path, f"an SAE of the checkpoint {checkpoint[:12]}", f"one of {found[:12]}")
    return {
        "kind": KIND.name,
        "format": 1,
        "outcome": file.name,
        "block": block,
        "asked": asked_of(file),
        "rule": needs.rule,
        "points": needs.points,
        "hour": needs.hour,
        "dates": list(needs.dates),
        "quiet_dates": list(needs.quiet_dates),
        "sae_sha256": sae["sha256"],
        "checkpoint_sha256": checkpoint,
        "static_sha256": KINDS["static"].read(results)["content_sha256"],
        "states_sha256": states_sha256(needs, results),
        "labels_sha256": labels_sha256(needs, results),
        "config_sha256": stage_digest(config, "attribute"),
    }


def asked_of(file: AskedFile) -> dict[str, Any]:
    """What the file asks of each block: which blocks are made changes no number."""
    return {key: value for key, value in file.asked.items() if key != "blocks"}


def check_suite(results: Path, blocks: Sequence[str]) -> None:
    """Refuse blocks whose SAEs do not go together, or that have none.

    Args:
        results: the results folder.
        blocks: ids of blocks.

    Raises:
        UserError: an SAE is missing, or some tell the signs of features apart and others do not.
    """
    forms: dict[bool, str] = {}
    for block in blocks:
        record = KINDS["sae"].read(results, block=block)
        forms.setdefault(RELEASED[record["released_as"]].signed, block)
    if len(forms) == 2:
        found = f"features with signs in {forms[True]} and without in {forms[False]}"
        raise UserError(results / "saes", "SAEs that all tell signs of features apart, or none", found, "train the blocks alike, or name some in blocks")


def was_read(file: AskedFile, results: Path) -> bool:
    """Whether some block has an attribution of the same file: what it asks has then been read and needs no second look before the job's."""
    records = (find_record(path, KIND.name) for path in sorted(results.glob(f"attribution/{file.name}/*.json")))
    return any(record is not None and record.get("asked") == asked_of(file) for record in records)
