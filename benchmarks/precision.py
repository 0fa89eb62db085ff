"""One training step at the real model's shapes in float32, TF32 and bfloat16, and what lower precision costs in FVE.

    python benchmarks/precision.py [--device cuda] [--scale 1] [--steps 100] [--json FILE]

For each width: milliseconds of a snapshot's step (gradient, Adam, unit rows; the card's ReLU + L1), the share of the rate that
one large matrix product reaches in that precision on this device, and the FVE on other rows after a training in each precision
from the same start. Rows are sums of a few of many directions plus noise. The last line projects 48 blocks of 1,095 steps.
`--scale N` divides the rows, for a trial on a CPU.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

import torch  # noqa: E402
from aurorascope.files import write_json  # noqa: E402
from aurorascope.sae.initial import initial_weights  # noqa: E402
from aurorascope.sae.objective import Settings  # noqa: E402
from aurorascope.sae.relu import Relu  # noqa: E402
from aurorascope.training.optimiser import Adam  # noqa: E402
from aurorascope.training.precision import matmul_precision  # noqa: E402

# Width, tokens of a snapshot, blocks of that width.
CASES = ((512, 180_000, 12), (1024, 45_000, 20), (2048, 11_400, 16))
PRECISIONS = ("float32", "tf32", "bfloat16")
STEPS = 1095
HELD_OUT = 4096


def _rows(n: int, d: int, device: torch.device) -> torch.Tensor:
    """Rows with structure: 8 of 2 d directions each, in blocks so that nothing of size (n, 2 d) is ever made."""
    generator = torch.Generator(device).manual_seed(0)
    atoms = torch.nn.functional.normalize(torch.randn(2 * d, d, generator=generator, device=device), dim=1)
    x_nd = torch.randn(n, d, generator=generator, device=device).mul_(0.02)
    for part in x_nd.split(16384):
        for _ in range(8):
            chosen = torch.randint(2 * d, (len(part),), generator=generator, device=device)
            part.addcmul_(atoms[chosen], torch.rand(len(part), 1, generator=generator, device=device) + 0.5)
    return x_nd


def _seconds(work: Callable[[], object], device: torch.device, repeats: int) -> float:
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(repeats):
        work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - start) / repeats


def _matmul_rate(d: int, rows: int, precision: str, device: torch.device) -> float:
    """Operations a second of one product (rows, d) @ (d, 8 d)."""
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    a, b = torch.randn(rows, d, device=device, dtype=dtype), torch.randn(d, 8 * d, device=device, dtype=dtype)
    out = torch.empty(rows, 8 * d, device=device, dtype=dtype)
    return 2 * rows * d * 8 * d / _seconds(lambda: torch.mm(a, b, out=out), device, 10)


def _fve(objective: Relu, x_nd: torch.Tensor) -> float:
    sse = objective.row_losses(x_nd).double().sum()
    return 1 - float(sse / (x_nd.double() - x_nd.double().mean(0)).square().sum())


def measure(d: int, n: int, precision: str, device: torch.device, steps: int) -> dict[str, float]:
    """Milliseconds of a step, its share of the product's rate, and FVE after so many steps."""
    x_nd = _rows(n + HELD_OUT, d, device)
    train_nd, held_nd = x_nd[:n], x_nd[n:]
    rows = min(n, 32768 if device.type == "cuda" else 1024)
    parameters = {name: t.to(device) for name, t in initial_weights(d, 8 * d, 0, 0).items()}
    objective = Relu(parameters, Settings(sparsity=3e-4, rows=rows, precision=precision))
    adam = Adam(parameters, 4e-4)

    def step() -> None:
        objective.compute(train_nd)
        adam.step(objective.grads)

    with torch.inference_mode(), matmul_precision(precision):
        seconds = _seconds(step, device, steps - 1)
        rate = _matmul_rate(d, rows, precision, device)
        share = 5 * 2 * n * d * 8 * d / seconds / rate
        return {"ms": 1e3 * seconds, "share": share, "tflops": rate / 1e12, "fve": _fve(objective, held_nd)}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--scale", type=int, default=1, help="divide the rows by this")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    device, found = torch.device(options.device), {}
    print("| width, rows | precision | ms a step | product, TFLOP/s | share of it | FVE | FVE - float32's |")
    print("|---|---|---|---|---|---|---|")
    for d, n, _ in CASES:
        for precision in PRECISIONS:
            row = found[f"{d} {precision}"] = measure(d, n // options.scale, precision, device, options.steps)
            print(f"| {d}, {n // options.scale:,} | {precision} | {row['ms']:.2f} | {row['tflops']:.1f} | {row['share']:.2f} "
                  f"| {row['fve']:.4f} | {row['fve'] - found[f'{d} float32']['fve']:+.4f} |", flush=True)
    for precision in PRECISIONS:
        seconds = sum(blocks * STEPS * found[f"{d} {precision}"]["ms"] / 1e3 for d, _, blocks in CASES)
        print(f"{precision}: 48 blocks of {STEPS:,} steps would take {seconds / 60:.1f} minutes of computing.")
    if options.json:
        write_json(options.json, found)


if __name__ == "__main__":
    main()
