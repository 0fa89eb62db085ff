"""What a study of edits costs beside as many whole forwards.

    python benchmarks/studies.py [--embed-dim 64] [--grid 91 180] [--expansion 8] [--n-controls 20] [--sites encoder_s0_b3 ...]

Random weights as in `forward.py`, random SAEs with 32 features on, one date, the feature that is strongest in a disk of 2,000 km set to 0
there, one linear outcome, one step: forwards begin at the edited block. CPU time of one thread: the whole study, what finds exposure
and controls included, over that of its forwards, each as long as the median of five whole ones timed before and after it. For a block
of each stage, and the mean.
"""

import argparse
import statistics
import sys
import time
import warnings
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "workflow"), str(ROOT / "benchmarks")]

import torch  # noqa: E402
from aurora import AuroraAirPollution, Batch  # noqa: E402
from aurorascope.blocks import BY_ID  # noqa: E402
from aurorascope.interventions import Disk  # noqa: E402
from aurorascope.studies import read_study, run_study  # noqa: E402
from interventions import SITES, demo_batch, random_model, sae_of, strongest  # noqa: E402

DATE, DISK = "2022-06-01", [20.0, 100.0, 2000.0]


def forward(model: AuroraAirPollution, batch: Batch) -> float:
    """CPU seconds of one forward."""
    start = time.process_time()
    with torch.inference_mode():
        model(batch)
    return time.process_time() - start


def measure(model: AuroraAirPollution, batch: Batch, site: str, expansion: int, n_controls: int) -> float:
    """Run one study, print its times, and give its share."""
    block = BY_ID[site]
    sae = sae_of("topk", block.width(model.encoder.embed_dim), expansion)
    feature = strongest(model, batch, block, sae, Disk(*DISK[:2], km=DISK[2]))[0]
    study = read_study({
        "name": "cost", "block": site, "features": [feature], "edit": "ablate", "region": {"disk": DISK}, "dates": [DATE],
        "n_controls": n_controls,
        "outcomes": [{"kind": "linear", "name": "temperature", "variable": "2t", "region": {"disk": DISK}}],
    })
    whole = [forward(model, batch) for _ in range(3)]
    start = time.process_time()
    found = run_study(study, model, {site: sae}, {DATE: batch})
    spent = time.process_time() - start
    whole += [forward(model, batch) for _ in range(2)]
    n, each = found.summary["n_forwards"], statistics.median(whole)
    share = spent / (n * each)
    print(f"| {site} | {n} | {each:.2f} | {spent:.1f} | {share:.2f} |", flush=True)
    return share


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--embed-dim", type=int, default=64)
    parser.add_argument("--grid", type=int, nargs=2, default=(91, 180))
    parser.add_argument("--expansion", type=int, default=8)
    parser.add_argument("--n-controls", type=int, default=20)
    parser.add_argument("--sites", nargs="+", default=SITES)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    model, batch = random_model(options.embed_dim), demo_batch(*options.grid)
    print(f"embed_dim {options.embed_dim}, {options.grid[0]} x {options.grid[1]}, torch {torch.__version__}, one thread\n")
    print("| block | forwards | a forward, s | the study, s | share of whole forwards |")
    print("|---|---|---|---|---|")
    shares = [measure(model, batch, site, options.expansion, options.n_controls) for site in options.sites]
    print(f"\nmean {statistics.mean(shares):.2f}")


if __name__ == "__main__":
    main()
