"""What a circuit was made from, said from small records alone: nothing heavy is imported here."""

from pathlib import Path
from typing import Any

from aurorascope.attribution.claim import KIND as ATTRIBUTION
from aurorascope.attribution.claim import asked_of, check_suite
from aurorascope.attribution.claim import make_claim as make_attribution_claim
from aurorascope.circuits.circuit_file import CircuitFile
from aurorascope.circuits.needs import CircuitNeeds
from aurorascope.config.model import Config
from aurorascope.config.stages import stage_digest
from aurorascope.errors import UserError
from aurorascope.records import KINDS

KIND = KINDS["circuit"]
_SHARED = ("rule", "points", "hour", "dates", "quiet_dates", "checkpoint_sha256", "static_sha256", "states_sha256", "labels_sha256")


def make_claim(config: Config, file: CircuitFile, needs: CircuitNeeds, results: Path) -> dict[str, Any]:
    """The part of a circuit's record that says what it was made from.

    Raises:
        UserError: a record is missing, an SAE is of another checkpoint, some SAEs tell signs apart and others do not, or an attribution is of
            something else than the outcome as its file is now.
    """
    check_suite(results, file.blocks)
    claims = {block: make_attribution_claim(config, needs.outcome, needs.of_outcome, block, results) for block in file.blocks}
    return {
        "kind": KIND.name,
        "format": 1,
        "circuit": file.name,
        "asked": dict(file.asked),
        "outcome": needs.outcome.name,
        "asked_of_outcome": asked_of(needs.outcome),
        **{key: claims[file.blocks[0]][key] for key in _SHARED},
        "blocks": list(file.blocks),
        "halves": [list(half) for half in needs.halves] if needs.halves else None,
        "sae_sha256": {block: claim["sae_sha256"] for block, claim in claims.items()},
        "attribution_sha256": {block: _attribution(block, claim, needs, results) for block, claim in claims.items()},
        "config_sha256": stage_digest(config, "trace_circuit"),
    }


def _attribution(block: str, claim: dict[str, Any], needs: CircuitNeeds, results: Path) -> str:
    """Digest of the table of a block's attribution."""
    names = {"outcome": needs.outcome.name, "block": block}
    path, record = ATTRIBUTION.where(results, **names), ATTRIBUTION.read(results, **names)
    other = next((key for key in claim if record.get(key) != claim[key]), None)
    if other is not None:
        raise UserError.stale(path, "an attribution of the outcome's file, and of all else, as they are now", f"one of another {other}")
    try:
        return ATTRIBUTION.digests(path, record)[path.with_suffix(".parquet")]
    except KeyError as error:
        raise UserError.stale(path, "the digest of its table", f"none of {error}") from None
