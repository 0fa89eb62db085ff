"""What a study was made from, said from small records alone: nothing heavy is imported here."""

from pathlib import Path
from typing import Any

from aurorascope.config.calendar import STEP, iso, parse
from aurorascope.config.model import Config
from aurorascope.config.stages import stage_digest
from aurorascope.errors import UserError
from aurorascope.files import find_record, sha256_file, sha256_json
from aurorascope.records import KINDS
from aurorascope.studies.dates import Dated
from aurorascope.studies.needs import Needs
from aurorascope.studies.written import AskedFile

KIND = KINDS["study"]


def make_claim(config: Config, file: AskedFile, needs: Needs, results: Path) -> dict[str, Any]:
    """The part of a study's record that says what it was made from.

    Raises:
        UserError: a record is missing, or an SAE is of another checkpoint.
    """
    checkpoint = KINDS["checkpoint"].read(results)["sha256"]
    saes = {block: KINDS["sae"].read(results, block=block) for block in needs.blocks}
    for block, record in saes.items():
        if record["checkpoint_sha256"] != checkpoint:
            path, found = KINDS["sae"].where(results, block=block), record["checkpoint_sha256"]
            raise UserError.stale(path, f"an SAE of the checkpoint {checkpoint[:12]}", f"one of {found[:12]}")
    return {
        "kind": KIND.name,
        "format": 1,
        "study": file.name,
        "asked": dict(file.asked),
        "hour": needs.hour,
        "dates": list(needs.dates),
        "quiet_dates": list(needs.quiet_dates),
        "sae_sha256": {block: record["sha256"] for block, record in saes.items()},
        "checkpoint_sha256": checkpoint,
        "static_sha256": KINDS["static"].read(results)["content_sha256"],
        "states_sha256": states_sha256(needs, results),
        "labels_sha256": labels_sha256(needs, results),
        "config_sha256": stage_digest(config, "run_study"),
    }


def states_sha256(needs: Dated, results: Path) -> dict[str, str]:
    """Digest of each state by its time.

    Raises:
        UserError: a day's record is missing, or has no state at a time.
    """
    times = {time for date in (*needs.dates, *needs.quiet_dates) for time in (needs.time(date), previous(needs.time(date)))}
    found = {}
    for time in sorted(times):
        path, states = KINDS["cams_day"].where(results, day=time[:10]), KINDS["cams_day"].read(results, day=time[:10])["states"]
        if time not in states:
            raise UserError.stale(path, f"a state at {time}", ", ".join(sorted(states)) or "none")
        found[time] = states[time]
    return found


def labels_sha256(needs: Dated, results: Path) -> dict[str, str]:
    """Digest of all labels by date; empty where none is read.

    Raises:
        UserError: a date's record is missing.
    """
    labels = {date: KINDS["labels"].read(results, day=date)["labels"] for date in needs.dates} if needs.has_labels else {}
    return {date: sha256_json({name: entry["sha256"] for name, entry in found.items()}) for date, found in labels.items()}


def previous(time: str) -> str:
    """The state before that of a snapshot."""
    return iso(parse(time) - STEP)


def was_read(file: AskedFile, results: Path) -> bool:
    """Whether a study of the same file has run: what it asks has then been read and needs no second look before the job's."""
    record = find_record(KIND.where(results, study=file.name), KIND.name)
    return record is not None and record.get("asked") == dict(file.asked)


def atlas_digest(results: Path, block_id: str) -> str | None:
    """Digest of the record of a block's atlas; None where there is none.

    An atlas is no input of a study: whoever wants a study has not asked for labels of every date. One that is there is used, and a
    study is made again when it comes or changes, since its controls may.
    """
    path = results / "atlas" / block_id / "summary.json"
    return sha256_file(path) if find_record(path, "atlas") is not None else None
