"""What an SAE of a stage and its evaluation are made from, said from small records alone: nothing heavy is imported here."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aurorascope.activations.manifest import read_manifest
from aurorascope.activations.paths import StorePaths
from aurorascope.blocks import STAGE_BY_ID, STAGES, Stage
from aurorascope.config.model import Config
from aurorascope.errors import UserError
from aurorascope.records import KINDS

SAE, EVALUATION = KINDS["stage_sae"], KINDS["stage_evaluation"]


def configured_stages(config: Config) -> tuple[Stage, ...]:
    """The stages whose SAEs belong to a configuration's run, each with its configured blocks; none with `sae.group: block`."""
    found = [stage.of(config.block_ids) for stage in STAGES] if config.sae.group == "stage" else []
    return tuple(stage for stage in found if stage is not None)


def configured_stage(config: Config, stage_id: str) -> Stage:
    """A stage with those of its blocks that are configured.

    Raises:
        UserError: none of them is.
    """
    stage = STAGE_BY_ID[stage_id].of(config.block_ids)
    if stage is None:
        names = ", ".join(block.id for block in STAGE_BY_ID[stage_id].blocks)
        raise UserError("config key blocks", f"at least one block of {stage_id}: {names}", "none", "add some, or set blocks: all")
    return stage


def manifests_digests(blocks: Sequence[str], scratch: Path, split: str) -> dict[str, str]:
    """Digest of each block's manifest, by block id.

    Raises:
        UserError: a manifest is missing or altered.
    """
    return {block: read_manifest(StorePaths.of(scratch, block, split).manifest)["sha256"] for block in blocks}


def check_current(record: dict[str, Any], where: Path, stage: Stage, scratch: Path) -> None:
    """Refuse the SAE of a stage that was trained on other blocks or other activations than those that are there.

    Raises:
        UserError: it was.
    """
    names = [block.id for block in stage.blocks]
    if record["blocks"] != names:
        raise UserError.stale(where, f"an SAE of {', '.join(names)}", f"one of {', '.join(record['blocks'])}")
    found, used = manifests_digests(names, scratch, "train"), record["activations_manifest_sha256"]
    for block in names:
        if found[block] != used[block]:
            raise UserError.stale(where, f"an SAE of the present training store of {block}, {found[block][:12]}", used[block][:12])
