"""Fields of tokens with known labels and features that follow them, for tests of the atlas."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from aurorascope.atlas.encoding import Source
from aurorascope.atlas.entries import Entries
from aurorascope.atlas.plane import Plane
from aurorascope.atlas.token_labels import GridLabels, TokenLabels
from aurorascope.blocks import BY_ID
from aurorascope.cams.demo_truth import connected
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.tokens import token_grid

FINE, COARSE = "encoder_s0_b0", "encoder_s1_b0"


@dataclass(frozen=True)
class World:
    """A grid and masks on it over time.

    Attributes:
        lat: latitudes.
        lon: longitudes.
        times: ISO times.
        masks: by label id, (times, lat, lon) bool.
        fields: by label id, (times, lat, lon); the mask where there is none.
        block: whose tokens.
    """

    lat: np.ndarray
    lon: np.ndarray
    times: list
    masks: dict
    fields: dict
    block: str = FINE

    @property
    def grid(self):
        return token_grid(BY_ID[self.block], self.lat, self.lon)

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

    def labels(self, folder: Path, lines=(), shifts=()):
        found = TokenLabels(list(self.masks), self.plane, self.times, folder, lines, shifts)
        for time in self.times:
            found.add(self.read(time))
        return found

    def turned(self, cells):
        """All labels so many columns of cells further east."""
        masks, fields = ({name: np.roll(each, cells, axis=2) for name, each in some.items()} for some in (self.masks, self.fields))
        return World(self.lat, self.lon, self.times, masks, fields, self.block)

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
    n_times, _, n_features = h_tnf.shape
    made = Entries(n_features, n_levels, n_plane, n_times, folder, scale)
    for at in range(n_times) if order is None else order:
        made.add_features(at, [torch.from_numpy(part) for part in np.array_split(h_tnf[at], 3)], signed=False)
    return made


# 30 columns of tokens, as the demo has; 160 dates in ten blocks.
LAT, LON = np.linspace(90, -90, 46), np.arange(90) * 4.0
NAMES = ("storm", "weak storm", "dilated", "quarter turn", "land", "season", "latitude", "weekday", "window", "everywhere")


def planted_world(seed=0, n_days=160, block=FINE):
    """Storms that wander, land, and a belt of latitudes that moves through the months; large storms for coarse tokens."""
    rng = np.random.default_rng([seed, n_days])
    times = year_times(n_days)
    wind = smooth_noise(rng, n_days, 46, 90, 3 if block == FINE else 5)
    drift = np.linspace(55, -55, n_days)
    belt = np.abs(LAT[None, :] - drift[:, None]) < 12
    land = smooth_noise(rng, 1, 46, 90, 5)[0] > 0.6
    masks = {
        "storm": wind > (1.5 if block == FINE else 1.2),
        "land": np.broadcast_to(land, wind.shape),
        "belt": np.broadcast_to(belt[:, :, None], wind.shape),
    }
    return World(LAT, LON, times, masks, {"storm": wind}, block)


def planted_features(world, seed=0, n_noise=40):
    """Features in the order of `NAMES`, then red noise, (times, tokens, features) float32; each on for a part of the tokens."""
    from scipy.ndimage import maximum_filter

    rng = np.random.default_rng([seed, n_noise])
    rows, cols = world.plane.shape
    n_days = len(world.times)

    def share(name):
        return world.shares(name).reshape(n_days, rows, cols)

    def noise(threshold=1.5):
        red = np.stack([smooth_noise(rng, n_days, rows, cols, 1.2) for _ in range(4)], axis=1)
        return np.maximum(red - threshold, 0)

    def follow(where, gain=3.0, hit=0.9):
        on = np.broadcast_to(where[:, None], (n_days, 4, rows, cols))
        return gain * on * (rng.random(on.shape) < hit) * (0.5 + rng.random(on.shape)) + 0.3 * noise()

    storm, lat = share("storm"), np.repeat(np.arange(rows)[None, :, None], n_days, 0)
    weekday = (np.arange(n_days) % 7 == 2)[:, None, None]
    everywhere = np.ones(storm.shape)
    made = [
        follow(storm > 0.4),
        follow(storm > 0.4, 1.5, 0.6) + noise(1.2),
        follow(maximum_filter(storm, (0, 2, 2)) > 0.4),
        follow(np.roll(storm, cols // 4, axis=2) > 0.4),
        follow(share("land") > 0.4),
        follow(share("belt") > 0.4),
        follow(np.broadcast_to((lat == 4) | (lat == 5), storm.shape)),
        follow(everywhere * weekday, hit=0.3),
        follow(np.broadcast_to(np.arange(cols) % 12 < 2, storm.shape)),
        rng.random((n_days, 4, rows, cols)) + 0.1,
    ]
    made += [noise() for _ in range(n_noise)]
    return np.stack(made, axis=-1).reshape(n_days, -1, len(made)).astype(np.float32)


def mix(h_tnf, seed=0, noise=0.05, d=64):
    """Activations whose features are known, (times, tokens, d) float32, and an autoencoder that has them as its first latents.

    Their directions are not orthogonal, so that no principal component and no difference of means is one of them.
    """
    rng = np.random.default_rng([seed, d])
    n = h_tnf.shape[-1]
    rows_dd = np.linalg.qr(rng.standard_normal((d, d)))[0]
    rows_dd[:n] += 0.8 * rng.standard_normal(d) / np.sqrt(d)
    rows_dd = (rows_dd / np.linalg.norm(rows_dd, axis=1, keepdims=True)).astype(np.float32)
    x_tnd = h_tnf @ rows_dd[:n] + noise * rng.standard_normal((*h_tnf.shape[:-1], d), np.float32) + 2.0
    W_dec, W_enc = (torch.from_numpy(np.ascontiguousarray(each)) for each in (rows_dd, np.linalg.inv(rows_dd)))
    return x_tnd, AuroraSAE.from_tensors(
        {"W_enc": W_enc, "b_enc": torch.full((d,), -6 * noise), "W_dec": W_dec, "b_dec": torch.full((d,), 2.0)}
    )


def source_of(x_tnd, times):
    return Source(list(times), lambda places: (torch.from_numpy(x_tnd[place].copy()) for place in places))
