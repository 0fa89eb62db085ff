"""What edges of circuits cost beside the forward of a small Aurora.

    python benchmarks/circuits.py [--embed-dim 64] [--grid 91 180] [--expansion 8] [--rounds 3] [--edges 64] [--pair FIRST LATER]

Random weights as in `forward.py`, random SAEs, one thread. For each pair of blocks that circuits join, or the one asked for: CPU time of the forward between the
two alone, of the one with a graph, of one backward pass through it, of one edge by `feature_edges` with all that belongs to it, of as many
edges as asked for (each ends in a feature of its own, and all begin in the same 32), and the same with blocks that are computed again.
Medians of the rounds.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "workflow"), str(ROOT / "benchmarks")]

import numpy as np  # noqa: E402
import torch  # noqa: E402
from aurora import AuroraAirPollution, Batch  # noqa: E402
from aurorascope.backbone.gradients import between  # noqa: E402
from aurorascope.backbone.hooks import run_to_blocks, stopped_after  # noqa: E402
from aurorascope.backbone.replay import Replay  # noqa: E402
from aurorascope.blocks import BY_ID, Block  # noqa: E402
from aurorascope.circuits.clean_block import CleanBlock  # noqa: E402
from aurorascope.circuits.edges import feature_edges  # noqa: E402
from aurorascope.circuits.pairs import DEFAULT_BLOCKS, pairs_of  # noqa: E402
from aurorascope.circuits.site import Site  # noqa: E402
from aurorascope.sae.aurora_sae import AuroraSAE  # noqa: E402
from forward import demo_batch, random_model  # noqa: E402

from tests.architectures import of  # noqa: E402

N_FIRST = 32


def block_of(block: Block, x_nd: torch.Tensor, expansion: int, n_edges: int) -> CleanBlock:
    """A block with random features, and a random gradient: what edges cost does not follow from their values."""
    width = x_nd.shape[1]
    tensors = of("jumprelu", width, expansion)
    tensors["W_dec"] /= tensors["W_dec"].norm(dim=1, keepdim=True)
    sae, ids = AuroraSAE.from_tensors(tensors), tuple((feature, 1) for feature in range(n_edges))
    zeros_nd = torch.zeros_like(x_nd)
    site = Site(block, sae, ids, zeros_nd, zeros_nd, np.zeros((len(x_nd), n_edges), np.float32))
    return CleanBlock.of(site, x_nd, torch.randn(x_nd.shape, generator=torch.Generator().manual_seed(0)))


def outputs_of(model: AuroraAirPollution, batch: Batch) -> dict[str, torch.Tensor]:
    """Outputs of the blocks that circuits have unless they are told otherwise."""
    found: dict[str, torch.Tensor] = {}

    def receive(block: Block, x_nd: torch.Tensor) -> None:
        found[block.id] = x_nd.clone()

    run_to_blocks(model, batch, [BY_ID[name] for name in DEFAULT_BLOCKS], receive)
    return {name: torch.from_numpy(x_nd.numpy().copy()) for name, x_nd in found.items()}


def seconds(run: Callable[[], object]) -> float:
    """CPU seconds of this thread."""
    start = time.thread_time()
    run()
    return time.thread_time() - start


def measure(model: AuroraAirPollution, batch: Batch, first: CleanBlock, later: CleanBlock, n_edges: int) -> dict[str, float]:
    """One round of one pair."""
    replay = Replay(model, batch)
    replay.advance(first.site.block)
    ids, later_ids = first.site.ids[:N_FIRST], later.site.ids

    def plain() -> None:
        with torch.inference_mode(), stopped_after(model, later.site.block), replay.known():
            model(batch)

    def forecast() -> Batch:
        with replay.known():
            return model(batch)

    found, start = {"forward": seconds(plain)}, time.thread_time()
    with between(model, forecast, first.site.block, later.site.block) as stretch:
        found["with a graph"] = time.thread_time() - start
        found["backward"] = seconds(lambda: stretch.pull(later.g_nd))
        found["one edge"] = seconds(lambda: feature_edges(stretch, first, ids, later, later_ids[:1]))
        found[f"{n_edges} edges"] = seconds(lambda: feature_edges(stretch, first, ids, later, later_ids[:n_edges]))
    return found


def main() -> None:
    """Measure all pairs and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--embed-dim", type=int, default=64)
    parser.add_argument("--grid", type=int, nargs=2, default=(91, 180))
    parser.add_argument("--expansion", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--edges", type=int, default=64)
    parser.add_argument("--pair", nargs=2, choices=DEFAULT_BLOCKS, metavar=("FIRST", "LATER"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    model, batch = random_model(given.embed_dim), demo_batch(*given.grid)
    blocks = {name: block_of(BY_ID[name], x_nd, given.expansion, given.edges) for name, x_nd in outputs_of(model, batch).items()}
    with torch.inference_mode():
        whole = statistics.median(seconds(lambda: model(batch)) for _ in range(given.rounds))
    print(f"whole forward: {whole:.2f} s")
    for is_again in (False, True):
        if is_again:
            model.configure_activation_checkpointing()
            print("blocks computed again:")
        for pair in [given.pair] if given.pair else pairs_of(DEFAULT_BLOCKS):
            rounds = [measure(model, batch, *(blocks[name] for name in pair), given.edges) for _ in range(given.rounds)]
            found = {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}
            words = ", ".join(f"{name} {value:.3f} s" for name, value in found.items())
            share = found[f"{given.edges} edges"] / given.edges / found["backward"]
            print(f"{pair[0]} -> {pair[1]}: {words}; {found['backward'] / found['forward']:.1f} forwards a backward, {share:.2f} backwards an edge")


if __name__ == "__main__":
    main()
