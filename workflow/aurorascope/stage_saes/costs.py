"""What the SAEs of stages add to the plan."""

from pathlib import Path

from aurorascope.blocks import Stage
from aurorascope.config.made import is_current
from aurorascope.config.model import Config
from aurorascope.costs import flops
from aurorascope.costs.estimate import BlockCost, Estimate
from aurorascope.costs.need import Need, total
from aurorascope.costs.rows import MeasureCost, there
from aurorascope.records import Kind
from aurorascope.stage_saes.claim import EVALUATION, SAE, configured_stages
from aurorascope.units import flop

# Weights, golden vectors, log and its provenance, two records, a table.
_FILES = 7


def stages_cost(config: Config, e: Estimate, results: Path | None) -> MeasureCost | None:
    """Operations and bytes of the SAEs of stages that are not there yet, and of their evaluations; None with `sae.group: block`.

    Args:
        config: the configuration.
        e: the estimate of its run.
        results: the results folder; None where nothing in it counts.
    """
    stages = configured_stages(config)
    if not stages:
        return None
    untrained, unmeasured = (_left(config, stages, results, kind) for kind in (SAE, EVALUATION))
    n_train, n_held_out = e.n_snapshots["train"] * e.epochs, e.n_snapshots["held_out"]
    operations = moved = 0
    for left, n, name in ((untrained, n_train, "engine_flop"), (unmeasured, n_held_out, "evaluation_flop")):
        for stage in left:
            costs = _costs(e, stage)
            operations += n * sum(getattr(cost, name) for cost in costs)
            if e.is_live:
                # One forward serves all blocks of a stage.
                operations += n * max(cost.forward_flop for cost in costs)
            else:
                moved += n * sum(cost.snapshot_bytes for cost in costs)
    every = e.epochs * e.n_snapshots["train"] * sum(cost.engine_flop for stage in stages for cost in _costs(e, stage))
    basis = f"derived; five products, all blocks and epochs once more; {there(len(stages) - len(untrained), 'SAEs of stages')}"
    row = ("SAEs of stages", flop(every), basis)
    return MeasureCost("SAEs of stages", operations, moved, training=(row,))


def stages_need(config: Config, e: Estimate, results: Path | None) -> Need:
    """Room of the weights that are not there yet."""
    return total([_room(e, stage) for stage in _left(config, configured_stages(config), results, SAE)])


def _room(e: Estimate, stage: Stage) -> Need:
    cost = _costs(e, stage)[0]
    of_blocks = (len(stage.blocks) - 1) * (cost.latents + cost.width)
    return Need(4 * (flops.sae_parameters(cost.width, cost.latents) + of_blocks), _FILES)


def _costs(e: Estimate, stage: Stage) -> list[BlockCost]:
    return [cost for cost in e.blocks if cost.block in stage.blocks]


def _left(config: Config, stages: tuple[Stage, ...], results: Path | None, kind: Kind) -> list[Stage]:
    return [stage for stage in stages if results is None or not is_current(config, kind, kind.where(results, stage=stage.id))]
