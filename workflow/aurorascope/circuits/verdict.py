"""One word for a circuit, from what its controls say."""

from collections.abc import Mapping
from typing import Any

PASSES, FAILS, UNKNOWN = WORDS = ("passes its controls", "fails its controls", "not known")


def word_of(faithfulness: Mapping[str, Mapping[str, Any]], replication: Mapping[str, Any]) -> tuple[str, list[str]]:
    """The word, and in sentences what stands against the circuit or is not known.

    A circuit passes where it is nearer to a faithfulness of 1 than 95 % of matched sets, with errors kept and with errors removed, and where
    its edges agree between two sets of dates by more than 0.2 better than those of random features.

    Args:
        faithfulness: by `faithfulness.ERRORS`, see `faithfulness.faithfulness`.
        replication: see `agreement.replication`.
    """
    asked = [
        (found, f"With errors {errors}, matched sets are as faithful as the circuit.", f"Faithfulness with errors {errors} is not known")
        for errors, found in faithfulness.items()
    ]
    asked.append((
        replication, "Edges agree between two sets of dates hardly better than those of random features.", "Whether edges replicate is not known",
    ))
    failed = [against for found, against, _ in asked if found["passes"] is False]
    unknown = [f"{subject}: {found['why']}." for found, _, subject in asked if found["passes"] is None]
    return FAILS if failed else UNKNOWN if unknown else PASSES, failed + unknown
