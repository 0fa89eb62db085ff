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
from aurorascope.sae.aurora_sae import AuroraSAE  # noqa: E402
from aurorascope.sae.relu import Weights, initial_weights  # noqa: E402
from aurorascope.training import engine  # noqa: E402

_CPU = torch.device("cpu")


def _tied(*key: int, device: torch.device) -> Weights:
    weights = initial_weights(*key, device)
    weights.W_enc = weights.W_dec.T.contiguous()
    return weights


def _uniform(*key: int, device: torch.device) -> Weights:
    weights, d = initial_weights(*key, device), key[0]
    rng = np.random.default_rng(key[3])
    weights.W_enc = torch.from_numpy(rng.uniform(-1, 1, weights.W_enc.shape).astype(np.float32) / d**0.5)
    return weights


def main() -> None:
    """Print the table."""
    stores = Path(sys.argv[1] if len(sys.argv) > 1 else "results") / "scratch" / "activations"
    config = Sae("card", None, 8, 3e-4, 4e-4, 63, "snapshots", 0)
    choices = {"tied": _tied, "uniform": _uniform, "ours": lambda *key, device: initial_weights(*key, device)}
    torch.set_num_threads(1)
    print("| block | initial weights | FVE | anomaly FVE | L0 | dead |\n|---|---|---|---|---|---|")
    for block_id in ("encoder_s0_b3", "encoder_s1_b5", "encoder_s2_b4", "decoder_s1_b5"):
        train = StoreReader(stores / block_id / "train" / "manifest.json")
        held_out = open_feed(StoreReader(stores / block_id / "held_out" / "manifest.json"), _CPU)
        x = torch.cat(list(held_out.snapshots(np.arange(held_out.n_snapshots))))
        position = torch.from_numpy(train.position_mean()).repeat(held_out.n_snapshots, 1)
        for name, choice in choices.items():
            engine.initial_weights = lambda d, h, seed, index, device, make=choice: make(d, h, seed, index, device=device)
            result = engine.train(open_feed(train, _CPU), BY_ID[block_id], config)
            with torch.inference_mode():
                x_hat, h = AuroraSAE.from_tensors(result.weights)(x)
            sse = (x - x_hat).square().sum()
            fve, anomaly = (1 - float(sse / (x - base).square().sum()) for base in (x.mean(0), position))
            on = h > 0
            print(f"| {block_id} | {name} | {fve:.4f} | {anomaly:.3f} | {on.sum(1).float().mean():.0f} "
                  f"| {float((on.sum(0) == 0).float().mean()):.3f} |")  # fmt: skip


if __name__ == "__main__":
    main()
