"""Keep a feature at most as strong as it usually is within a disk, and see what the forecast changes by.

    .venv/bin/python docs/examples/restore_a_feature.py encoder_s1_b5 7 2022-06-03 52 -78 2022-06-01 2022-06-02

Block, feature, date, latitude and longitude of the disk's centre, and dates to compare with. The demo has these dates; a suite from
elsewhere, a model and batches of one's own do as well: `change` needs nothing else.
"""

import argparse

import torch
from aurora import AuroraAirPollution, Batch
from aurorascope import Suite, load_batch, load_model
from aurorascope.interventions import Disk, Log, Normal, Region, intervene, reference
from aurorascope.sae.aurora_sae import AuroraSAE


def change(
    model: AuroraAirPollution, saes: dict[str, AuroraSAE], feature: int, batch: Batch, quiet: list[Batch], where: Region
) -> tuple[dict[str, torch.Tensor], Log]:
    """Restored less clean forecast of each surface variable, (rows, columns), and the log of the edit."""
    usual = reference(model, saes, feature, quiet)
    with torch.inference_mode():
        clean = model(batch)
        with intervene(model, saes, Normal(feature, usual), where=where) as log:
            restored = model(batch)
    return {name: (restored.surf_vars[name] - clean.surf_vars[name])[0, 0] for name in clean.surf_vars}, log


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    words = {"block": str, "feature": int, "date": str, "lat": float, "lon": float}
    for name, kind in words.items():
        parser.add_argument(name, type=kind)
    parser.add_argument("quiet", nargs="+")
    given = parser.parse_args()
    found, log = change(
        load_model("results"), {given.block: Suite.open("results")[given.block]}, given.feature, load_batch(given.date),
        [load_batch(each) for each in given.quiet], Disk(given.lat, given.lon, km=2500),
    )
    print(log.table().T.to_string())
    for name, field in found.items():
        print(f"{name}: largest change {float(field.abs().max()):.3g}")
