"""The SAEs that a suite has of whole stages, and where each of their features lives."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aurorascope.blocks import STAGE_IDS
from aurorascope.errors import UserError, as_then, snakemake
from aurorascope.files import sha256_file
from aurorascope.measures.cells import percent, span
from aurorascope.release.atlas import Files
from aurorascope.release.weights import read_weights
from aurorascope.stage_saes.claim import EVALUATION

if TYPE_CHECKING:
    import pandas as pd

    from aurorascope.sae.aurora_sae import AuroraSAE


def stage_entry(suite: Files, entries: Mapping[str, dict[str, Any]], stage_id: str) -> dict[str, Any]:
    """What the index says of the SAE of a stage.

    Raises:
        UserError: the suite holds no such SAE.
    """
    if stage_id in entries:
        return entries[stage_id]
    held = ", ".join(entries) or "none, since it was made without sae.group: stage"
    fix = "take one of suite.stage_ids"
    if stage_id in STAGE_IDS:
        made = snakemake("--cores 1 --config 'sae={group: stage}'")
        fix = f"take one of suite.stage_ids, or make it: {made}{as_then()}"
    raise UserError(f"the suite in {suite.place()}", f"one of its SAEs of stages ({held})", repr(stage_id), fix)


def load_stage_sae(suite: Files, entry: dict[str, Any], block_id: str, verify: bool) -> "AuroraSAE":
    """See `Suite.load_stage`."""
    names = [block["id"] for block in entry["blocks"]]
    if block_id not in names:
        raise UserError(f"the SAE of {entry['id']} in {suite.place()}", f"one of its blocks: {', '.join(names)}", repr(block_id), "take one of these")
    return read_weights(suite, entry, verify, names.index(block_id))


def read_lives(suite: Files, entry: dict[str, Any]) -> "pd.DataFrame":
    """See `Suite.lives`."""
    name, of_record = entry["metrics_file"], EVALUATION.path.format(stage=entry["id"])
    fix = suite.again(of_record)
    if not (suite.has_file(name) and suite.has_file(of_record)):
        raise UserError(f"{suite.place()}, {name}", f"where the features of {entry['id']} live, and its record", "none", fix)
    record, path = suite.file(of_record), suite.file(name)
    try:
        content = json.loads(record.read_text())
        expected, of_sae = content["table_sha256"], content["sae_sha256"]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(record, "a JSON record with table_sha256 and sae_sha256", f"another file ({error})", fix) from None
    if of_sae != entry["sha256"]:
        raise UserError(record, f"an evaluation of the SAE {entry['sha256'][:12]}, as the index has it", f"of {of_sae[:12]}", suite.again("sae_index.json"))
    if (found := sha256_file(path)) != expected:
        raise UserError(path, f"sha256 {expected}", f"sha256 {found}", fix)
    # Imported only where a table is read: pandas costs a second.
    import pandas as pd

    return pd.read_parquet(path)


def stages_section(index: Mapping[str, Any]) -> str:
    """The card's text on SAEs of stages; empty where there are none."""
    if not index.get("stage_saes"):
        return ""
    own = {sae["id"]: sae["metrics"] for sae in index["saes"]}
    lines = [
        "## One SAE for a stage\n",
        "Blocks of a stage also share a dictionary each: the same directions, read in each block by its own mean and spread. Its FVE on each "
        "block stands beside that of the block's own SAE, at their L0. Where a feature lives is told by its share of energy in each block "
        "(`evaluation/<stage>.parquet`): `alone` has 90 % or more in one, `everywhere` is on in all.\n",
        "| stage | blocks | d_model → d_hidden | FVE % | the blocks' own FVE % | L0 | dead % | blocks of a feature, median | alone % | everywhere % |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for sae in index["stage_saes"]:
        metrics, lives = [block["metrics"] for block in sae["blocks"]], sae["metrics"]
        l0, effective = [m["l0"] for m in metrics], lives["effective_blocks"]
        lines.append(
            f"| `{sae['id']}` | {len(metrics)} | {sae['d_model']} → {sae['d_hidden']} | {span([m['fve'] for m in metrics])} "
            f"| {span([own[block['id']]['fve'] for block in sae['blocks'] if block['id'] in own])} | {min(l0):.0f} – {max(l0):.0f} "
            f"| {percent(lives['frac_dead_all'])} | {'n/a' if effective is None else format(effective, '.1f')} "
            f"| {percent(lives['frac_alone'])} | {percent(lives['frac_everywhere'])} |"
        )
    return "\n".join(lines)
