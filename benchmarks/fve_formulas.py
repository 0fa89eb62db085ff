"""One reconstruction, scored by the explained variance of each library: how far published numbers may lie apart.

    python benchmarks/fve_formulas.py [results] [--block ID]

Of a finished run's SAE on its held-out snapshots: from the raw sums in the evaluation's record, and where a library averages
over batches, from a second pass with one snapshot a batch. Beside each, what predicting the held-out mean scores, and what the
same reconstruction scores in a unit ten times smaller. Where `.venv-peers` is there (`python benchmarks/step.py` makes it), the
libraries' own functions score the same arrays, and ours must agree.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

import numpy as np  # noqa: E402
import torch  # noqa: E402
from aurorascope.activations.feed import open_feed  # noqa: E402
from aurorascope.activations.reader import StoreReader  # noqa: E402
from aurorascope.files import read_record  # noqa: E402
from aurorascope.measures.held_out.sums import Means, Sums  # noqa: E402
from aurorascope.sae.aurora_sae import AuroraSAE  # noqa: E402
from peer_process import PeerError, run_script  # noqa: E402

Scores = dict[str, float]
Scalars = dict[str, float]
_HERE = Path(__file__).parent
_TOLERANCE = 1e-4

# Each from `Sums.scalars` and the number of channels.
FROM_SUMS: dict[str, tuple[str, Callable[[Scalars, int], float]]] = {
    "r2_pooled": ("ours; saev's validation; SAELens since #665", lambda s, d: 1 - s["sse"] / s["sst"]),
    "r2_train_mean": ("ours; xaig", lambda s, d: 1 - s["sse"] / s["sst_train"]),
    "r2_position_mean": ("ours", lambda s, d: 1 - s["sse"] / s["sst_position"]),
    "legacy_token_mean": ("SAELens' legacy, in one batch", lambda s, d: 1 - s["token_ratio"] / s["n_token_ratio"]),
    "var_ratio": ("dictionary_learning, in one batch", lambda s, d: 1 - (s["sse"] - s["error_sq"] / s["n"]) / s["sst"]),
    "scalar_var_ratio": (
        "saev in training",
        lambda s, d: 1 - (s["sse"] - s["error_entries"] ** 2 / (s["n"] * d)) / s["sst_entries"],
    ),
    "scalar_mean_r2": ("overcomplete", lambda s, d: 1 - s["sse"] / s["sst_entries"]),
    "about_zero": ("xaig in training", lambda s, d: 1 - s["sse"] / s["x_sq"]),
    "token_nmse": ("openai, as 1 - loss", lambda s, d: 1 - s["token_nmse"] / s["n_l2"]),
    "broken_659": (
        "SAELens before #665; SAEBench 0.6.0",
        lambda s, d: 1 - s["sse"] / s["n"] / (s["x_sq"] / s["n"] - (s["x_sq"] / (s["n"] * d)) ** 2),
    ),
}

# Each from one batch's activations and reconstructions, (n, d) float64; a library's number is the mean over batches.
BY_BATCH: dict[str, tuple[str, Callable[[np.ndarray, np.ndarray], float]]] = {
    "r2_pooled_by_batch": (
        "sparsify's 1 - fvu", lambda x, x_hat: 1 - np.square(x - x_hat).sum() / np.square(x - x.mean(0)).sum(),
    ),
    "legacy_token_mean_by_batch": (
        "SAELens' legacy; SAEBench's paper",
        lambda x, x_hat: 1 - float((np.square(x - x_hat).sum(1) / np.square(x - x.mean(0)).sum(1)).mean()),
    ),
    "var_ratio_by_batch": (
        "dictionary_learning", lambda x, x_hat: 1 - (x - x_hat).var(0, ddof=1).sum() / x.var(0, ddof=1).sum(),
    ),
}


def scores(scalars: Scalars, d: int) -> Scores:
    """Each formula of `FROM_SUMS`."""
    return {name: float(formula(scalars, d)) for name, (_, formula) in FROM_SUMS.items()}


def in_smaller_unit(scalars: Scalars, factor: float) -> Scalars:
    """The sums as they would be with activations and reconstructions times a factor."""
    squares = ("sse", "sst", "sst_train", "sst_position", "x_sq", "error_sq", "sst_entries")
    powers = dict.fromkeys(squares, 2) | {"error_entries": 1}
    return {name: value * factor ** powers.get(name, 0) for name, value in scalars.items()}


class Run:
    """One block of a finished run."""

    def __init__(self, results: Path, block_id: str) -> None:
        stores = results / "scratch" / "activations" / block_id
        self.record = read_record(results / "evaluation" / f"{block_id}.json", "evaluation")
        self._sae = AuroraSAE.from_file(str(results / "saes" / f"sae_{block_id}.pt"))
        self._feed = open_feed(StoreReader(stores / "held_out" / "manifest.json"), torch.device("cpu"))
        train = StoreReader(stores / "train" / "manifest.json")
        held_out_mean = self._feed.reader.moments()["mean"]
        self._means = Means(held_out_mean, train.moments()["mean"], train.position_mean(), np.zeros(len(held_out_mean)))

    def second_pass(self, folder: Path) -> tuple[Scores, Scores, Scalars]:
        """By-batch scores of the SAE and of the held-out mean; sums of the mean. Leaves the batches in a folder."""
        n, found = self._feed.reader.n_tokens, []
        sums = Sums(np.zeros(n, int), np.ones(n), self._means, 1)
        for index, x_nd in enumerate(self._feed.snapshots(np.arange(self._feed.n_snapshots))):
            with torch.inference_mode():
                x_hat = self._sae(x_nd)[0].numpy()
            x = x_nd.numpy()
            np.save(folder / f"x_{index:05d}.npy", x)
            np.save(folder / f"x_hat_{index:05d}.npy", x_hat)
            mean = np.broadcast_to(self._means.held_out, x.shape)
            sums.add(x, mean, np.zeros((n, 1)))
            found.append([[f(x.astype(np.float64), y) for _, f in BY_BATCH.values()] for y in (x_hat.astype(np.float64), mean)])
        ours, predictor = (dict(zip(BY_BATCH, row, strict=True)) for row in np.mean(found, axis=0).tolist())
        return ours, predictor, sums.scalars


def _checked(ours: Scores, folder: Path) -> dict[str, str]:
    """What each library's own function says of the same batches, by our name of the formula."""
    try:
        theirs = run_script(_HERE / "fve_peers.py", str(folder))
    except PeerError as error:
        print(f"Own functions not asked: {error}", file=sys.stderr)
        return {}
    for name, (package, value) in theirs.items():
        if not abs(value - ours[name]) < _TOLERANCE:
            sys.exit(f"{name} is {ours[name]:.6f} here and {value:.6f} in {package}.")
    return {name: f"{value:.4f} ({package})" for name, (package, value) in theirs.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("results", type=Path, nargs="?", default=ROOT / "results")
    parser.add_argument("--block", default="encoder_s1_b5")
    options = parser.parse_args()
    torch.set_num_threads(1)
    run = Run(options.results, options.block)
    scalars, d = run.record["sums"], run.record["d_model"]
    with tempfile.TemporaryDirectory() as folder:
        by_batch, mean_by_batch, mean_scalars = run.second_pass(Path(folder))
        ours = scores(scalars, d) | by_batch
        own = _checked(ours, Path(folder))
    predictor = scores(mean_scalars, d) | mean_by_batch
    smaller = scores(in_smaller_unit(scalars, 10), d)
    print("| formula | who | this SAE | in a unit 10 times smaller | the held-out mean | their own function |")
    print("|---|---|---|---|---|---|")
    for name, (who, _) in {**FROM_SUMS, **BY_BATCH}.items():
        again = f"{smaller[name]:.4f}" if name in smaller else "–"
        print(f"| `{name}` | {who} | {ours[name]:.4f} | {again} | {round(predictor[name], 4) + 0.0:.4f} | {own.get(name, '–')} |")


if __name__ == "__main__":
    main()
