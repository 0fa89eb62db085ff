"""The stability over seeds of a suite for its index: null for blocks where it is not measured."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aurorascope.errors import UserError
from aurorascope.evaluation.stability.formulas import STABILITY_FORMULAS
from aurorascope.files import read_record


def stability_entries(results: Path, saes: list[dict[str, Any]], chosen: Sequence[str]) -> list[dict[str, Any]]:
    """What each SAE's entry in the index says of its stability.

    Args:
        results: the results folder.
        saes: records of the suite's SAEs.
        chosen: ids of the blocks that are measured; of the others no record is read and every metric is null.

    Returns:
        For each SAE its `metrics`, and the `stability_file` with every matched pair of features.

    Raises:
        UserError: a record is missing, is of another SAE, or differs from the others in its number of seeds or its configuration.
    """
    entries, first = [], None
    for sae in saes:
        if sae["block"] not in chosen:
            entries.append({"metrics": dict.fromkeys(STABILITY_FORMULAS), "stability_file": None})
            continue
        path = results / "stability" / sae["block"] / "summary.json"
        record = read_record(path, "stability")
        first = first or record
        for what, expected, found in (
            ("the stability of SAE", sae["sha256"][:12], record["sae_sha256"][:12]),
            (f"seeds compared, as of {first['block']},", len(first["seeds"]), len(record["seeds"])),
            (
                f"stability_config_sha256, as of {first['block']},", first["stability_config_sha256"][:12],
                record["stability_config_sha256"][:12],
            ),
        ):
            if found != expected:
                raise UserError.stale(path, f"{what} {expected}", str(found))
        entries.append({"metrics": record["metrics"], "stability_file": f"stability/{sae['block']}/matches.parquet"})
    return entries
