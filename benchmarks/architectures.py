"""Held-out quality of every architecture at matched L0, and of the card's recipe against ours, on a demo's activations.

    python benchmarks/architectures.py [results] [--l0 8 16 32] [--blocks ID ...] [--only NAME ...] [--peers 8] [--seeds 3] [--labels]
                                       [--processes 2] [--keep ROWS.md] [--set KEY=VALUE ...]
    python benchmarks/architectures.py [results] --many-k 64 [--blocks ID ...] [--set KEY=VALUE ...]

One block of each stage. First the card's recipe, then what config.yaml says, then all architectures with the tuned recipe at the
same targets, and `itda`, tokens as they are; `--only mutual` is top-k with another SAE trained beside it. FVE and anomaly FVE are about the held-out mean and about each position's training mean;
"PCA" is the FVE of as many leading components of the training tokens as features are on. "Dead" are latents that fired for no token of
the last 30 training snapshots; "silent" those that fire for no held-out token. With --labels, "F1" is the mean over the atlas's labels of
the test score of each one's best feature, chosen on other dates; "events" are features that follow events beyond both nulls, "labelled"
those that got a label.

With --keep, rows go into that file as they are made, and those that it has are not made again: a call that was stopped goes on. The table
is printed in the end.

With --many-k, one hierarchical SAE with each of its numbers of features, beside a top-k SAE trained for that number, and beside the
top-k SAE of the largest number cut down to it.
"""

import argparse
import multiprocessing
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import combinations
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

import numpy as np  # noqa: E402
import torch  # noqa: E402
import yaml  # noqa: E402
from aurorascope.activations.feed import StoreReader, open_feed  # noqa: E402
from aurorascope.blocks import BY_ID  # noqa: E402
from aurorascope.config.model import Sae, from_mapping  # noqa: E402
from aurorascope.config.recipes import RECIPES, filled  # noqa: E402
from aurorascope.config.resolve import resolve  # noqa: E402
from aurorascope.config.sae import Boost  # noqa: E402
from aurorascope.measures.stability.compare import compare, unit_rows  # noqa: E402
from aurorascope.sae.architectures import ARCHITECTURES, RELEASED  # noqa: E402
from aurorascope.sae.aurora_sae import AuroraSAE  # noqa: E402
from aurorascope.sae.budgets import budgets  # noqa: E402
from aurorascope.training.engine import (  # noqa: E402
    Saver,
    conclude,
    prepare,
    run,
)

sys.path.insert(0, str(Path(__file__).parent))
from itda import itda  # noqa: E402
from label_scores import LabelScores  # noqa: E402
from peer_process import make_environment  # noqa: E402
from peer_rows import METHODS, Peers, peer_cells  # noqa: E402

CPU = torch.device("cpu")
BLOCKS = [f"{component}_s{stage}_b3" for component in ("encoder", "decoder") for stage in range(3)]


def settings(recipe: str, epochs: int, **changes: object) -> Sae:
    """A recipe's configuration, as the demo has it."""
    rest = {"expansion": 8, "p_end": 1.0, "epochs": epochs, "dead_snapshots": 30, "orthogonality": 0.0, "mutual_weight": 0.0,
            "precision": "float32", "seed": 0, "group": "block", "checkpoint_minutes": 10.0, "boost": Boost(False, None, None, None, None, None)}
    return Sae(**filled({"recipe": recipe, **dict.fromkeys(RECIPES[recipe]), **rest, **changes}))


class Held:
    """One block's stores, and how an SAE does on the held-out one."""

    def __init__(self, stores: Path, block_id: str) -> None:
        self.block = BY_ID[block_id]
        self.feed = open_feed(StoreReader(stores / block_id / "train" / "manifest.json"), CPU)
        held_out = open_feed(StoreReader(stores / block_id / "held_out" / "manifest.json"), CPU)
        self.x = torch.cat(list(held_out.snapshots(np.arange(held_out.n_snapshots))))
        self.position = torch.from_numpy(self.feed.reader.position_mean()).repeat(held_out.n_snapshots, 1)
        train = torch.cat(list(self.feed.snapshots(np.arange(self.feed.n_snapshots)))).double()
        self.mean = train.mean(0)
        self.components = torch.linalg.eigh((train - self.mean).T @ (train - self.mean)).eigenvectors.flip(1)
        self.total = float((self.x.double() - self.x.double().mean(0)).square().sum())

    def pca(self, k: int) -> float:
        """FVE of the k leading components of the training tokens."""
        centred, leading = self.x.double() - self.mean, self.components[:, :k]
        return 1 - float((centred - centred @ leading @ leading.T).square().sum()) / self.total

    def made(self, name: str, config: Sae, seed: int) -> tuple[AuroraSAE, float | None]:
        """A trained SAE, or tokens as they are, and the dead among its latents by the training's own count; None without training."""
        if name == "itda":
            tokens = torch.cat(list(self.feed.snapshots(np.arange(self.feed.n_snapshots))))
            h = tokens.shape[1] * config.expansion
            return AuroraSAE.from_tensors(itda(tokens, self.mean.float(), h, round(config.target_l0), seed)), None
        trainer = prepare(self.feed.reader, self.block, replace(config, seed=seed), CPU)
        run(trainer, self.feed, Saver(None, 0))
        result = conclude(trainer)
        return AuroraSAE.from_tensors(result.weights), float(result.log["frac_dead"].iloc[-1])

    def cells(self, name: str, config: Sae, n_seeds: int, labels: LabelScores | None) -> dict[str, str]:
        """Train and measure: a row by its headings; with several seeds, PW-MCC over their pairs; with labels, what follows them."""
        start = time.process_time()
        sae, dead = self.made(name, config, config.seed)
        seconds = time.process_time() - start
        with torch.inference_mode():
            x_hat, h = sae(self.x)
        sse = (self.x - x_hat).double().square().sum()
        bases = (self.x.double().mean(0), self.position.double())
        fve, anomaly = (1 - float(sse / (self.x - base).square().sum()) for base in bases)
        on = h != 0
        l0 = float(on.sum(1).float().mean())
        cells = {
            "FVE": f"{fve:.4f}", "anomaly FVE": f"{anomaly:.3f}", "PCA": f"{self.pca(round(l0)):.4f}", "L0": f"{l0:.1f}",
            "silent": f"{float((on.sum(0) == 0).float().mean()):.3f}", "CPU s": f"{seconds:.1f}",
        }
        cells |= {} if dead is None else {"dead": f"{dead:.3f}"}
        cells |= {"PW-MCC": f"{self.likeness(name, config, n_seeds, sae):.3f}"} if n_seeds > 1 else {}
        if labels is not None:
            f1, n_events, n_labelled = labels.of(sae, self.block.id)
            cells |= {"F1": f"{f1:.3f}", "events": str(n_events), "labelled": str(n_labelled)}
        return cells

    def likeness(self, name: str, config: Sae, n_seeds: int, first: AuroraSAE) -> float:
        """Mean cosine of directions matched one to one, over pairs of seeds, of latents that fire for some held-out token."""
        directions = []
        for seed in range(config.seed, config.seed + n_seeds):
            sae = first if seed == config.seed else self.made(name, config, seed)[0]
            with torch.inference_mode():
                is_alive = (sae.encode(self.x) != 0).any(0)
            directions.append(unit_rows(sae.W_dec.detach()[is_alive].numpy()))
        signed = RELEASED[first.architecture].signed
        return float(np.mean([compare(a, b, signed).mcc for a, b in combinations(directions, 2)]))


def compare_many_k(held: Held, k: int, epochs: int, changes: dict) -> None:
    """Print a row for each number of features."""
    def trained(architecture: str, k: int) -> AuroraSAE:
        trainer = prepare(held.feed.reader, held.block, settings("tuned", epochs, architecture=architecture, target_l0=k, **changes), CPU)
        run(trainer, held.feed, Saver(None, 0))
        return AuroraSAE.from_tensors(conclude(trainer).weights)

    def fve(sae: AuroraSAE) -> float:
        with torch.inference_mode():
            return 1 - float((held.x - sae(held.x)[0]).double().square().sum()) / held.total

    hierarchical, widest = trained("hierarchical", k), trained("topk", k)
    for fewer in budgets(k):
        own = fve(widest if fewer == k else trained("topk", fewer))
        found = fve(hierarchical.keep(fewer))
        print(f"| {held.block.id} | {fewer} | {own:.4f} | {found:.4f} | {found - own:+.4f} | {fve(widest.keep(fewer)):.4f} |", flush=True)


def config_of(name: str, l0: float, options: argparse.Namespace, changes: dict) -> Sae:
    """What a row of the table is trained with; `card` and `config` aim at what they aim at."""
    if name == "card":
        return settings("card", options.epochs)
    if name == "config":
        return from_mapping(resolve(yaml.safe_load((ROOT / "config.yaml").read_text()))[0]).sae
    architecture = {"itda": "matching_pursuit", "mutual": "topk"}.get(name, name)
    more = {"architecture": architecture, "target_l0": l0, "expansion": options.expansion}
    more |= {"mutual_weight": options.mutual_weight} if name == "mutual" else {}
    return settings("tuned", options.epochs, **more, **changes)


def headings(options: argparse.Namespace) -> list[str]:
    """Of the columns after those that say which row it is."""
    seeds, labels = ["PW-MCC"] * (options.seeds > 1), ["F1", "events", "labelled"] * options.labels
    return ["FVE", "anomaly FVE", "PCA", "L0", "dead", "silent", *seeds, *labels, "CPU s"]


def place_of(row: str) -> tuple[str, str, str, bool]:
    """Which row it is: number aimed at, block, method, and whether it is a peer's, whose version and rate follow the method."""
    target, block_id, name = (cell.strip() for cell in row.strip("| ").split("|")[:3])
    method = name.partition(" of ")[0].partition(":")[0]
    return target, block_id, method, method != name


def title(options: argparse.Namespace) -> str:
    """The table's first two lines."""
    columns = ["L0 aimed at", "block", "SAE", *headings(options)]
    return f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|"


def begin_keeping(options: argparse.Namespace) -> None:
    """Begin the file that keeps rows, or leave of one that is there what is whole: the last line may have been cut."""
    text = options.keep.read_text() if options.keep.exists() else f"{title(options)}\n"
    if not text.startswith(f"{title(options)}\n"):
        sys.exit(f"{options.keep}: expected rows with the columns of this call, {', '.join(headings(options))}. Keep these rows in another file.")
    options.keep.write_text(text[: text.rindex("\n") + 1])


def kept_rows(options: argparse.Namespace) -> dict[tuple[str, str, str, bool], str]:
    """Rows of the file that keeps them, if there is one."""
    lines = options.keep.read_text().splitlines()[2:] if options.keep else []
    return {place_of(line): line for line in lines}


def block_rows(block_id: str, options: argparse.Namespace, changes: dict) -> Iterator[str]:
    """The rows of one block, as each is there."""
    def target(l0: float | None) -> str:
        return f"{l0:g}" if l0 else "–"

    def row(l0: float | None, name: str, cells: dict[str, str]) -> str:
        told = f"| {' | '.join([target(l0), block_id, name, *(cells.get(heading, '–') for heading in headings(options))])} |"
        if options.keep is not None:
            with options.keep.open("a") as file:
                file.write(f"{told}\n")
        return told

    torch.set_num_threads(1)
    kept = kept_rows(options)
    labels = LabelScores(options.results, [block_id]) if options.labels else None
    held = Held(options.results / "scratch" / "activations", block_id)
    for l0 in options.l0:
        for name in options.only:
            config = config_of(name, l0, options, changes)
            found = kept.get((target(config.target_l0), block_id, name, False))
            yield found or row(config.target_l0, name, held.cells(name, config, options.seeds, labels))
    if options.peers:
        peers = Peers(held.feed.reader, held.block, held.x.numpy(), held.feed.reader.d_model * options.expansion, options.epochs)
    for k in options.peers:
        for method in METHODS:
            yield kept.get((target(k), block_id, method, True)) or row(k, *peer_cells(peers, method, k))


def all_rows(block_id: str, options: argparse.Namespace, changes: dict) -> list[str]:
    """The rows of one block, for a process of its own; how far it is goes to the standard error."""
    rows = []
    for row in block_rows(block_id, options, changes):
        print(row, file=sys.stderr, flush=True)
        rows.append(row)
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("results", type=Path, nargs="?", default=ROOT / "results")
    parser.add_argument("--l0", type=float, nargs="+", default=[16])
    parser.add_argument("--epochs", type=int, default=16, help="of all but config.yaml's own")
    parser.add_argument("--blocks", nargs="*", default=BLOCKS)
    parser.add_argument("--only", nargs="*", default=["card", "config", *ARCHITECTURES, "itda"])
    parser.add_argument("--peers", type=int, nargs="+", default=[], metavar="K", help="the same methods of other libraries, at K features a token")
    parser.add_argument("--seeds", type=int, default=1, help="with 2 or more, how alike directions of so many seeds are (PW-MCC)")
    parser.add_argument("--labels", action="store_true", help="how features follow the atlas's labels (a finished demo's)")
    parser.add_argument("--expansion", type=int, default=8, help="latents a channel")
    parser.add_argument("--mutual-weight", type=float, default=0.1, help="of the row `mutual`")
    parser.add_argument("--many-k", type=int, metavar="K", help="compare hierarchical with top-k at an eighth, a quarter, half and all of K")
    parser.add_argument("--processes", type=int, default=1, help="blocks at once; with 2 or more, a block's rows come when all are there")
    parser.add_argument("--keep", type=Path, metavar="ROWS.md", help="a file that takes rows as they are made; those that it has are not made again")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="keys of sae for the tuned recipe")
    options = parser.parse_args()
    torch.set_num_threads(1)
    changes = {key: (int(value) if value.isdigit() else float(value)) if value[0].isdigit() else value for key, value in (s.split("=") for s in options.set)}
    if options.many_k:
        print("| block | k | top-k for it | hierarchical | difference | top-k for the largest, cut |\n|---|---|---|---|---|---|")
        for block_id in options.blocks:
            compare_many_k(Held(options.results / "scratch" / "activations", block_id), options.many_k, options.epochs, changes)
        return
    if options.peers:
        make_environment()
    if options.keep:
        begin_keeping(options)
    print(title(options), flush=True)
    if options.processes == 1:
        for block_id in options.blocks:
            for row in block_rows(block_id, options, changes):
                print(row, flush=True)
        return
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        for rows in pool.imap(partial(all_rows, options=options, changes=changes), options.blocks):
            print("\n".join(rows), flush=True)


if __name__ == "__main__":
    main()
