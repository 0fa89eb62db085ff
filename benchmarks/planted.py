"""Which planted directions each architecture finds again: independent ones, correlated pairs, and children that need their parent.

    python benchmarks/planted.py [--only NAME ...] [--steps 3000] [--seed 0]

128 directions in 64 dimensions, about four of which make a row, with sizes uniform in 0.75 to 1.25. "independent": any four. "pairs": directions
come in pairs that appear together four times out of five. "family": 32 parents with three children each; a child never
appears without its parent, and half of the parents' appearances are without a child. All trained with the tuned recipe at the rows' own
number of directions, 128 latents.

"cosine" is the mean cosine of planted and found directions, matched one to one, "found" the share of the planted with a cosine
above 0.9. "absorbed": where a parent appears with a child, the share of rows in which the parent's matched latent is silent, less that share
where it appears alone (Chanin et al. 2024, arXiv 2409.14507, describe the effect); over parents that were found.
"""

import argparse
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow"))
sys.path.insert(0, str(Path(__file__).parent))

import numpy as np  # noqa: E402
import torch  # noqa: E402
from architectures import settings  # noqa: E402
from aurorascope.blocks import BY_ID  # noqa: E402
from aurorascope.measures.stability.compare import compare, unit_rows  # noqa: E402
from aurorascope.sae.architectures import ARCHITECTURES  # noqa: E402
from aurorascope.sae.aurora_sae import AuroraSAE  # noqa: E402
from aurorascope.training.centroids import centroids_of  # noqa: E402
from aurorascope.training.trainer import Data, Trainer  # noqa: E402

N, D, ROWS, POOL, FOUND = 128, 64, 1024, 64, 0.9
FAMILY = 4
WORLDS = ("independent", "pairs", "family")


def appearances(world: str, n_rows: int, rng: np.random.Generator) -> np.ndarray:
    """Which directions a row has, (n_rows, N) bool, four of them on average."""
    if world == "independent":
        return rng.random((n_rows, N)) < 4 / N
    if world == "pairs":
        # A pair appears with both members four times out of five, with either alone else.
        is_pair = rng.random((n_rows, N // 2)) < 4 / N / 0.9
        alone = np.where(rng.random((n_rows, N // 2)) < 0.8, -1, rng.integers(0, 2, (n_rows, N // 2)))
        return np.stack([is_pair & (alone != 1), is_pair & (alone != 0)], axis=2).reshape(n_rows, N)
    n_parents = N // FAMILY
    # A parent, and one of its children half the time.
    is_parent = rng.random((n_rows, n_parents)) < 4 / 1.5 / n_parents
    child = np.where(rng.random((n_rows, n_parents)) < 0.5, 0, rng.integers(1, FAMILY, (n_rows, n_parents)))
    members = [is_parent, *(is_parent & (child == place) for place in range(1, FAMILY))]
    return np.stack(members, axis=2).reshape(n_rows, N)


def planted(world: str) -> tuple[np.ndarray, np.ndarray, torch.Tensor]:
    """Directions (N, D), appearances (POOL * ROWS, N) and rows (POOL, ROWS, D)."""
    rng = np.random.default_rng(WORLDS.index(world))
    directions = unit_rows(rng.standard_normal((N, D)))
    on = appearances(world, POOL * ROWS, rng)
    sizes = on * rng.uniform(0.75, 1.25, on.shape)
    return directions, on, torch.from_numpy((sizes @ directions).astype(np.float32)).view(POOL, ROWS, D)


def train(rows: torch.Tensor, architecture: str, l0: float, steps: int, seed: int) -> AuroraSAE:
    """An SAE of the tuned recipe with N latents."""
    flat = rows.flatten(0, 1).double()
    centroids = centroids_of((flat - flat.mean(0)).numpy(), N, 0) if ARCHITECTURES[architecture].anchored else None
    data = Data(D, ROWS, 1, flat.mean(0).numpy(), float(flat.var(0, correction=0).mean()), centroids_hd=centroids)
    config = settings(
        "tuned", steps, architecture=architecture, target_l0=l0, expansion=N // D, seed=seed, shuffle="snapshots", batch_rows=None,
        **({"l1_coeff": 0.3} if architecture == "jumprelu" else {}),
    )
    trainer = Trainer(BY_ID["encoder_s0_b0"], config, data, torch.device("cpu"))
    with torch.inference_mode():
        for step in range(steps):
            trainer.step(rows[step * 37 % POOL])
    return AuroraSAE.from_tensors(trainer.result().weights)


def absorbed(on: np.ndarray, features: np.ndarray, latent_of: dict[int, int]) -> float:
    """Mean over found parents; NaN where none was found."""
    found = []
    for parent in range(0, N, FAMILY):
        if parent in latent_of:
            is_silent, with_child = features[:, latent_of[parent]] == 0, on[:, parent + 1 : parent + FAMILY].any(1)
            found.append(is_silent[on[:, parent] & with_child].mean() - is_silent[on[:, parent] & ~with_child].mean())
    return float(np.mean(found)) if found else float("nan")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="*", default=list(ARCHITECTURES))
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("| planted | architecture | cosine | found | absorbed | FVE | L0 | s |\n|---|---|---|---|---|---|---|---|")
    for world in WORLDS:
        directions, on, rows = planted(world)
        x = rows[:16].flatten(0, 1)
        for architecture in options.only:
            start = time.perf_counter()
            sae = train(rows, architecture, 4.0, options.steps, options.seed)
            seconds = time.perf_counter() - start
            with torch.inference_mode():
                x_hat, features = sae(x)
            likeness = compare(directions, unit_rows(sae.W_dec.detach().numpy()), ARCHITECTURES[architecture].signed)
            latent_of = {int(a): int(b) for (a, b), cosine in zip(likeness.matched, likeness.cosines, strict=True) if cosine > FOUND}
            missed = absorbed(on[: len(x)], features.numpy(), latent_of) if world == "family" else float("nan")
            fve = 1 - float((x - x_hat).square().sum() / (x - x.mean(0)).square().sum())
            print(
                f"| {world} | {architecture} | {likeness.mcc:.3f} | {len(latent_of) / N:.2f} | {'–' if np.isnan(missed) else f'{missed:.3f}'} "
                f"| {fve:.3f} | {float((features != 0).sum(1).float().mean()):.1f} | {seconds:.0f} |", flush=True,
            )


if __name__ == "__main__":
    main()
