"""Open a boosted SAE of a results folder once its weights are those of both records, and these belong together."""

from pathlib import Path
from typing import Any

from aurorascope.boosting.boosted import Boosted
from aurorascope.files import check_file
from aurorascope.records import KINDS
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.sae.opening import open_sae


def open_boosted(results: Path, block_id: str) -> tuple[Boosted, dict[str, Any], dict[str, Any]]:
    """Both SAEs of a block, on the CPU, with the records of the first and of the second.

    Raises:
        UserError: records or weights are missing or altered, or the second is of another first SAE.
    """
    first, sae = open_sae(KINDS["sae"].where(results, block=block_id))
    kind = KINDS["boost"]
    path, boost = kind.where(results, block=block_id), kind.read(results, block=block_id)
    kind.check_of(path, boost, "sae", sae)
    weights = path.with_suffix(".pt")
    check_file(weights, boost["sha256"], path)
    return Boosted(first, AuroraSAE.from_file(str(weights))), sae, boost
