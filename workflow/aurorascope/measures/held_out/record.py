"""The evaluation on held-out tokens as a measure. Its tables stand in the card by themselves."""

from aurorascope.config.model import Config
from aurorascope.costs.estimate import Estimate
from aurorascope.costs.rows import MeasureCost, there
from aurorascope.measures.held_out.claim import KIND, inputs_of, make_claim
from aurorascope.measures.held_out.formulas import FORMULAS
from aurorascope.measures.measure import Column, Measure, Panel, waits
from aurorascope.units import flop


def _cost(config: Config, e: Estimate) -> MeasureCost:
    """Both stores are read once (live: Aurora runs as often); principal components are those of all training snapshots."""
    left, n_held_out = e.unmeasured(KIND.name, config.block_ids), e.n_snapshots["held_out"]
    n_all = n_held_out + e.n_snapshots["train"]
    of_all, of_left = (
        sum(cost.evaluation_flop * n_held_out + cost.moments_flop * n_all for cost in costs) for costs in (e.blocks, left)
    )
    again = n_all * sum(cost.forward_flop if e.is_live else cost.snapshot_bytes for cost in left)
    basis = "derived; four products and second moments, metrics not counted; "
    return MeasureCost(
        "evaluation", of_left + again if e.is_live else of_left, 0 if e.is_live else again,
        training=(("evaluation", flop(of_all), basis + there(len(e.blocks) - len(left), "records")),),
    )


HELD_OUT = Measure(
    kind=KIND,
    formulas=FORMULAS,
    blocks=lambda config: config.block_ids,
    alike=("evaluate_config_sha256",),
    cost=_cost,
    reads_stores=True,
    is_waiting=waits(KIND, lambda config, block, results: make_claim(config, **inputs_of(results, block.id))),
    panels=(
        Panel("fve", "FVE on held-out snapshots (%)", low=None, high=100),
        Panel("fve_anom", "Anomaly FVE, about each position's training mean (%)", high=100),
        Panel("fve_pca", "FVE of PCA with as many components as the SAE has features on (%)", low=None, high=100),
        Panel("l0", "L0 (features on per token)", factor=1, cmap="cividis"),
        Panel("frac_dead", "Dead: on for no held-out token (% of features)", cmap="cividis"),
    ),
    columns=(
        Column("FVE", "fve", ".4f"), Column("anomaly FVE", "fve_anom", ".4f"), Column("L0", "l0", ".1f"),
        Column("dead", "frac_dead", ".1%"),
    ),
)
