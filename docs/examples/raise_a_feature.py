"""Hold a feature at a multiple of its 99th percentile within a disk, with nothing but a suite, a model and a batch.

    .venv/bin/python docs/examples/raise_a_feature.py encoder_s1_b5 7 2022-06-03 52 -78 [SIGN]

Block, feature, date, latitude and longitude of the disk's centre, and, where the atlas has labelled the feature's negative side, -1. The
suite says what the feature's percentile is on its held-out dates.
"""

import sys

import torch
from aurora import AuroraAirPollution, Batch
from aurorascope import Suite, load_batch, load_model
from aurorascope.interventions import Clamp, Disk, Log, Region, intervene


def change(
    suite: Suite, model: AuroraAirPollution, block: str, feature: int, batch: Batch, where: Region, value: str = "p99", sign: int = 1
) -> tuple[dict[str, torch.Tensor], Log]:
    """Changed less clean forecast of each surface variable, (rows, columns), and the log of the edit."""
    with torch.inference_mode():
        clean = model(batch)
        with intervene(model, {block: suite[block]}, Clamp((feature, sign), value), where=where) as log:
            changed = model(batch)
    return {name: (changed.surf_vars[name] - clean.surf_vars[name])[0, 0] for name in clean.surf_vars}, log


if __name__ == "__main__":
    if len(sys.argv) not in (6, 7):
        sys.exit(__doc__)
    block, feature, date, lat, lon, *sign = sys.argv[1:]
    suite = Suite.open("results")
    print(suite.statistics(block).query(f"feature == {feature}").to_string(index=False))
    disk = Disk(float(lat), float(lon), km=2500)
    found, log = change(suite, load_model("results"), block, int(feature), load_batch(date), disk, sign=int(*sign or (1,)))
    print(log.table().T.to_string())
    for name, field in found.items():
        print(f"{name}: largest change {float(field.abs().max()):.3g}")
