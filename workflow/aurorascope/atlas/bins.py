"""Thresholds of a feature: evenly spaced in the logarithm, on one ladder for all features, found by looking values up.

Bin b of B holds values from the threshold b on to the next one. The topmost is that of the feature's largest value on the
split that chooses; bin 0 also holds all that is lower, so that its threshold means "on at all".
"""

from dataclasses import dataclass

import numpy as np

from aurorascope.atlas.settings import AtlasSettings

_PATTERNS = np.arange(1 << 16, dtype=np.uint16).view(np.float16)


@dataclass(frozen=True)
class Bins:
    """The bins of each feature.

    Attributes:
        n: bins of a feature.
        per_octave: steps of the ladder to a factor of two.
        top_f: step of each feature's largest value, int16.
    """

    n: int
    per_octave: int
    top_f: np.ndarray

    @classmethod
    def of(cls, peak_f: np.ndarray, settings: AtlasSettings) -> "Bins":
        """From each feature's largest value, float16; 0 where it is never on."""
        per_octave = settings.bins // settings.octaves
        return cls(settings.bins, per_octave, _steps(per_octave)[peak_f.view(np.uint16)])

    def codes(self, values: np.ndarray, features: np.ndarray) -> np.ndarray:
        """Bin of each value of a feature, int64."""
        step = _steps(self.per_octave)[values.view(np.uint16)].astype(np.int64)
        step -= self.top_f[features]
        step += self.n - 1
        return np.clip(step, 0, self.n - 1, out=step)

    def thresholds(self, features: np.ndarray, bins: np.ndarray) -> np.ndarray:
        """Threshold of some bins of some features, float64; 0 for bin 0, which is above no value that is on."""
        steps = self.top_f[features].astype(np.float64) - (self.n - 1) + bins
        return np.where(bins == 0, 0.0, 2.0 ** (steps / self.per_octave))


def _steps(per_octave: int) -> np.ndarray:
    """Step of the ladder that each float16 has reached, by its bits, int16: the largest i with 2^(i / per_octave) <= value."""
    with np.errstate(all="ignore"):
        # Powers of two, where rounding could matter, have exact logarithms.
        steps = np.floor(np.log2(_PATTERNS.astype(np.float64)) * per_octave)
    return np.where(np.isfinite(steps), steps, np.iinfo(np.int16).min // 2).astype(np.int16)
