"""What a study of changed inputs costs beside the forwards that it takes.

    python benchmarks/changed_inputs.py [--embed-dim 64] [--grid 91 180] [--expansion 8] [--n-controls 20]

Random weights as in `forward.py`, one date, carbon monoxide times 1.5 in a disk of 2,000 km, one linear outcome; once without blocks and
once with the features of one block of each stage. CPU time of one thread, each arm's and the whole study's over that of a forward, which is
timed between arms so that both see the same machine.
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
from aurorascope.cams.demo import demo_state, demo_static  # noqa: E402
from aurorascope.cams.grid import regular_grid  # noqa: E402
from aurorascope.cams.variables import LEVELS  # noqa: E402
from aurorascope.config.calendar import parse  # noqa: E402
from aurorascope.perturbations import Inputs  # noqa: E402
from aurorascope.sae.aurora_sae import AuroraSAE  # noqa: E402
from aurorascope.studies import read_input_study, run_input_study  # noqa: E402
from aurorascope.studies.input_measure import InputMeasured  # noqa: E402
from forward import random_model  # noqa: E402

from tests.architectures import of  # noqa: E402

DATE, TIMES = "2022-06-01", ("2022-06-01T00:00:00Z", "2022-06-01T12:00:00Z")
SITES = ("encoder_s0_b3", "encoder_s1_b5", "encoder_s2_b3", "decoder_s0_b7", "decoder_s1_b5", "decoder_s2_b5")
DISK = [30.0, 100.0, 2000.0]


def inputs_on(grid: tuple[int, int]) -> Inputs:
    """Demo states of one date."""
    lat, lon = regular_grid(*grid)
    return Inputs(*(demo_state(parse(when), lat, lon, LEVELS) for when in TIMES), TIMES[1], demo_static(lat, lon))


def forward(model: AuroraAirPollution, batch: Batch) -> float:
    """CPU seconds of one forward."""
    start = time.process_time()
    with torch.inference_mode():
        model(batch)
    return time.process_time() - start


def measure(model: AuroraAirPollution, inputs: Inputs, blocks: list[str], expansion: int, n_controls: int) -> None:
    """Run one study and print its times."""
    change = {"scale": {"variables": ["co"], "factor": 1.5, "region": {"disk": DISK, "taper_km": 1000}}}
    outcome = {"kind": "linear", "name": "smoke", "variable": "co", "level": 850, "region": {"disk": DISK}}
    study = read_input_study({
        "name": "cost", "perturb": [change], "dates": [DATE], "outcomes": [outcome], "blocks": blocks, "n_controls": n_controls,
    })
    saes = {block: AuroraSAE.from_tensors(of("topk", BY_ID[block].width(model.encoder.embed_dim), expansion, k=32)) for block in blocks}
    batch, arms, forwards = inputs.batch(), [], []
    clock = {"last": time.process_time()}

    def keep(key: tuple[str, str], _measured: InputMeasured) -> None:
        arms.append((key[1], time.process_time() - clock["last"]))
        forwards.append(forward(model, batch))
        clock["last"] = time.process_time()

    forward(model, batch)
    start = clock["last"] = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = run_input_study(study, model, saes, {DATE: inputs}, keep=keep)
    whole, one = time.process_time() - start - sum(forwards), statistics.median(forwards)
    others = [seconds for name, seconds in arms if name not in ("clean_0", "change_1")]
    n = found.summary["n_forwards"]
    print(f"{len(blocks)} blocks: forward {one:.2f} s; {n} forwards, the study {whole / (n * one):.3f} of their time; "
          f"before the second arm (building all arms, the clean run) {arms[0][1] / one:.2f} of a forward, an arm {statistics.median(others) / one:.3f}, "
          f"the one with the reach {dict(arms)['change_1'] / one:.2f}")


def main() -> None:
    """Parse arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--embed-dim", type=int, default=64)
    parser.add_argument("--grid", type=int, nargs=2, default=(91, 180))
    parser.add_argument("--expansion", type=int, default=8)
    parser.add_argument("--n-controls", type=int, default=20)
    given = parser.parse_args()
    torch.set_num_threads(1)
    model, inputs = random_model(given.embed_dim), inputs_on(tuple(given.grid))
    for blocks in ([], list(SITES)):
        measure(model, inputs, blocks, given.expansion, given.n_controls)


if __name__ == "__main__":
    main()
