#!/usr/bin/env bash
# microsoft-aurora 2.0.1: aurora.Tracker follows a low that moves east at 1.5 degrees a step, but where it crosses the first meridian. It
# extrapolates longitudes by a straight line through up to eight places, and 358 and 0 lie 358 degrees apart on that line: from the third
# place on the low is sought on the other side of the globe, where whatever lies there is taken for it. Nothing in `results()` says so,
# and `fails` need not count it. Two places alone extrapolate rightly, since a guess is taken modulo 360.
# Seen on 2026-11-29 (torch 2.15.0), 10 steps, a Gaussian low of 30 hPa on a calm sea, a global grid of 1 degree:
#   from 175 E: 175.0 177.0 178.0 180.0 181.0 183.0 184.0 186.0 187.0 189.0 190.0, where the low is; fails 0
#   from 355 E: 355.0 357.0 358.0 0.0 1.0 255.0 28.0 333.0 98.0 93.0 114.0, 104 degrees from the low; fails 0
# With longitudes counted from another meridian, so that the track does not cross 0, it is followed.
# Ends with 1 if the first track fails or the second does not.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet microsoft-aurora==2.0.1 torch==2.15.0 torchvision==0.29.2

"$folder/venv/bin/python" - <<'PYTHON'
import datetime
import importlib.metadata
import sys

import torch
from aurora import Batch, Metadata, Tracker

LAT, LON = torch.linspace(90, -90, 181), torch.arange(360.0)
STEPS, SPEED, AT = 10, 1.5, 20.0


def forecast(step, east):
    """A low on the sea, and nothing else."""
    across = (LON - east + 180) % 360 - 180
    bowl = torch.exp(-((LAT[:, None] - AT) ** 2 + across[None] ** 2) / 18)
    time = datetime.datetime(2022, 9, 1) + datetime.timedelta(hours=12 * step)
    fields = {"msl": 1.01e5 - 3000 * bowl, "10u": 20 * bowl, "10v": 0 * bowl}
    return Batch(
        {name: field[None, None] for name, field in fields.items()}, {"lsm": torch.zeros(len(LAT), len(LON))},
        {"z": (3e4 - 300 * bowl)[None, None, None]}, Metadata(LAT, LON, (time,), (700,), step),
    )


def track(start):
    tracker = Tracker(AT, start, datetime.datetime(2022, 9, 1))
    for step in range(1, STEPS + 1):
        tracker.step(forecast(step, start + SPEED * step))
    found = tracker.results()
    last, low = float(found["lon"].iloc[-1]), (start + SPEED * STEPS) % 360
    off = abs((last - low + 180) % 360 - 180)
    print(f"from {start:.0f} E: fails {tracker.fails}, last place {last:.1f} (low at {low:.1f}), {off:.1f} degrees off")
    print("  longitudes:", *(f"{each:.1f}" for each in found["lon"]))
    return tracker.fails, off


print("microsoft-aurora", importlib.metadata.version("microsoft-aurora"), "torch", torch.__version__)
plain, crossing = track(175.0), track(355.0)
sys.exit(not (plain[0] == 0 and plain[1] < 2 and crossing[1] > 5))
PYTHON
