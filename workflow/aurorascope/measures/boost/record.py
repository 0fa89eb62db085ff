"""Boosts as a measure: the records of their evaluation, what training and evaluating them costs, and what is shown of them."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from aurorascope.boosting.settings import boosted_sae
from aurorascope.config.model import Config
from aurorascope.config.sae import n_at_once
from aurorascope.costs.estimate import BlockCost, Estimate
from aurorascope.costs.flops import PRODUCTS_OF_ENGINE, sae_flop
from aurorascope.costs.rows import MeasureCost, there
from aurorascope.measures.boost.formulas import BOOST_FORMULAS
from aurorascope.measures.cells import percent
from aurorascope.measures.measure import Column, Measure
from aurorascope.records import Kind
from aurorascope.units import flop

KIND = Kind(
    "boost_evaluation", "boosts/evaluation/{block}.json", "evaluations of boosts", {"boosts/evaluation/{block}.parquet": "table_sha256"},
    "boost_file", stage=("evaluate_boost", "boost_evaluation_config_sha256"),
    of={"sae_sha256": ("sae", "sha256"), "boost_sha256": ("boost", "sha256")},
)
# Moments of the residuals, then the residuals that are trained on.
_PASSES = 2
_PRODUCTS_OF_FORWARD = 2


def _section(saes: Sequence[Mapping[str, Any]]) -> str:
    """What second SAEs add, by block; nothing where there is none."""
    boosted = [sae for sae in saes if sae.get(KIND.index_key) is not None]
    if not boosted:
        return ""
    label, weight = (boosted[0]["boost"][name] for name in ("label", "label_weight"))
    told = "" if label is None else f" Tokens under `{label}` counted {weight:g} times in its training; ordinary ones are all others."
    lines = [
        "## Boosts\n\nA second SAE of what the first leaves out: `second = AuroraSAE.from_file(\"boosts/sae_BLOCK.pt\")`, whose "
        f"`x_hat + second(x - x_hat)[0]` is the reconstruction of both. The first SAE alone is as it was.{told} FVE in percent on held-out "
        "tokens, of the first SAE and of both.\n",
        "| block | features on | all tokens | anomaly | under the label | ordinary |",
        "|---|---|---|---|---|---|",
    ]
    for sae in boosted:
        m = sae["metrics"]
        pairs = [("fve", "boost_fve"), ("fve_anom", "boost_fve_anom")]
        pairs += [(f"boost_fve_{name}_first", f"boost_fve_{name}") for name in ("label", "ordinary")]
        cells = [f"{percent(m[first])}, {percent(m[both])}" for first, both in pairs]
        lines.append(f"| `{sae['id']}` | {m['l0']:.1f}, {m['boost_l0']:.1f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _blocks(config: Config) -> tuple[str, ...]:
    return config.block_ids if config.sae.boost.enabled else ()


def _flop(config: Config, e: Estimate, cost: BlockCost) -> float:
    """Operations of a block's second training and of the evaluation of both."""
    sae, tokens, n_train = boosted_sae(config), math.prod(cost.shape), e.n_snapshots["train"]
    latents = cost.width * sae.expansion
    forwards = [sae_flop(tokens, cost.width, n, _PRODUCTS_OF_FORWARD) for n in (cost.latents, latents)]
    steps = n_at_once(sae) * sae_flop(tokens, cost.width, latents, PRODUCTS_OF_ENGINE) * n_train * sae.epochs
    return steps + _PASSES * n_train * forwards[0] + e.n_snapshots["held_out"] * sum(forwards)


def _cost(config: Config, e: Estimate) -> MeasureCost | None:
    """Residuals are computed from the store twice, once for their moments, and stay in memory (live: Aurora runs as often)."""
    if not _blocks(config):
        return None
    left, n_read = e.unmeasured(KIND.name, config.block_ids), _PASSES * e.n_snapshots["train"] + e.n_snapshots["held_out"]
    of_all, of_left = (sum(_flop(config, e, cost) for cost in costs) for costs in (e.blocks, left))
    again = n_read * sum(cost.forward_flop if e.is_live else cost.snapshot_bytes for cost in left)
    basis = "derived; a second SAE a block, of residuals, and the evaluation of both; "
    return MeasureCost(
        "boosts", of_left + again if e.is_live else of_left, 0 if e.is_live else again,
        f"; {'Aurora run' if e.is_live else 'the store read'} twice a block, residuals in memory as float32",
        training=(("boosts", flop(of_all), basis + there(len(e.blocks) - len(left), "evaluations")),),
    )


BOOST = Measure(
    kind=KIND,
    formulas=BOOST_FORMULAS,
    blocks=_blocks,
    alike=("boost_config_sha256", "boost_evaluation_config_sha256"),
    cost=_cost,
    reads_stores=True,
    section=_section,
    columns=(Column("boosted FVE", "boost_fve", ".4f"),),
)
