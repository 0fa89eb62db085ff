"""Stability over seeds as a measure: its records, what it costs, and what is shown of it."""

from collections.abc import Mapping, Sequence
from typing import Any

from aurorascope.config.chosen import stage_representatives
from aurorascope.config.model import Config
from aurorascope.costs.estimate import Estimate
from aurorascope.costs.rows import MeasureCost, there
from aurorascope.measures.cells import cosine, percent
from aurorascope.measures.measure import Measure
from aurorascope.measures.stability.formulas import STABILITY_FORMULAS
from aurorascope.records import Kind
from aurorascope.units import flop

_KIND = Kind(
    "stability", "stability/{block}/summary.json", "comparisons of seeds",
    {"stability/{block}/matches.parquet": "table_sha256"}, "stability_file",
    stage=("measure_stability", "stability_config_sha256"), of={"sae_sha256": ("sae", "sha256")},
)


def _section(saes: Sequence[Mapping[str, Any]]) -> str:
    """How alike SAEs of other seeds are, by block; nothing where none was trained."""
    measured = [sae for sae in saes if sae["stability_file"] is not None]
    if not measured:
        return ""
    lines = [
        f"## Stability over seeds\n\nThe same training with {measured[0]['metrics']['n_stability_seeds']} seeds, every two of them "
        "compared: features that are on for some held-out token, matched one to one by the cosine of their directions. In each cell: "
        "the SAEs; random directions; random directions with the covariance of the activations.\n",
        "| block | features | mean matched cosine | matched above 0.7, % | mean largest cosine |",
        "|---|---|---|---|---|",
    ]
    for sae in measured:
        m = sae["metrics"]
        cells = [
            "; ".join(form(m[name + suffix]) for suffix in ("", "_random", "_random_pca"))
            for name, form in (("pw_mcc", cosine), ("share_matched", percent), ("mmcs", cosine))
        ]
        lines.append(f"| `{sae['id']}` | {m['n_stability_features']:.0f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _blocks(config: Config) -> tuple[str, ...]:
    """The configured ones that are chosen, in forward order."""
    chosen, block_ids = config.evaluation.stability.blocks, config.block_ids
    return stage_representatives(block_ids) if chosen == "auto" else tuple(b for b in block_ids if b in chosen)


def _cost(config: Config, e: Estimate) -> MeasureCost | None:
    """Each block's store is read once for all its seeds (live: Aurora runs as often)."""
    blocks, n_train = _blocks(config), e.n_snapshots["train"]
    if not blocks:
        return None
    left, n_more = e.unmeasured(_KIND.name, blocks), config.evaluation.stability.seeds - 1
    training = sum(cost.engine_flop for cost in left) * n_train * e.epochs * n_more
    again = sum(cost.forward_flop if e.is_live else cost.snapshot_bytes for cost in left) * n_train
    basis = f"derived; {len(left) * n_more} more SAEs to compare with, then thrown away; "
    return MeasureCost(
        "other seeds", training + again if e.is_live else training, 0 if e.is_live else again,
        f"; {'Aurora run' if e.is_live else 'the store read'} once a block, matching not counted",
        training=(("other seeds", flop(training), basis + there(len(blocks) - len(left), "comparisons")),),
    )


STABILITY = Measure(
    kind=_KIND,
    formulas=STABILITY_FORMULAS,
    blocks=_blocks,
    alike=("seeds", "stability_config_sha256"),
    cost=_cost,
    reads_stores=True,
    section=_section,
)
