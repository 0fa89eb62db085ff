"""Hold a feature at a multiple of its 99th percentile within a disk, with nothing but a suite, a model and a batch.

    .venv/bin/python docs/examples/raise_a_feature.py encoder_s1_b5 7 2022-06-03 52 -78 [SIGN]

Block, feature, date, latitude and longitude of the disk's centre, and, where the atlas has labelled the feature's negative side, -1. The
suite says what the feature's percentile is on its held-out dates.
"""

import argparse

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
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    words = {"block": str, "feature": int, "date": str, "lat": float, "lon": float}
    for name, kind in words.items():
        parser.add_argument(name, type=kind)
    parser.add_argument("sign", type=int, nargs="?", choices=(1, -1), default=1)
    given = parser.parse_args()
    suite = Suite.open("results")
    print(suite.statistics(given.block).query(f"feature == {given.feature}").to_string(index=False))
    disk = Disk(given.lat, given.lon, km=2500)
    found, log = change(suite, load_model("results"), given.block, given.feature, load_batch(given.date), disk, sign=given.sign)
    print(log.table().T.to_string())
    for name, field in found.items():
        print(f"{name}: largest change {float(field.abs().max()):.3g}")
