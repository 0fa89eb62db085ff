"""Held-out quality of four blocks' SAEs by initial weights, on the stores of a finished demo.

    python benchmarks/initial_weights.py [results]

tied: W_enc = W_dec^T. uniform: W_enc uniform in +-1/sqrt(d), W_dec rows random. ours: W_enc = (2 d / h) W_dec^T.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

import numpy as np  # noqa: E402
import torch  # noqa: E402
from aurorascope.activations.feed import StoreReader, open_feed  # noqa: E402
from aurorascope.blocks import BY_ID  # noqa: E402
from aurorascope.config.model import Sae  # noqa: E402
from aurorascope.config.recipes import RECIPES  # noqa: E402
from aurorascope.config.sae import Boost  # noqa: E402
from aurorascope.sae.aurora_sae import AuroraSAE  # noqa: E402
from aurorascope.sae.initial import initial_weights  # noqa: E402
from aurorascope.sae.objective import Parameters  # noqa: E402
from aurorascope.training import trainer  # noqa: E402
from aurorascope.training.engine import Saver, conclude, prepare, run  # noqa: E402

_CPU = torch.device("cpu")


def _uniform(*key: int) -> Parameters:
    weights, d = initial_weights(*key), key[0]
    rng = np.random.default_rng(key[3])
    values = rng.uniform(-1, 1, weights["W_enc"].shape).astype(np.float32) / d**0.5
    return {**weights, "W_enc": torch.from_numpy(values)}


def main() -> None:
    """Print the table."""
    stores = Path(sys.argv[1] if len(sys.argv) > 1 else "results") / "scratch" / "activations"
    config = Sae(
        recipe="card", **RECIPES["card"], expansion=8, p_end=1.0, epochs=63, dead_snapshots=30, orthogonality=0.0, mutual_weight=0.0,
        precision="float32", seed=0, group="block", checkpoint_minutes=10.0, boost=Boost(False, None, None, None, None, None),
    )
    choices = {"tied": lambda *key: initial_weights(*key, "tied"), "uniform": _uniform, "ours": initial_weights}
    torch.set_num_threads(1)
    print("| block | initial weights | FVE | anomaly FVE | L0 | dead |\n|---|---|---|---|---|---|")
    for block_id in ("encoder_s0_b3", "encoder_s1_b5", "encoder_s2_b4", "decoder_s1_b5"):
        reader = StoreReader(stores / block_id / "train" / "manifest.json")
        held_out = open_feed(StoreReader(stores / block_id / "held_out" / "manifest.json"), _CPU)
        x = torch.cat(list(held_out.snapshots(np.arange(held_out.n_snapshots))))
        position = torch.from_numpy(reader.position_mean()).repeat(held_out.n_snapshots, 1)
        for name, choice in choices.items():
            # The trainer says of which kind and of which covariance besides; here the choice says it.
            trainer.initial_weights = lambda *key, make=choice: make(*key[:4])
            training = prepare(reader, BY_ID[block_id], config, _CPU)
            run(training, open_feed(reader, _CPU), Saver(None, 0))
            result = conclude(training)
            with torch.inference_mode():
                x_hat, h = AuroraSAE.from_tensors(result.weights)(x)
            sse = (x - x_hat).square().sum()
            fve, anomaly = (1 - float(sse / (x - base).square().sum()) for base in (x.mean(0), position))
            on = h > 0
            print(f"| {block_id} | {name} | {fve:.4f} | {anomaly:.3f} | {on.sum(1).float().mean():.0f} "
                  f"| {float((on.sum(0) == 0).float().mean()):.3f} |")


if __name__ == "__main__":
    main()
