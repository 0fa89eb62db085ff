"""Second SAEs in a release: what the index says of them, and a suite's boosted SAE, opened."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aurorascope.errors import UserError, as_then, snakemake
from aurorascope.measures.boost.record import KIND as EVALUATION
from aurorascope.records import KINDS
from aurorascope.release.atlas import Files
from aurorascope.release.weights import check_golden, open_weights
from aurorascope.sae.architectures import ARCHITECTURES

if TYPE_CHECKING:
    from aurorascope.boosting.boosted import Boosted
    from aurorascope.sae.aurora_sae import AuroraSAE

_KIND = KINDS["boost"]
_GOLDEN = "boosts/golden/{block}.safetensors"


def boost_entries(
    results: Path, saes: Sequence[Mapping[str, Any]], evaluations: Sequence[Mapping[str, Any] | None]
) -> list[dict[str, Any] | None]:
    """What the index says of each SAE's second one; None where there is none.

    Args:
        results: the results folder.
        saes: records of the SAEs.
        evaluations: those of both together.

    Raises:
        UserError: a record is missing, or is of another first SAE, or the evaluation of another second one.
    """
    return [None if found is None else _entry(results, sae, found) for sae, found in zip(saes, evaluations, strict=True)]


def _entry(results: Path, sae: Mapping[str, Any], evaluation: Mapping[str, Any]) -> dict[str, Any]:
    block = sae["block"]
    boost, path = _KIND.read(results, block=block), _KIND.where(results, block=block)
    _KIND.check_of(path, boost, "sae", sae)
    EVALUATION.check_of(EVALUATION.where(results, block=block), evaluation, "boost", boost)
    training = boost["training"]
    names = ("of", "sha256", "tensor_sha256", "size_bytes", "d_hidden", "n_parameters", "label", "label_weight", "n_label_tokens")
    return {
        "filename": f"boosts/sae_{block}.pt",
        **{name: boost[name] for name in names},
        "architecture": {
            "activation": boost["architecture"],
            "released_as": boost["released_as"],
            "k": round(training["target_l0"]) if ARCHITECTURES[boost["architecture"]].keeps_k else None,
        },
        "training": {
            **{name: training[name] for name in ("seed", "optimizer", "lr", "loss", "epochs", "n_steps", "n_tokens_seen", "shuffle")},
            "boost_config_sha256": boost["boost_config_sha256"],
        },
        "golden_file": _GOLDEN.format(block=block),
    }


def open_boosted(suite: Files, first: "AuroraSAE", block_id: str, verify: bool) -> "Boosted":
    """`Suite.boosted`: a block's SAE, as the suite has opened it, and the second one.

    Raises:
        UserError: the suite holds no second one, a file is missing or is not the one that the index names.
    """
    # Imported only where weights are read: a table needs no torch.
    from aurorascope.boosting.boosted import Boosted

    entry, record = suite.entry(block_id), f"boosts/sae_{block_id}.json"
    boost = entry.get("boost")
    if boost is None:
        command = snakemake("--cores 1 --config 'sae={boost: {enabled: true}}'")
        fix = f"make them, and the index again: {command}{as_then()}"
        raise UserError(f"the suite in {suite.place()}", f"a second SAE of {block_id}", "none", fix)
    _KIND.check_of(Path(boost["filename"]).with_suffix(".json"), boost, "sae", entry)
    sizes = entry["d_model"], boost["d_hidden"]
    fix = suite.again(boost["filename"], record)
    second = open_weights(suite.file(boost["filename"]), boost["sha256"], sizes, f"the second SAE of {block_id}", fix, verify)
    boosted = Boosted(first, second)
    if verify and suite.has_file(boost["golden_file"]):
        golden = boost["golden_file"]
        check_golden(boosted, suite.file(golden), f"the boost of {block_id}", suite.again(golden, record))
    return boosted
