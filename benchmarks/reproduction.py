"""Train one SAE here and compare it with one trained before, perhaps with other CPU instructions or threads.

    python benchmarks/reproduction.py MANIFEST WEIGHTS [--recipe card] [--epochs 250] [--threads 1]

The first call writes WEIGHTS; later ones print how far theirs are from it.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))

import torch
from aurorascope.activations.feed import open_feed
from aurorascope.activations.reader import StoreReader
from aurorascope.backbone.device import make_repeatable
from aurorascope.blocks import BY_ID
from aurorascope.config import from_mapping
from aurorascope.config.model import Compute
from aurorascope.config.resolve import resolve
from aurorascope.provenance import device_name
from aurorascope.reproduction.compare import compare_weights, explained
from aurorascope.training import engine
from aurorascope.training.export import write_weights

_DATES = {"train": {"dates": ["2022-06-01"]}, "held_out": {"dates": ["2022-07-01"]}}


def main() -> None:
    """Train, then write or compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--recipe", default="card")
    parser.add_argument("--epochs", type=int, default=250)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    make_repeatable(Compute(args.threads, False))
    reader, cpu = StoreReader(args.manifest), torch.device("cpu")
    sae = from_mapping(resolve({"cams": _DATES, "sae": {"recipe": args.recipe, "epochs": args.epochs}})[0]).sae
    trainer = engine.prepare(reader, BY_ID[reader.manifest["block"]], sae, cpu)
    engine.run(trainer, open_feed(reader, cpu, sae.shuffle == "rows"), engine.Saver(None, 0))
    mine = engine.conclude(trainer).weights
    if not args.weights.is_file():
        write_weights(args.weights, mine)
        return
    theirs, x_nd = torch.load(args.weights, weights_only=True), torch.from_numpy(reader.read([0])[0])
    fve = [explained(tensors, x_nd) for tensors in (theirs, mine)]
    print(f"{device_name(cpu)}, {args.threads} threads, {args.recipe}")
    for one in compare_weights(theirs, mine):
        print(f"  {'identical' if one.is_identical else one.words()}")
    print(f"  unexplained {1 - fve[0]:.4g} and {1 - fve[1]:.4g}, relatively {abs(fve[1] - fve[0]) / (1 - fve[0]):.2g} apart")


if __name__ == "__main__":
    main()
