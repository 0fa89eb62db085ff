"""A second SAE of what the first leaves out against single SAEs of as many features, and what a label's weight buys and costs.

    python benchmarks/boosting.py results --blocks encoder_s1_b3 decoder_s1_b3 --label dust

`results` is that of a finished demo, with labels. For each block, on held-out tokens: the first SAE with k features on; with a boost of as
many more, with and without a weight for the label's tokens; and single SAEs with 2 k features on, of as many latents as the first, of
twice as many (as first and boost have together), with twice the epochs beside (as many steps), and with the label's weight.
"""

import argparse
import dataclasses
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

import torch  # noqa: E402
import yaml  # noqa: E402
from aurorascope.activations.feed import open_feed  # noqa: E402
from aurorascope.activations.reader import StoreReader  # noqa: E402
from aurorascope.blocks import BY_ID  # noqa: E402
from aurorascope.boosting.boosted import Boosted  # noqa: E402
from aurorascope.boosting.labels import TokenMasks  # noqa: E402
from aurorascope.boosting.reader import ResidualReader  # noqa: E402
from aurorascope.config.model import Sae, from_mapping  # noqa: E402
from aurorascope.config.resolve import resolve  # noqa: E402
from aurorascope.measures.boost.measure import sum_boosted  # noqa: E402
from aurorascope.measures.boost.sums import (  # noqa: E402
    ALL,
    BOTH,
    FIRST,
    LABEL,
    ORDINARY,
    BoostSums,
)
from aurorascope.sae.aurora_sae import AuroraSAE  # noqa: E402
from aurorascope.training.engine import (  # noqa: E402
    Saver,
    conclude,
    prepare,
    run,
)
from aurorascope.training.weights import Labelled  # noqa: E402

CPU = torch.device("cpu")


class Block:
    """One block's stores and the label on their tokens."""

    def __init__(self, results: Path, block_id: str, label: str) -> None:
        self.block = BY_ID[block_id]
        stores = results / "scratch" / "activations" / block_id
        self.train, self.held_out = (StoreReader(stores / split / "manifest.json") for split in ("train", "held_out"))
        self.feed = open_feed(self.held_out, CPU)
        self.masks = {}
        for split, reader in (("train", self.train), ("held_out", self.held_out)):
            times = [snapshot["time"] for snapshot in reader.manifest["snapshots"]]
            self.masks[split] = TokenMasks(results, self.block, label, split, times)

    def trained(self, config: Sae, first: AuroraSAE | None = None, weight: float = 1.0) -> tuple[AuroraSAE, float]:
        """An SAE of the tokens, or of what a first one leaves out of them, and seconds."""
        start = time.perf_counter()
        reader = self.train if first is None else ResidualReader(self.train, first, "0" * 64)
        labelled = None if weight == 1 else Labelled(self.masks["train"].mask_sp, weight)
        trainer = prepare(reader, self.block, config, CPU, labelled=labelled)
        run(trainer, open_feed(reader, CPU), Saver(None, 0))
        return AuroraSAE.from_tensors(conclude(trainer).weights), time.perf_counter() - start

    def row(self, name: str, first: AuroraSAE, second: AuroraSAE | None, seconds: float) -> str:
        """A line of the table."""
        of = BOTH
        if second is None:
            # Not counted: the numbers are the first's.
            second, of = first, FIRST
        mask_sp = self.masks["held_out"].mask_sp
        sums = BoostSums(self.held_out.moments()["mean"], self.train.position_mean(), (first.d_hidden, second.d_hidden), True)
        sum_boosted(Boosted(first, second), self.feed, sums, mask_sp)
        values = sums.table().set_index(["metric", "tokens", "of"])["value"]
        n_latents = first.d_hidden + (second.d_hidden if of == BOTH else 0)
        forms = {"fve": ".4f", "fve_anom": ".3f", "l0": ".1f", "frac_dead": ".3f"}
        cells = [f"{values[(metric, ALL, of)]:{form}}" for metric, form in forms.items()]
        cells += [f"{values[('fve', part, of)]:.4f}" for part in (LABEL, ORDINARY)]
        return f"| {self.block.id} | {name} | {n_latents} | {' | '.join(cells)} | {seconds:.1f} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("results", type=Path, nargs="?", default=ROOT / "results")
    parser.add_argument("--blocks", nargs="*", default=["encoder_s1_b3", "decoder_s1_b3"])
    parser.add_argument("--label", default="dust")
    parser.add_argument("--weights", type=float, nargs="*", default=[8.0])
    parser.add_argument("--architecture", default=None, help="of all; default: config.yaml's")
    options = parser.parse_args()
    torch.set_num_threads(1)
    raw = yaml.safe_load((ROOT / "config.yaml").read_text())
    raw["sae"]["architecture"] = options.architecture
    config = from_mapping(resolve(raw)[0]).sae
    k = config.target_l0
    print("| block | SAE | latents | FVE | anomaly FVE | L0 | dead | FVE under the label | FVE of the others | s |\n" + "|---" * 10 + "|")
    for block_id in options.blocks:
        here = Block(options.results, block_id, options.label)
        shares = [float(here.masks[split].mask_sp.mean()) for split in ("train", "held_out")]
        print(f"{block_id}: {options.label} over {shares[0]:.2%} of training and {shares[1]:.2%} of held-out tokens", file=sys.stderr)
        first, seconds = here.trained(config)
        print(here.row(f"first, {k:g} on", first, None, seconds), flush=True)
        for weight in (1.0, *options.weights):
            second, more = here.trained(config, first, weight)
            name = f"first + boost, {k:g} + {k:g} on" + (f", label x {weight:g}" if weight != 1 else "")
            print(here.row(name, first, second, seconds + more), flush=True)
        single = dataclasses.replace(config, target_l0=2 * k)
        others = {"": {}, ", twice the latents": {"expansion": 2 * config.expansion}}
        others[", twice the latents and epochs"] = {"expansion": 2 * config.expansion, "epochs": 2 * config.epochs}
        for name, changes in others.items():
            sae, took = here.trained(dataclasses.replace(single, **changes))
            print(here.row(f"one, {2 * k:g} on{name}", sae, None, took), flush=True)
        for weight in options.weights:
            sae, took = here.trained(single, weight=weight)
            print(here.row(f"one, {2 * k:g} on, label x {weight:g}", sae, None, took), flush=True)


if __name__ == "__main__":
    main()
