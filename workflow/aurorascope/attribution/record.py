"""The table and record of one block's attribution, from what was found on each date; pure functions."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from aurorascope.attribution.agreement import agreement, quotient, word
from aurorascope.attribution.checks import Checked
from aurorascope.attribution.entries import Coding
from aurorascope.attribution.parts import Effects

_AT_MEAN = "the change of y with the block at its position mean"


def table_of(
    coding: Coding, dates: Sequence[str], effects: Mapping[str, Effects], features: np.ndarray, checks: Mapping[str, Checked]
) -> pd.DataFrame:
    """One row a feature, in the order of their numbers, + before -.

    Args:
        coding: of the features.
        dates: ascending.
        effects: by date.
        features: numbers of those that were ablated exactly.
        checks: by date; empty where nothing was checked.

    Returns:
        feature (latent), sign, effect (mean over dates), effect_by_date, exact (mean over dates, null where it was not ablated or a
        forecast was not finite), exact_by_date (null where it was not ablated), n_active (tokens of all dates that it is on at), density
        (their share) and active_mean (its mean there, null where it is never on).
    """
    parts, ids = [effects[date].projected for date in dates], np.arange(coding.n)
    by_date_df = np.stack([part.effect_f for part in parts])
    n_active_f, sum_f = (sum(getattr(part, name) for part in parts) for name in ("n_active_f", "sum_f"))
    exact_f, exact_by_date = np.full(coding.n, np.nan), [None] * coding.n
    if checks:
        exact_dk = np.stack([checks[date].exact_k for date in dates])
        exact_f[features] = exact_dk.sum(axis=0) / len(dates)
        for at, feature in enumerate(features.tolist()):
            exact_by_date[feature] = exact_dk[:, at]
    return pd.DataFrame({
        "feature": coding.latent(ids).astype(np.int32),
        "sign": coding.sign(ids).astype(np.int8),
        "effect": mean_effect(dates, effects),
        "effect_by_date": list(by_date_df.T),
        "exact": exact_f,
        "exact_by_date": exact_by_date,
        "n_active": n_active_f,
        "density": n_active_f / sum(part.n_tokens for part in parts),
        "active_mean": np.divide(sum_f, n_active_f, out=np.full(coding.n, np.nan), where=n_active_f > 0),
    })


def mean_effect(dates: Sequence[str], effects: Mapping[str, Effects]) -> np.ndarray:
    """Mean over dates of each feature's effect, float64."""
    return np.stack([effects[date].projected.effect_f for date in dates]).sum(axis=0) / len(dates)


def summary_of(
    dates: Sequence[str], effects: Mapping[str, Effects], features: np.ndarray, checks: Mapping[str, Checked]
) -> dict[str, Any]:
    """What the record says of it, JSON; arguments as of `table_of`."""
    by_date = {}
    for date in dates:
        part, check = effects[date], checks.get(date)
        by_date[date] = {
            "y": part.y,
            "floor": part.floor,
            **_sums(part.projected.effect_f, part.projected.total),
            **_complete(part.projected.total, check.at_mean if check else None, part.floor),
            "agreement": agreement(part.projected.effect_f[features], check.exact_k, check.floor) if check else None,
        }
    n, first = len(dates), effects[dates[0]].projected
    total, floor = (sum(each) / n for each in ([effects[d].projected.total for d in dates], [effects[d].floor for d in dates]))
    at_mean = sum(checks[date].at_mean for date in dates) / n if checks else None
    exact_k = np.stack([checks[date].exact_k for date in dates]).sum(axis=0) / n if checks else None
    effect_f = mean_effect(dates, effects)
    found = None if exact_k is None else agreement(effect_f[features], exact_k, floor)
    return {
        "n_tokens": first.n_tokens,
        "n_features": len(effect_f),
        "n_active_features": int((sum(effects[date].projected.n_active_f for date in dates) > 0).sum()),
        "y": sum(effects[date].y for date in dates) / n,
        "floor": floor,
        **_sums(effect_f, total),
        **_complete(total, at_mean, floor),
        "n_exact": len(features) if checks else 0,
        "agreement": found,
        "word": word(found),
        "by_date": by_date,
    }


def _sums(effect_f: np.ndarray, total: float) -> dict[str, float]:
    of_features = float(effect_f.sum())
    return {"total": total, "features": of_features, "error": total - of_features, "absolute": float(np.abs(effect_f).sum())}


def _complete(total: float, at_mean: float | None, floor: float) -> dict[str, Any]:
    """Completeness: effects of all features and the error node over the change of y with the block at its position mean."""
    if at_mean is None:
        return {"at_mean": None, "completeness": None, "why_no_completeness": "no forecast of the block's position mean was asked for"}
    found, why = quotient(total, at_mean, floor, _AT_MEAN)
    return {"at_mean": at_mean if np.isfinite(at_mean) else None, "completeness": found, "why_no_completeness": why}
