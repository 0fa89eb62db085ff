"""What edits cost beside the forward of a small Aurora.

    python benchmarks/interventions.py [--embed-dim 64] [--grid 91 180] [--expansion 8] [--rounds 5] [--shares 0.01 0.1 1]

Random weights as in `forward.py`, random SAEs, the eight features that are strongest in the region halved. For a block of each stage,
each released form and each share of the block's tokens (a disk on all levels): CPU time of the one thread in the block's hook, what is
logged included, over that of a forward without hooks; and a whole forward with the edit, finding the region included, over the one
before it, which is as noisy as the machine.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "workflow"), str(ROOT / "benchmarks")]

import numpy as np  # noqa: E402
import torch  # noqa: E402
from aurora import AuroraAirPollution, Batch  # noqa: E402
from aurorascope.backbone.hooks import run_to_blocks  # noqa: E402
from aurorascope.blocks import BY_ID, Block  # noqa: E402
from aurorascope.interventions import Disk, Everywhere, Region, Scale, intervene  # noqa: E402
from aurorascope.interventions import context as timed  # noqa: E402
from aurorascope.interventions.places import Place  # noqa: E402
from aurorascope.sae.architectures import RELEASED  # noqa: E402
from aurorascope.sae.aurora_sae import AuroraSAE  # noqa: E402
from forward import demo_batch, random_model  # noqa: E402

from tests.architectures import of  # noqa: E402

SITES = ("encoder_s0_b3", "encoder_s1_b5", "encoder_s2_b3", "decoder_s0_b7", "decoder_s1_b5", "decoder_s2_b5")
N_FEATURES = 8


def disk_of(block: Block, batch: Batch, share: float) -> tuple[Region, int]:
    """The least disk with that share of a block's tokens, and their number."""
    place, km = Place.of_batch(block, batch), 50.0
    wanted = max(1, round(share * place.grid.n_tokens))
    while share < 1 and Disk(20, 100, km=km).holds(place).sum() < wanted:
        km *= 1.02
    region = Disk(20, 100, km=km) if share < 1 else Everywhere()
    return region, int(region.holds(place).sum())


def sae_of(form: str, width: int, expansion: int) -> AuroraSAE:
    """A random SAE, whose features are small beside a token's norm."""
    tensors = of(form, width, expansion, k=32)
    if form == "matching_pursuit":
        return AuroraSAE.from_tensors(tensors)
    for name in {"W_enc", "b_enc", "threshold"} & tensors.keys():
        tensors[name] *= 0.01
    tensors["W_dec"] /= tensors["W_dec"].norm(dim=1, keepdim=True)
    return AuroraSAE.from_tensors(tensors)


def strongest(model: AuroraAirPollution, batch: Batch, block: Block, sae: AuroraSAE, region: Region) -> list[int]:
    """The features that are largest in a region, by the sum of their magnitudes."""
    found = []
    run_to_blocks(model, batch, [block], lambda _, x_nd: found.append(x_nd.clone()))
    held = torch.from_numpy(region.holds(Place.of_batch(block, batch)))
    with torch.inference_mode():
        return sae.encode(found[0][held]).abs().sum(0).topk(N_FEATURES).indices.tolist()


def forward(model: AuroraAirPollution, batch: Batch) -> float:
    """CPU seconds of one forward."""
    start = time.thread_time()
    with torch.inference_mode():
        model(batch)
    return time.thread_time() - start


class Clock:
    """CPU seconds of edits: what the hooks call, timed from outside."""

    def __init__(self) -> None:
        self.seconds, self._apply = 0.0, timed.apply_edits

    def __call__(self, *args: object) -> torch.Tensor:
        """One block's edits."""
        start = time.thread_time()
        try:
            return self._apply(*args)
        finally:
            self.seconds += time.thread_time() - start


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--embed-dim", type=int, default=64)
    parser.add_argument("--grid", nargs=2, type=int, default=(91, 180), metavar=("ROWS", "COLUMNS"))
    parser.add_argument("--expansion", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--shares", nargs="+", type=float, default=(0.01, 1.0))
    parser.add_argument("--sites", nargs="+", default=SITES)
    options = parser.parse_args()
    torch.set_num_threads(1)
    model, batch = random_model(options.embed_dim), demo_batch(*options.grid)
    plain = [forward(model, batch) for _ in range(options.rounds + 1)][1:]
    median = statistics.median(plain)
    print(f"A forward without hooks: {median:.2f} s of CPU ({min(plain):.2f} to {max(plain):.2f}).\n")
    print("| block | form | tokens | touched | edit, ms | % of a forward | forward with edit / without |\n|---|---|---|---|---|---|---|")
    clock = timed.apply_edits = Clock()
    worst: dict[float, float] = {}
    for name in options.sites:
        for form in RELEASED:
            sae = sae_of(form, BY_ID[name].width(options.embed_dim), options.expansion)
            for share in options.shares:
                region, n = disk_of(BY_ID[name], batch, share)
                features = strongest(model, batch, BY_ID[name], sae, region)
                seconds, ratios = [], []
                for _ in range(options.rounds):
                    before, clock.seconds = forward(model, batch), 0.0
                    with intervene(model, {name: sae}, Scale(features, 0.5), where=region) as log:
                        ratios.append(forward(model, batch) / before)
                    seconds.append(clock.seconds)
                cost = statistics.median(seconds)
                worst[share] = max(worst.get(share, 0), cost / median)
                print(f"| {name} | {form} | {n} | {log.rows[0].touched} | {1000 * cost:.1f} | {100 * cost / median:.2f} "
                      f"| {np.median(ratios):.3f} |", flush=True)
    print("\n" + "; ".join(f"{100 * share:g} % of the tokens: {100 * most:.2f} % of a forward at most" for share, most in worst.items()) + ".")


if __name__ == "__main__":
    main()
