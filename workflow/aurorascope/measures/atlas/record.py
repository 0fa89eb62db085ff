"""The atlas as a measure: its records, what it costs, and what is shown of it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aurorascope.blocks import Block
from aurorascope.config.model import Config
from aurorascope.costs.estimate import Estimate
from aurorascope.costs.rows import MeasureCost, there
from aurorascope.errors import UserError
from aurorascope.measures.atlas.claim import KIND, make_claim
from aurorascope.measures.atlas.formulas import ATLAS_FORMULAS
from aurorascope.measures.cells import by_stage
from aurorascope.measures.measure import Measure
from aurorascope.units import flop, size
from aurorascope.waiting import Waiting


def _blocks(config: Config) -> tuple[str, ...]:
    return config.block_ids if config.atlas.enabled else ()


def _section(saes: Sequence[Mapping[str, Any]]) -> str:
    """How many features have a label, by stage; nothing where no atlas was made."""
    made = [sae for sae in saes if sae.get("atlas_file") is not None]
    if not made:
        return ""
    names = ("n_atlas_alive", "n_atlas_event", "n_atlas_place", "n_atlas_season")
    lines = [
        "## Atlas\n\nFeatures compared with labels of the weather, places and pollution, and with those labels shifted in longitude and "
        "in time. *Event*: beyond both. *Place*: beyond shifts in longitude alone. *Season*: beyond shifts in time alone. Sums over "
        "the stage's SAEs; n/a where there are too few dates.\n",
        "| stage | on | event | place | season |",
        "|---|---|---|---|---|",
    ]
    for (component, stage), group in by_stage(made).items():
        sums = [[sae["metrics"][name] for sae in group] for name in names]
        cells = ["n/a" if None in values else f"{sum(values):,.0f}" for values in sums]
        lines.append(f"| {component} {stage} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cost(config: Config, e: Estimate) -> MeasureCost | None:
    """Each block's stores are read once, its dates that choose once more, and encoded: one product of the SAE's two."""
    if not _blocks(config):
        return None
    left, n_train, n_held_out = e.unmeasured(KIND.name, config.block_ids), e.n_snapshots["train"], e.n_snapshots["held_out"]
    # The dates that choose are half of them.
    n_read = n_train + n_held_out + n_train / 2
    encoding = sum(cost.encoding_flop * (n_train + n_held_out) + cost.moments_flop * n_train / 2 for cost in left)
    again = sum(cost.forward_flop if e.is_live else cost.snapshot_bytes for cost in left) * n_read
    source = "Aurora run again" if e.is_live else f"{size(again)} read"
    basis = f"derived; encoding, not the comparisons; {source}; "
    return MeasureCost(
        "atlases", encoding + again if e.is_live else encoding, 0 if e.is_live else again,
        "; comparisons with labels not counted",
        training=(("atlases", flop(encoding), basis + there(len(e.blocks) - len(left), "atlases")),),
    )


def _is_waiting(config: Config, block: Block, results: Path) -> bool:
    waiting = Waiting(KIND, results, block.id)
    if not waiting.results.is_dir():
        # The claim reads labels' records of all dates, which planning would wait for.
        return False
    try:
        return waiting.is_made(make_claim(config, block.id, results))
    except UserError:
        return False


ATLAS = Measure(
    kind=KIND,
    formulas=ATLAS_FORMULAS,
    blocks=_blocks,
    alike=("atlas_config_sha256", "label_days_sha256"),
    cost=_cost,
    reads_stores=True,
    is_waiting=_is_waiting,
    section=_section,
)
