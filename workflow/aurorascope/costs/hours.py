"""Hours of each stage from the rates that the configuration states.

A stage takes the longer of its operations and its disk traffic, as if the two overlapped; nothing else is counted: no
queue of the data store beyond `plan.download_mb_s`, no compression, no start of jobs, no second job at the same time.
"""

import math
from dataclasses import dataclass

from aurorascope.config.model import Plan
from aurorascope.costs.estimate import BlockCost, Estimate

_HOUR = 3600
_FLOAT32 = 4


@dataclass(frozen=True)
class Stage:
    """Hours of one stage.

    Attributes:
        compute: of its operations at `plan.tflops`.
        disk: of what it reads and writes at `plan.disk_mb_s`.
    """

    compute: float
    disk: float

    @property
    def hours(self) -> float:
        """The longer of the two."""
        return max(self.compute, self.disk)


@dataclass(frozen=True)
class Hours:
    """Hours of what is still to do.

    Attributes:
        download: from the data store.
        states: zips read, states written; disk alone.
        fill: `fill_activations`: one forward a snapshot, each store written and read back once.
        dumps: the same stores by one dump job a block and split.
        train: every SAE; each epoch reads the block's store (live: runs Aurora up to the block again).
        train_resident: the same where a store's values fit in memory and are read (live: computed) once.
        evaluate: every SAE; reads both stores once.
        fidelity: `fidelity_together`; reads each block's position means.
        stability: other seeds of some blocks; reads each one's store once for all (live: runs Aurora as often).
    """

    download: float
    states: Stage
    fill: Stage
    dumps: Stage
    train: Stage
    train_resident: Stage
    evaluate: Stage
    fidelity: Stage
    stability: Stage


def _train_bytes(estimate: Estimate, cost: BlockCost) -> int:
    return cost.snapshot_bytes * estimate.n_snapshots["train"]


def hours(estimate: Estimate, rates: Plan) -> Hours:
    """Hours of what an estimate leaves to do.

    Args:
        estimate: the estimate.
        rates: megabytes (1e6) a second and 1e12 operations a second.
    """
    per_hour = {"disk": rates.disk_mb_s * 1e6 * _HOUR, "compute": rates.tflops * 1e12 * _HOUR}
    left, n = estimate.days_left, estimate.n_snapshots

    def stage(flop: float, moved: float) -> Stage:
        return Stage(flop / per_hour["compute"], moved / per_hour["disk"])

    # What is written is read back once, when the store is finished.
    stores = 2 * sum(need.content for need in estimate.store_needs(left=True).values())
    untrained, unevaluated = estimate.untrained(), estimate.unevaluated()
    training = sum(cost.engine_flop for cost in untrained) * n["train"] * estimate.epochs
    evaluation = estimate.evaluation_flop(unevaluated)
    if estimate.is_live:
        # Nothing is read: each block's snapshots come from forwards of its own.
        again = sum(cost.forward_flop for cost in untrained) * n["train"]
        evaluation += sum(cost.forward_flop for cost in unevaluated) * (n["held_out"] + n["train"])
        trains = (stage(training + again * estimate.epochs, 0), stage(training + again, 0))
    else:
        once = sum(_train_bytes(estimate, cost) for cost in untrained)
        trains = (stage(training, once * estimate.epochs), stage(training, once))
    repeated = estimate.unrepeated()
    again = sum(cost.forward_flop for cost in repeated) * n["train"] if estimate.is_live else 0
    once = 0 if estimate.is_live else sum(_train_bytes(estimate, cost) for cost in repeated)
    read = 0 if estimate.is_live else sum(cost.snapshot_bytes for cost in unevaluated) * (n["held_out"] + n["train"])
    return Hours(
        download=left.download / (rates.download_mb_s * 1e6 * _HOUR),
        states=stage(0, left.states.content + (left.download or left.zips.content)),
        fill=stage(estimate.fill_flop(), stores),
        dumps=stage(estimate.dumps_flop(), stores),
        train=trains[0],
        train_resident=trains[1],
        evaluate=stage(evaluation, read),
        fidelity=stage(estimate.fidelity_flop(), sum(_FLOAT32 * math.prod(c.shape) * c.width for c in estimate.unmeasured())),
        stability=stage(estimate.stability_flop() + again, once),
    )
