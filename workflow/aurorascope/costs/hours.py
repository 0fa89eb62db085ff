"""Hours of each stage from the rates that the configuration states.

A stage takes the longer of its operations and its disk traffic, as if the two overlapped; nothing else is counted: no
queue of the data store beyond `plan.download_mb_s`, no compression, no start of jobs, no second job at the same time.
"""

from dataclasses import dataclass

from aurorascope.config.model import Plan
from aurorascope.costs.estimate import Estimate

_HOUR = 3600


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
    """

    download: float
    states: Stage
    fill: Stage
    dumps: Stage
    train: Stage
    train_resident: Stage


def stage(flop: float, moved: float, rates: Plan) -> Stage:
    """Hours of so many operations and bytes at the rates that a configuration states."""
    return Stage(flop / (rates.tflops * 1e12 * _HOUR), moved / (rates.disk_mb_s * 1e6 * _HOUR))


def hours(estimate: Estimate, rates: Plan) -> Hours:
    """Hours of what an estimate leaves to do, at rates in megabytes (1e6) and 1e12 operations a second."""
    left, n_train = estimate.days_left, estimate.n_snapshots["train"]
    # What is written is read back once, when the store is finished.
    stores = 2 * sum(need.content for need in estimate.store_needs(left=True).values())
    untrained = estimate.untrained()
    training = sum(cost.engine_flop for cost in untrained) * n_train * estimate.epochs
    if estimate.is_live:
        # Nothing is read: each block's snapshots come from forwards of its own.
        again = sum(cost.forward_flop for cost in untrained) * n_train
        trains = (training + again * estimate.epochs, 0), (training + again, 0)
    else:
        once = sum(cost.snapshot_bytes for cost in untrained) * n_train
        trains = (training, once * estimate.epochs), (training, once)
    return Hours(
        download=left.download / (rates.download_mb_s * 1e6 * _HOUR),
        states=stage(0, left.states.content + (left.download or left.zips.content), rates),
        fill=stage(estimate.fill_flop(), stores, rates),
        dumps=stage(estimate.dumps_flop(), stores, rates),
        train=stage(*trains[0], rates),
        train_resident=stage(*trains[1], rates),
    )
