"""A block's responses over dates, doses and controls as one table: which features respond, how surely, how linearly, and to what else."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from aurorascope.atlas.ids import feature_ids
from aurorascope.errors import UserError
from aurorascope.perturbations.responses import Response, of_region
from aurorascope.perturbations.significance import benjamini_hochberg, date_groups, flip_p

DOSES = (-0.5, -0.1, 0.1, 0.5)
"""Doses e that linearity is judged on."""


def linearity(doses: Sequence[float], change_ef: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How far responses are a slope times the dose, each (features,) float64, NaN for a feature that never responds.

    Args:
        doses: e of each response, none 0.
        change_ef: the responses, (doses, features).

    Returns:
        The slope sum(e d) / sum(e^2) of the line through nothing; r2 = 1 - sum (d - slope e)^2 / sum d^2, 1 for a line; and the
        asymmetry sum |d(e) + d(-e)| / sum (|d(e)| + |d(-e)|) over doses that are there with both signs, 0 where the reverse has the
        opposite response and 1 where it has the same, or none. NaN without such a pair.
    """
    e, change_ef = np.asarray(doses, np.float64)[:, None], np.asarray(change_ef, np.float64)
    slope_f = (e * change_ef).sum(axis=0) / (e**2).sum()
    total_f = (change_ef**2).sum(axis=0)
    responds_f = total_f > 0
    rest_f = ((change_ef - slope_f * e) ** 2).sum(axis=0)
    r2_f = np.divide(rest_f, total_f, out=np.full(total_f.shape, np.nan), where=responds_f)
    even_f, size_f = np.zeros(total_f.shape), np.zeros(total_f.shape)
    by_dose = dict(zip(doses, change_ef, strict=True))
    for dose in sorted(each for each in by_dose if each > 0 and -each in by_dose):
        even_f += np.abs(by_dose[dose] + by_dose[-dose])
        size_f += np.abs(by_dose[dose]) + np.abs(by_dose[-dose])
    asymmetry_f = np.divide(even_f, size_f, out=np.full(total_f.shape, np.nan), where=size_f > 0)
    return np.where(responds_f, slope_f, np.nan), 1 - r2_f, asymmetry_f


def score(
    responses: Mapping[float, Sequence[Response]], controls: Mapping[str, Sequence[Response]], *,
    region: str, dose: float, signed: bool, control_regions: Mapping[str, str] | None = None, apart_days: float = 1.0, seed: int = 0,
) -> pd.DataFrame:
    """One row a latent level and feature of a block, level outermost.

    Args:
        responses: responses of the block on the same dates, in any order, by dose; `dose` among them.
        controls: responses to each control at `dose`, on the same dates, by its name.
        region: where responses are scored.
        dose: the dose that means, signs and p are of.
        signed: whether the SAE tells signs apart, so that a latent is two features.
        control_regions: the region that a control is scored in where it is another, such as the same one 90 degrees east.
        apart_days: dates nearer than this have their signs flipped together (`significance.date_groups`).
        seed: of the random sign flips, with more than 12 groups of dates.

    Returns:
        level, feature, sign; `mean`, over dates, of the clean feature in the region; `spread`, its standard deviation over dates;
        `change`, the mean response; `z` = change / spread, NaN where the feature does not vary; `agree`, the share of dates whose
        response has the sign of `change`; `p` and `q` by sign flips of dates, q over the features that respond on some date, 1 for
        others; `slope`, `r2` and `asymmetry` over doses; for each control `change_<name>`; and `beyond_controls`, whether |change|
        is larger than every control's.

    Raises:
        UserError: the dose is not among the responses, or doses and controls are not of the same dates.
    """
    if dose not in responses:
        raise UserError("responses", f"some at dose {dose:g}", ", ".join(f"{each:g}" for each in responses) or "none", "run that dose too")
    sets = {f"dose {each:g}": of_region(list(found), region) for each, found in responses.items()}
    where = dict(control_regions or {})
    sets |= {name: of_region(list(found), where.get(name, region)) for name, found in controls.items()}
    main = sets[f"dose {dose:g}"]
    times = [response.time for response in main]
    for name, found in sets.items():
        if [response.time for response in found] != times or len(set(times)) != len(times) or not times:
            raise UserError(f"responses of {name}", f"one of each of {', '.join(times) or 'no time'}", f"{len(found)}", "run the same dates")
    change = {name: np.stack([response.change_rlf.reshape(-1) for response in found]) for name, found in sets.items()}
    clean_df = np.stack([response.clean_rlf.reshape(-1) for response in main])
    change_df = change[f"dose {dose:g}"]
    mean_f, effect_f = _mean(clean_df), _mean(change_df)
    spread_f = np.sqrt(_mean((clean_df - mean_f) ** 2) * len(times) / (len(times) - 1)) if len(times) > 1 else np.full(len(mean_f), np.nan)
    p_f, responds_f = flip_p(change_df, date_groups(times, apart_days), seed), (change_df != 0).any(axis=0)
    q_f = np.ones(len(p_f))
    q_f[responds_f] = benjamini_hochberg(p_f[responds_f])
    doses = sorted(responses)
    slope_f, r2_f, asymmetry_f = linearity(doses, np.stack([_mean(change[f"dose {each:g}"]) for each in doses]))
    n_levels, n_features = main[0].change_rlf.shape[1:]
    ids = feature_ids(n_features, signed)
    columns = {
        "level": np.repeat(np.arange(n_levels, dtype=np.int8), n_features),
        "feature": np.tile(ids["feature"], n_levels), "sign": np.tile(ids["sign"], n_levels),
        "mean": mean_f, "spread": spread_f, "change": effect_f,
        "z": np.divide(effect_f, spread_f, out=np.full(len(p_f), np.nan), where=spread_f > 0),
        "agree": _mean((np.sign(change_df) == np.sign(effect_f)) & (effect_f != 0)),
        "p": p_f, "q": q_f, "slope": slope_f, "r2": r2_f, "asymmetry": asymmetry_f,
    }
    largest_f = np.zeros(len(p_f))
    for name in controls:
        columns[f"change_{name}"] = _mean(change[name])
        largest_f = np.maximum(largest_f, np.abs(columns[f"change_{name}"]))
    return pd.DataFrame(columns | {"beyond_controls": np.abs(effect_f) > largest_f})


def _mean(values_df: np.ndarray) -> np.ndarray:
    """Mean over dates, one after the other in the order of time."""
    return np.add.reduce(values_df, axis=0, dtype=np.float64) / len(values_df)
