"""What is drawn of features: a histogram of each that is on, and maps of those that have a label or are strongest."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from aurorascope.atlas.counts import total_counts
from aurorascope.atlas.ids import feature_ids
from aurorascope.atlas.naming import Name
from aurorascope.atlas.score import Scored
from aurorascope.atlas.splits import SELECT
from aurorascope.errors import UserError

# Tokens whose position means of all features are in memory at once.
_TOKENS_AT_ONCE = 4096


@dataclass(frozen=True)
class MapSettings:
    """Which features have maps.

    Attributes:
        strongest: features with the largest values, beside those that have a label.
    """

    strongest: int = 256

    def __post_init__(self) -> None:
        """Refuse less than none."""
        if self.strongest < 0:
            raise UserError("atlas setting strongest", "0 or more", str(self.strongest), "set 256")

    def as_dict(self) -> dict[str, Any]:
        """Name and value of each, as the record has them."""
        return asdict(self)


def mapped_features(scored: Scored, names: list[Name] | None, settings: MapSettings) -> np.ndarray:
    """Places of the features that have maps, ascending, int64: the labelled ones, and those with the largest values.

    Of equal values the lower place comes first; a feature that is never on has no map.
    """
    peak_f = scored.entries.peaks(scored.used).astype(np.float32)
    strongest = np.argsort(-peak_f, kind="stable")[: settings.strongest]
    labelled = [place for place, name in enumerate(names or ()) if name.label]
    chosen = np.union1d(strongest, np.array(labelled, np.int64)).astype(np.int64)
    return chosen[peak_f[chosen] > 0]


def maps_table(scored: Scored, names: list[Name] | None, signed: bool, settings: MapSettings) -> pd.DataFrame:
    """A row for each feature that is on for some token in use.

    Returns:
        Columns feature, sign, time (of the snapshot with its largest value); edges, 65 float64 in the features' units for 64 bins,
        the first 0; histogram, share of the area, over all levels and the dates that choose (all in use where there are
        too few), whose value lies in each bin, so that their sum is the density; mean and strongest, float32, the position
        means and the values at `time` of all tokens, level outermost, then rows from the north, then columns; None without a map.
    """
    entries, bins, unit = scored.entries, scored.bins, scored.entries.scale
    chosen = scored.used if scored.splits.reason else scored.splits.of(SELECT)
    area_p = scored.labels.plane.area_p
    whole = float(area_p.sum()) * entries.n_levels * len(chosen)
    share_fb = total_counts(entries, bins, chosen, area_p).sum(axis=0) / whole
    alive = np.flatnonzero(entries.peaks(scored.used) > 0)
    when = scored.used[entries.peak_sf[scored.used].argmax(axis=0)]
    mapped = mapped_features(scored, names, settings)
    mean_nm, strongest_nm = _means(scored.anomalies.mean_nf, mapped), _at_strongest(scored, mapped, when)
    step = np.arange(bins.n)
    rows = []
    for feature in alive.tolist():
        edges = np.append(bins.thresholds(np.full(bins.n, feature), step), bins.thresholds(np.array([feature]), np.array([bins.n])))
        place = int(np.searchsorted(mapped, feature))
        has_map = place < len(mapped) and mapped[place] == feature
        rows.append({
            "time": scored.labels.times[int(when[feature])],
            "edges": edges * unit,
            "histogram": share_fb[feature],
            "mean": mean_nm[:, place] * np.float32(unit) if has_map else None,
            "strongest": strongest_nm[:, place] * np.float32(unit) if has_map else None,
        })
    ids = feature_ids(entries.n_features, signed).iloc[alive].reset_index(drop=True)
    return pd.concat([ids, pd.DataFrame(rows, columns=["time", "edges", "histogram", "mean", "strongest"])], axis=1)


def _means(mean_nf: np.ndarray, mapped: np.ndarray) -> np.ndarray:
    """Position means of some features, (tokens, features), read piece by piece: the whole lies in a file."""
    parts = [mean_nf[first : first + _TOKENS_AT_ONCE][:, mapped] for first in range(0, len(mean_nf), _TOKENS_AT_ONCE)]
    return np.concatenate(parts).astype(np.float32)


def _at_strongest(scored: Scored, mapped: np.ndarray, when: np.ndarray) -> np.ndarray:
    """Value of some features at every token of the snapshot with their largest value, (tokens, features) float32."""
    entries = scored.entries
    found = np.zeros((entries.n_tokens, len(mapped)), np.float32)
    for snapshot in np.unique(when[mapped]).tolist():
        column = np.full(entries.n_features, -1)
        here = np.flatnonzero(when[mapped] == snapshot)
        column[mapped[here]] = here
        rows = entries.rows(int(snapshot), 0, entries.n_tokens)
        wanted = np.flatnonzero(column[rows.feature] >= 0)
        token = np.searchsorted(rows.ends, wanted, "right") - 1
        found[token, column[rows.feature[wanted]]] = rows.value[wanted]
    return found
