"""The SAE that a stage's blocks share against their own, by the demo's settings, on the activations that a demo left.

    python benchmarks/stage_saes.py [results] [--stages ID ...] [--blocks N]

Of each stage: the shared SAE; and of N of its blocks, evenly spread, the SAE of the block alone, and the same with as many steps as the shared one.
FVE on the held-out tokens of each of these blocks, and CPU milliseconds of a step, from trainings one after the other in one process.
"""

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

import numpy as np  # noqa: E402
import torch  # noqa: E402
import yaml  # noqa: E402
from aurorascope.activations.feed import open_feed  # noqa: E402
from aurorascope.activations.reader import StoreReader  # noqa: E402
from aurorascope.blocks import STAGE_BY_ID, STAGE_IDS, Block, Stage  # noqa: E402
from aurorascope.config.model import Sae, from_mapping  # noqa: E402
from aurorascope.config.resolve import resolve  # noqa: E402
from aurorascope.sae.aurora_sae import AuroraSAE  # noqa: E402
from aurorascope.stage_saes.export import weights_of  # noqa: E402
from aurorascope.stage_saes.reader import StageReader  # noqa: E402
from aurorascope.training.engine import Saver, conclude, prepare, run  # noqa: E402

CPU = torch.device("cpu")


def train(reader: StoreReader | StageReader, place: Block | Stage, config: Sae) -> tuple[dict[str, torch.Tensor], float]:
    """Weights, and CPU seconds of a step."""
    trainer, feed = prepare(reader, place, config, CPU), open_feed(reader, CPU, config.shuffle == "rows")
    start = time.process_time()
    run(trainer, feed, Saver(None, 0))
    seconds = (time.process_time() - start) / trainer.n_steps
    return conclude(trainer).weights, seconds


def explained(sae: AuroraSAE, x_nd: torch.Tensor) -> float:
    """FVE about the tokens' own mean."""
    with torch.inference_mode():
        error = (x_nd - sae(x_nd)[0]).double().square().sum()
    return 1 - float(error / (x_nd.double() - x_nd.double().mean(0)).square().sum())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("results", type=Path, nargs="?", default=ROOT / "results")
    parser.add_argument("--stages", nargs="+", choices=STAGE_IDS, default=STAGE_IDS)
    parser.add_argument("--blocks", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(1)
    config = from_mapping(resolve(yaml.safe_load((ROOT / "config.yaml").read_text()))[0]).sae
    print("| block | own | own, as many steps | shared | own: ms of a step | shared: ms of a step | ratio |\n|---|---|---|---|---|---|---|")
    for stage in (STAGE_BY_ID[name] for name in args.stages):
        readers = {block: StoreReader(args.results / f"scratch/activations/{block.id}/train/manifest.json") for block in stage.blocks}
        reader = StageReader(list(readers.values()), config.normalise)
        shared, of_shared = train(reader, stage, config)
        weights = weights_of(shared, reader)
        for at in np.unique(np.linspace(0, len(stage.blocks) - 1, args.blocks).round().astype(int)).tolist():
            block = stage.blocks[at]
            x_nd = torch.from_numpy(StoreReader(args.results / f"scratch/activations/{block.id}/held_out/manifest.json").read()).flatten(0, 1)
            own, of_own = train(readers[block], block, config)
            longer, _ = train(readers[block], block, replace(config, epochs=config.epochs * len(stage.blocks)))
            found = [explained(AuroraSAE.from_tensors(own), x_nd), explained(AuroraSAE.from_tensors(longer), x_nd)]
            found.append(explained(AuroraSAE.from_tensors(weights, block=at), x_nd))
            times = f"{1e3 * of_own:.2f} | {1e3 * of_shared:.2f} | {of_shared / of_own:.2f}"
            print(f"| {block.id} | {' | '.join(f'{value:.4f}' for value in found)} | {times} |", flush=True)


if __name__ == "__main__":
    main()
