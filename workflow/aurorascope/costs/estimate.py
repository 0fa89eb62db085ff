"""The whole run's cost, less what is there already."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from aurorascope.blocks import BLOCKS, BY_ID, Block
from aurorascope.config.calendar import SPLITS, snapshots
from aurorascope.config.model import Config
from aurorascope.config.sae import n_at_once
from aurorascope.costs import flops, stores
from aurorascope.costs.cams import CamsCost, cams_cost
from aurorascope.costs.need import Need, total


@dataclass(frozen=True)
class Done:
    """What an earlier run finished.

    Attributes:
        days: CAMS days, `YYYY-MM-DD`.
        finished: (block id, split) of finished stores.
        begun: what the folders of other stores hold, by (block id, split).
        has_checkpoint: whether Aurora's weights are there.
        saes: block ids with the record of an SAE.
        measured: block ids with the record of a measure, by the record's kind.
    """

    days: frozenset[str] = frozenset()
    finished: frozenset[tuple[str, str]] = frozenset()
    begun: dict[tuple[str, str], Need] = field(default_factory=dict)
    has_checkpoint: bool = False
    saes: frozenset[str] = frozenset()
    measured: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class BlockCost:
    """What one block costs.

    Attributes:
        block: the block.
        shape: (latent levels, rows, columns) of its tokens.
        width: channels, d_model of its SAE.
        latents: d_hidden of its SAE.
        parameters: of its SAE.
        boost_parameters: of its second SAE; 0 where a plain run makes none.
        steps: of its training, over all epochs.
        snapshot_bytes: stored values of one snapshot.
        stores: room of its finished store, by split.
        forward_flop: one forward of Aurora that stops after it.
        training_flop: one snapshot in one epoch, six products of each SAE that a training has (`config.sae.n_at_once`).
        engine_flop: the same with the five that the engine computes.
        encoding_flop: the features of one snapshot, one product.
        evaluation_flop: one held-out snapshot, two products each of the SAE and of random directions.
        moments_flop: one snapshot's second moments, for principal components.
    """

    block: Block
    shape: tuple[int, int, int]
    width: int
    latents: int
    parameters: int
    boost_parameters: int
    steps: int
    snapshot_bytes: int
    stores: dict[str, Need]
    forward_flop: int
    training_flop: int
    engine_flop: int
    encoding_flop: int
    evaluation_flop: int
    moments_flop: int


@dataclass(frozen=True)
class Estimate:
    """What the configured run costs.

    Attributes:
        grid: rows and columns of the states.
        n_snapshots: snapshots of each split.
        days: all CAMS days.
        days_left: those not there yet.
        blocks: the configured blocks, in forward order.
        epochs: passes over the training snapshots.
        n_at_once: SAEs that a training of one has.
        done: what is there already.
        aurora_parameters: parameters of the base model.
        last_flop: one forward to the last of all 48 blocks.
    """

    grid: tuple[int, int]
    n_snapshots: dict[str, int]
    days: CamsCost
    days_left: CamsCost
    blocks: tuple[BlockCost, ...]
    epochs: int
    n_at_once: int
    done: Done
    is_live: bool
    aurora_parameters: int
    last_flop: int

    def store_needs(self, *, left: bool = False) -> dict[tuple[str, str], Need]:
        """Room of each store by (block id, split); with `left`, what must still be written of the unfinished ones."""
        needs = {(cost.block.id, split): cost.stores[split] for cost in self.blocks for split in SPLITS}
        if not left:
            return needs
        return {
            key: need.beyond(self.done.begun.get(key, Need()))
            for key, need in needs.items()
            if key not in self.done.finished
        }

    def fill_flop(self) -> int:
        """Forwards of `fill_activations` over the splits with unfinished stores: one a snapshot."""
        deepest = {
            split: max(
                (c.forward_flop for c in self.blocks if (c.block.id, split) not in self.done.finished), default=0
            )
            for split in SPLITS
        }
        return sum(flop * self.n_snapshots[split] for split, flop in deepest.items())

    def dumps_flop(self) -> int:
        """Forwards of the unfinished dump jobs, one job a block and split."""
        return sum(
            cost.forward_flop * self.n_snapshots[split]
            for cost in self.blocks
            for split in SPLITS
            if (cost.block.id, split) not in self.done.finished
        )

    def forwards_of_dumps(self) -> float:
        """Forwards a snapshot of all dump jobs together, in forwards to the deepest configured block."""
        return sum(cost.forward_flop for cost in self.blocks) / max(cost.forward_flop for cost in self.blocks)

    def untrained(self) -> list[BlockCost]:
        """Blocks whose SAE is not there."""
        return [cost for cost in self.blocks if cost.block.id not in self.done.saes]

    def unmeasured(self, kind: str, chosen: Collection[str]) -> list[BlockCost]:
        """Those of the chosen blocks that have no record of a kind."""
        there = self.done.measured.get(kind, frozenset())
        return [cost for cost in self.blocks if cost.block.id in chosen and cost.block.id not in there]

    def checkpoint_need(self) -> Need:
        """Aurora's weights, float32, and their record."""
        return Need(4 * self.aurora_parameters, 3)

    def scratch_left(self) -> Need:
        """Room that `results/scratch` still needs."""
        checkpoint = Need() if self.done.has_checkpoint else self.checkpoint_need()
        return total([self.days_left.zips, self.days_left.states, checkpoint, *self.store_needs(left=True).values()])

    def weights_left(self) -> Need:
        """Room that `results` still needs: each SAE's weights, float32, twice (`.pt` and SAELens), a second one's once, and small files."""
        boosts = [cost for cost in self.unmeasured("boost_evaluation", [each.block.id for each in self.blocks]) if cost.boost_parameters]
        firsts = [Need(2 * 4 * cost.parameters, 12) for cost in self.untrained()]
        return total([*firsts, *(Need(4 * cost.boost_parameters, 8) for cost in boosts)])


def block_cost(config: Config, block: Block, grid: tuple[int, int], forward_flop: int) -> BlockCost:
    """What one block of the configured run costs."""
    tokens, width, dtype = stores.n_tokens(block, grid), block.width(config.aurora.embed_dim), config.activations.dtype
    latents, n_train, boost = width * config.sae.expansion, len(snapshots(config.cams, "train")), config.sae.boost
    n = n_at_once(config.sae)
    products = (n * flops.PRODUCTS, n * flops.PRODUCTS_OF_ENGINE, flops.PRODUCTS_OF_ENCODING, flops.PRODUCTS_OF_EVALUATION)
    training, engine, encoding, evaluation = (flops.sae_flop(tokens, width, latents, n) for n in products)
    return BlockCost(
        block=block,
        shape=stores.token_shape(block, grid),
        width=width,
        latents=latents,
        parameters=flops.sae_parameters(width, latents),
        boost_parameters=flops.sae_parameters(width, width * (boost.expansion or config.sae.expansion)) if boost.enabled else 0,
        # As in training/trainer.py.
        steps=config.sae.epochs * math.ceil(n_train * tokens / min(config.sae.batch_rows or tokens, tokens)),
        snapshot_bytes=stores.activation_bytes(tokens, width, dtype),
        stores={
            split: stores.store_need(
                tokens, width, dtype, len(snapshots(config.cams, split)), split,
                has_chunks=config.activations.mode == "dump",
            )
            for split in SPLITS
        },
        forward_flop=forward_flop,
        training_flop=training,
        engine_flop=engine,
        encoding_flop=encoding,
        evaluation_flop=evaluation,
        moments_flop=flops.sae_flop(tokens, width, width, 1),
    )


def estimate(config: Config, grid: tuple[int, int], done: Done | None = None) -> Estimate:
    """What the configured run costs on states of a grid of (rows, columns), less what is done already."""
    done = done or Done()
    forward = flops.forward_flops(grid, len(config.cams.levels), config.aurora.embed_dim)
    return Estimate(
        grid=grid,
        n_snapshots={split: len(snapshots(config.cams, split)) for split in SPLITS},
        days=cams_cost(config.cams, grid),
        days_left=cams_cost(config.cams, grid, done.days),
        blocks=tuple(block_cost(config, BY_ID[name], grid, forward[name]) for name in config.block_ids),
        epochs=config.sae.epochs,
        n_at_once=n_at_once(config.sae),
        done=done,
        is_live=config.activations.mode == "live",
        aurora_parameters=flops.aurora_parameters(config.aurora.embed_dim),
        last_flop=forward[BLOCKS[-1].id],
    )
