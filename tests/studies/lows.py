"""A stand-in with a low that is planted: where it is and how deep follows from the last block's output, linearly."""

import dataclasses
import datetime

import torch
from aurora import Batch, Metadata

from tests.interventions import linear
from tests.studies.linear import BLOCK, Forecasting

# A basin of one degree a cell; that its 36 columns do not go around the globe concerns areas alone.
LAT, LON = torch.arange(8.5, -9, -1, dtype=torch.float64), torch.arange(36, dtype=torch.float64)
START, DATE = (0.5, 18.0), "2022-06-01"
REGION = {"disk": [0.5, 18.0, 1500.0]}


class Low(Forecasting):
    """A low at START that edits move: east by the change of channel 0's mean over tokens, and deeper by that of channel 6.

    Args:
        turn: degrees.
        deepen: Pa for one unit of the mean of channel 6.
        gone_from: step, from 0, in whose forecast the low is gone; None for never.
    """

    def __init__(self, turn=0.0, deepen=0.0, gone_from=None):
        super().__init__()
        self.turn, self.deepen, self.gone_from, self.means = turn, deepen, gone_from, []
        self.clean_d = linear.Linear.forward(self, batch_of())[0].mean(dim=0)

    def forward(self, batch, lead_times=None):
        mean_d = linear.Linear.forward(self, batch)[0].mean(dim=0) - self.clean_d
        self.means.append(mean_d)
        step = batch.metadata.rollout_step
        centre = START[1] + self.turn * float(mean_d[0])
        distance = ((LAT[:, None] - START[0]) ** 2 + (LON[None] - centre) ** 2) / 18
        depth = 3000 + self.deepen * float(mean_d[6])
        if depth <= 0 or (self.gone_from is not None and step >= self.gone_from):
            depth = 0
        # Without the low, pressure falls to the south, and has no minimum within.
        bowl, slope = torch.exp(-distance), LAT[:, None] + 0 * LON[None]
        fields = {"msl": 1e5 + slope - depth * bowl, "10u": 20 * bowl * depth / 3000, "10v": 0 * bowl, "2t": 1 + 0 * bowl}
        ahead = dataclasses.replace(
            batch.metadata, rollout_step=step + 1, time=(batch.metadata.time[0] + datetime.timedelta(hours=12),)
        )
        z = (3e4 + slope - depth / 10 * bowl)[None, None, None]
        return dataclasses.replace(
            batch, surf_vars={name: fields[name][None, None] for name in batch.surf_vars}, atmos_vars={"z": z}, metadata=ahead
        )


def batch_of(lat=LAT, lon=LON):
    """The input: calm, and 2t says what tokens are made of."""
    calm = torch.ones(1, 2, len(lat), len(lon), dtype=torch.float64)
    time = (datetime.datetime(2022, 6, 1, 12, tzinfo=datetime.UTC),)
    surface = {"2t": calm, "msl": 1.01e5 * calm, "10u": 0 * calm, "10v": 0 * calm}
    return Batch(surface, {"lsm": torch.zeros(len(lat), len(lon))}, {"z": 3.1e4 * calm[:, :, None]}, Metadata(lat, lon, time, (700,)))


def given(feature, reads, **changes):
    """The mapping of a study of a feature's ablation with one track as outcome."""
    outcome = {"kind": "tracker", "name": "storm", "lat": START[0], "lon": START[1], "reads": reads}
    outcome |= changes.pop("outcome", {})
    return {
        "name": "low", "block": BLOCK, "features": [feature], "edit": "ablate", "region": REGION, "dates": [DATE], "outcomes": [outcome],
        "n_controls": 12, **changes,
    }
