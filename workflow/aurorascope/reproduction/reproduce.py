"""Train the SAE of one block again from the same activations, in a folder of its own, and compare its tensors.

On one kind of machine all bytes must be the same; CPUs that compute portably are of one kind. On another, activations and
weights differ in their last bits from the first step on, and thousands of steps of Adam amplify that without an end that
could be promised; then the two SAEs must explain the same share of the variance instead.
"""

import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch

from aurorascope.activations.opening import open_reader
from aurorascope.activations.reader import StoreReader
from aurorascope.blocks import BY_ID
from aurorascope.config.model import Config
from aurorascope.errors import UserError
from aurorascope.files import write_json
from aurorascope.locks import folder_lock
from aurorascope.provenance import provenance, read_provenance
from aurorascope.reproduction.compare import Comparison, as_record, compare_weights, explained
from aurorascope.reproduction.published import Published
from aurorascope.sae.digest import tensor_digest
from aurorascope.training.export import write_weights
from aurorascope.training.job import TrainingJob

_LOG = logging.getLogger(__name__)
KIND = "reproduced"
# Between kinds of machines: the most by which the share of variance that is not explained may differ, of itself. Other
# instructions made it differ by up to 11 % (docs/benchmarks.md).
RTOL_UNEXPLAINED = 0.25
_ROWS = 8192


def reproduce(config: Config, published: Published, manifest: Path, results: Path, device: torch.device) -> None:
    """Train again and compare; writes `results/reproduced/<block>.json` where the SAE is reproduced, else no such file.

    Raises:
        UserError: configuration, recipe versions or data are not those of the published SAE, or it came out otherwise; the
            weights trained here are then in `results/reproduced/<block>/`.
        SystemExit: status 143, after a checkpoint, when SIGTERM or Ctrl-C asked to stop.
    """
    published.check_config(config)
    reader = open_reader(manifest, config, device)
    published.check_inputs(reader.manifest)
    here, there = provenance(device, config.compute), _made_with(published)
    # A release names the devices of all of its SAEs.
    elsewhere = there["device"] is not None and here["device"] not in there["device"].split(", ")
    _check_activations(published, reader, manifest, elsewhere)
    theirs = _load(published.weights)
    if tensor_digest(theirs) != published.record["tensor_sha256"]:
        _LOG.warning("%s does not hold the tensors of its record.", published.weights)
    folder = results / "reproduced" / published.block_id
    with folder_lock(folder):
        job = TrainingJob(config, BY_ID[published.block_id], reader, folder / "training", device)
        mine = job.run()[0].weights
        job.checkpoint.remove()
        found = compare_weights(theirs, mine)
        content = _verdict(published, reader, theirs, mine, found, elsewhere)
        if content is None:
            weights = folder / f"sae_{published.block_id}.pt"
            write_weights(weights, mine)
            raise _refusal(published, mine, found, weights, _unlike(there, here))
        write_json(results / "reproduced" / f"{published.block_id}.json", content)
        shutil.rmtree(folder)
    _LOG.info("%s: %s.", published.block_id, content["verdict"])


def _made_with(published: Published) -> dict[str, Any]:
    """Device and packages that a published SAE was made with, as far as its folder says; a release says it in its index."""
    found = read_provenance(published.folder / "training" / f"{published.block_id}.provenance.json")
    index = read_provenance(published.folder / "sae_index.json").get("environment", {})
    return {
        "device": found.get("device", index.get("device")),
        "packages": found.get("packages", {"torch": index["torch"]} if "torch" in index else {}),
    }


def _unlike(there: dict[str, Any], here: dict[str, Any]) -> str:
    """What both were made with, where that differs."""
    pairs = [("device", there["device"], here["device"])]
    pairs += [(name, version, here["packages"].get(name)) for name, version in there["packages"].items()]
    words = [f"{name} {a} there and {b} here" for name, a, b in pairs if None not in (a, b) and a != b]
    return f"; made with {', '.join(words)}" if words else ""


def _check_activations(published: Published, reader: StoreReader, manifest: Path, elsewhere: bool) -> None:
    expected, found = published.record["activations_manifest_sha256"], reader.manifest["sha256"]
    if found == expected:
        return
    if not elsewhere:
        raise UserError(
            manifest, f"the activations {expected}, from which {published.path} was made", f"{found}, from the same inputs",
            "compare the versions in provenance.json beside it with training/*.provenance.json of the published SAE",
        )
    _LOG.warning("%s: activations of another kind of machine differ in their last bits, and so will the SAE.", manifest)


def _load(path: Path) -> dict[str, torch.Tensor]:
    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # A damaged file raises whatever its first wrong byte leads to.
        found = f"an unreadable file ({type(error).__name__})"
        raise UserError(path, "the weights of an SAE", found, "get the file again") from error
    if not isinstance(tensors, dict) or not all(isinstance(value, torch.Tensor) for value in tensors.values()):
        raise UserError(path, "a dictionary of tensors", "something else", "get the file again")
    return tensors


def _verdict(
    published: Published, reader: StoreReader, theirs: dict[str, torch.Tensor], mine: dict[str, torch.Tensor],
    found: list[Comparison], elsewhere: bool,
) -> dict[str, Any] | None:
    """The record of a reproduction; None where it failed."""
    is_identical = tensor_digest(mine) == tensor_digest(theirs) == published.record["tensor_sha256"]
    content = {
        "kind": KIND,
        "format": 1,
        "block": published.block_id,
        "identical": is_identical,
        "verdict": "identical",
        "tensors": as_record(found),
        "published_tensor_sha256": published.record["tensor_sha256"],
        "tensor_sha256": tensor_digest(mine),
        "train_config_sha256": published.record["train_config_sha256"],
        "activations_manifest_sha256": reader.manifest["sha256"],
    }
    if is_identical:
        return content
    if not elsewhere or tensor_digest(theirs) != published.record["tensor_sha256"]:
        return None
    x_nd = reader.read([0], np.linspace(0, reader.n_tokens - 1, min(_ROWS, reader.n_tokens)).round().astype(int))[0]
    fve = {name: explained(of, torch.from_numpy(x_nd)) for name, of in (("published", theirs), ("retrained", mine))}
    _LOG.info("%s: explained variance %.6f published, %.6f here.", published.block_id, fve["published"], fve["retrained"])
    if abs(fve["retrained"] - fve["published"]) > RTOL_UNEXPLAINED * (1 - fve["published"]):
        return None
    words = "equal in explained variance, on another kind of machine"
    return {**content, "verdict": words, "fve": fve, "rtol_unexplained": RTOL_UNEXPLAINED}


def _refusal(
    published: Published, mine: dict[str, torch.Tensor], found: list[Comparison], weights: Path, unlike: str
) -> UserError:
    """The line that a failed reproduction ends with."""
    others, recorded = [one for one in found if not one.is_identical], published.record["tensor_sha256"]
    is_recorded = tensor_digest(mine) == recorded
    if not others:
        return UserError(
            published.path, f"tensor_sha256 {tensor_digest(mine)}, as of its weights and of those trained here", recorded,
            "get the record again",
        )
    first = f"{others[0].words()} ({len(others)} of {len(found)} tensors differ)"
    if is_recorded:
        return UserError(
            published.weights, "the tensors of its record, which came out again here", first,
            f"it was altered since: get the file again, or copy {weights}",
        )
    return UserError(
        published.weights, f"the tensors that were trained again, in {weights}", first + unlike,
        "train with the versions and on the kind of machine that it was made with, and compare again",
    )
