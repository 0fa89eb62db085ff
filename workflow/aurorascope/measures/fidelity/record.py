"""Fidelity as a measure: its records, what it costs, and what is shown of it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from aurorascope.config.model import Config
from aurorascope.costs.estimate import Estimate
from aurorascope.costs.rows import MeasureCost, there
from aurorascope.measures.cells import by_stage, small_span, span
from aurorascope.measures.fidelity.claim import KIND, make_claim
from aurorascope.measures.fidelity.formulas import CONDITIONS, FIDELITY_FORMULAS
from aurorascope.measures.measure import Column, Measure, Panel, waits

_FLOAT32 = 4


def _section(saes: Sequence[Mapping[str, Any]]) -> str:
    """What forecasts lose, by stage; nothing where it was not measured."""
    if saes[0]["fidelity_file"] is None:
        return ""
    lines = [
        "## Forecast fidelity\n\nAurora run with each SAE's reconstruction in the place of its block's output, on "
        f"{saes[0]['metrics']['n_fidelity_snapshots']} held-out snapshots. Divergences are in percent of the clean forecast's own "
        "12-hour tendency. Fidelity is the share, in squares, of an ablation's divergence that the SAE avoids; n/a where the "
        "ablation itself moves no variable by 1 % of its tendency. The demanding ablation is the training mean at each position.\n",
        "| stage | divergence, SAE | … position mean | … mean | … zero | fidelity %, position mean | mean | zero | RMSE change % |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for (component, stage), group in by_stage(saes).items():
        metrics = [sae["metrics"] for sae in group]
        divergences = [f"divergence{suffix}" for suffix in ("", "_position_mean", "_mean", "_zero")]
        fidelities = [f"fidelity_{name}" for name in ("position_mean", "mean", "zero")]
        cells = [small_span([m[name] for m in metrics]) for name in divergences]
        cells += [span([m[name] for m in metrics]) for name in fidelities]
        cells.append(small_span([m["rmse_change"] for m in metrics]))
        lines.append(f"| {component} {stage} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _blocks(config: Config) -> tuple[str, ...]:
    return config.block_ids if config.evaluation.fidelity.enabled else ()


def _cost(config: Config, e: Estimate) -> MeasureCost | None:
    """Forecasts of `fidelity_together`, without Aurora's decoder: a spliced one begins at its block, clean ones are shared."""
    if not _blocks(config):
        return None
    left, n_held_out = e.unmeasured(KIND.name, config.block_ids), e.n_snapshots["held_out"]
    n = min(config.evaluation.fidelity.snapshots or n_held_out, n_held_out)
    clean, spliced = n if left else 0, len(CONDITIONS) * n * len(left)
    each = sum(len(CONDITIONS) * (e.last_flop - cost.forward_flop) + cost.evaluation_flop for cost in left)
    records = there(len(e.blocks) - len(left), "records")
    return MeasureCost(
        "fidelity_together", clean * e.last_flop + n * each,
        # Each block's position means.
        sum(_FLOAT32 * math.prod(cost.shape) * cost.width for cost in left), "; Aurora's decoder not counted",
        forwards=(
            ("fidelity_together", f"{clean + spliced:,} forecasts", f"{clean} clean, {spliced:,} from their block on; {records}"),
            ("or one job a block", f"{clean * len(left) + spliced:,} forecasts", "each job computes the clean ones for itself"),
        ),
    )


FIDELITY = Measure(
    kind=KIND,
    formulas=FIDELITY_FORMULAS,
    blocks=_blocks,
    alike=("fidelity_config_sha256", "checkpoint_sha256", "static_sha256", "snapshots"),
    cost=_cost,
    # Means of the training store alone.
    reads_stores=False,
    is_waiting=waits(KIND, make_claim),
    section=_section,
    # Divergence stands beside fidelity, which is not defined where the ablation hardly moves the forecast.
    panels=(
        Panel("divergence", "Divergence of the 12-hour forecast with the SAE in place (% of the tendency), logarithmic colours",
              cmap="cividis", is_log=True),
        Panel("fidelity_position_mean", "Forecast fidelity against the mean at each position (% of its squared divergence avoided)",
              high=100),
    ),
    columns=(Column("fidelity", "fidelity_mean", ".4f"), Column("map fidelity", "fidelity_position_mean", ".4f")),
)
