"""Fields of tokens with known labels and features that follow them, for tests of the atlas."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from aurorascope.atlas.entries import Entries
from aurorascope.atlas.token_labels import GridLabels, Plane, TokenLabels
from aurorascope.blocks import BY_ID
from aurorascope.cams.demo_truth import connected
from aurorascope.tokens import token_grid

BLOCK = BY_ID["encoder_s0_b0"]


@dataclass(frozen=True)
class World:
    """A grid and masks on it over time.

    Attributes:
        lat: latitudes.
        lon: longitudes.
        times: ISO times.
        masks: by label id, (times, lat, lon) bool.
        fields: by label id, (times, lat, lon); the mask where there is none.
    """

    lat: np.ndarray
    lon: np.ndarray
    times: list
    masks: dict
    fields: dict

    @property
    def grid(self):
        return token_grid(BLOCK, self.lat, self.lon)

    @property
    def area_y(self):
        return cell_areas(self.lat, len(self.lon))

    @property
    def plane(self):
        return Plane.of(self.grid, self.area_y)

    def read(self, time):
        at = self.times.index(time)
        mask = np.stack([each[at] for each in self.masks.values()])
        field = np.stack([self.fields.get(name, each)[at] for name, each in self.masks.items()])
        return GridLabels(mask.astype(np.uint8), np.stack([connected(each) for each in mask]), field.astype(np.float32))

    def labels(self, folder: Path, lines=()):
        return TokenLabels(list(self.masks), self.plane, self.times, self.read, folder, lines)

    def shares(self, name):
        """Area share of a label in each token of the plane, (times, tokens)."""
        area = self.plane.total(self.masks[name] * self.area_y[:, None])
        return area.reshape(len(self.times), -1) / self.plane.area_p


def cell_areas(lat, n_lon):
    """Areas of cells in units of 2^-32 of the sphere, whole numbers."""
    step = abs(lat[1] - lat[0])
    edges = np.sin(np.deg2rad(np.clip(np.stack([lat - step / 2, lat + step / 2]), -90, 90)))
    return np.rint((edges[1] - edges[0]) / 2 / n_lon * 2**32).astype(np.int64)


def year_times(n_days=220, first="2022-06-01"):
    days = np.datetime64(first) + np.arange(n_days)
    return [f"{day}T12:00:00Z" for day in days]


def smooth_noise(rng, n_times, n_lat, n_lon, scale=3, memory=0.6):
    """Red noise in space and time, unit variance."""
    from scipy.ndimage import gaussian_filter

    white = rng.standard_normal((n_times, n_lat, n_lon))
    field = gaussian_filter(white, (0, scale, scale), mode=("nearest", "nearest", "wrap"))
    for at in range(1, n_times):
        field[at] = memory * field[at - 1] + np.sqrt(1 - memory**2) * field[at]
    return field / field.std()


def entries_of(h_tnf, n_plane, folder, n_levels=4, order=None, scale=1.0):
    """Entries of dense features, (times, tokens, features)."""
    n_times, n_tokens, n_features = h_tnf.shape
    made = Entries(n_features, n_levels, n_plane, n_times, folder, scale)
    for at in range(n_times) if order is None else order:
        made.add_features(at, [torch.from_numpy(part) for part in np.array_split(h_tnf[at], 3)], signed=False)
    return made
