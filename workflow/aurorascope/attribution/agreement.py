"""Words and numbers that an attribution is judged by; pure functions. A quotient whose denominator says nothing is null, with a reason."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

TRUSTED = 0.5
"""Correlation of attributions with exact effects below which gradients are not trusted."""
FLOORS = 10
"""Roundings of the forecast that a denominator must reach."""

NOT_TRUSTED, IS_TRUSTED, UNKNOWN = "gradient not trusted", "trusted", "not checked"


def quotient(numerator: float, denominator: float, floor: float, what: str) -> tuple[float | None, str | None]:
    """A quotient of differences of y; None and a reason where it says nothing.

    Args:
        numerator: of the quotient.
        denominator: a difference of two y.
        floor: what one rounding of the forecast amounts to.
        what: words for the denominator.
    """
    if not (math.isfinite(numerator) and math.isfinite(denominator)):
        return None, f"{what} is not finite"
    if not abs(denominator) >= FLOORS * floor or denominator == 0:
        return None, f"{what} is below {FLOORS} roundings of the forecast ({abs(denominator):.3g} < {FLOORS * floor:.3g})"
    return numerator / denominator, None


def agreement(effect_k: Sequence[float], exact_k: Sequence[float], floor: float) -> dict[str, Any]:
    """How attributions agree with exact effects.

    Args:
        effect_k: attributions of some features.
        exact_k: their exact effects, NaN where there is none.
        floor: an exact effect below `FLOORS` of it has no sign.

    Returns:
        n, correlation (Pearson's), slope (of exact effects over attributions, least squares through the origin), sign_agreement (share of
        the n_signed features whose exact effect reaches the floors), each None where it says nothing, and `why` by its name.
    """
    effect, exact = np.asarray(effect_k, np.float64), np.asarray(exact_k, np.float64)
    is_known = np.isfinite(exact) & np.isfinite(effect)
    effect, exact = effect[is_known], exact[is_known]
    n, why = len(effect), {}
    is_signed = np.abs(exact) >= FLOORS * floor
    signed = int(is_signed.sum())
    found: dict[str, Any] = {"n": n, "n_signed": signed}
    square = float((effect * effect).sum())
    found["slope"] = float((effect * exact).sum()) / square if square > 0 else None
    centred, other = effect - effect.sum() / max(n, 1), exact - exact.sum() / max(n, 1)
    spread = math.sqrt(float((centred**2).sum())) * math.sqrt(float((other**2).sum()))
    found["correlation"] = float((centred * other).sum()) / spread if n > 2 and spread > 0 and signed else None
    found["sign_agreement"] = float((np.sign(effect) == np.sign(exact))[is_signed].sum()) / signed if signed else None
    if found["slope"] is None:
        why["slope"] = "no feature has an attribution"
    if not signed:
        why["correlation"] = why["sign_agreement"] = f"no exact effect reaches {FLOORS} roundings of the forecast"
    elif found["correlation"] is None:
        why["correlation"] = "fewer than 3 features were ablated" if n <= 2 else "attributions or exact effects are all the same"
    return {**found, "why": why}


def word(found: dict[str, Any] | None) -> str:
    """Whether an agreement says that attributions are to be trusted; None where nothing was ablated."""
    if found is None or found["correlation"] is None:
        return UNKNOWN
    return NOT_TRUSTED if found["correlation"] < TRUSTED else IS_TRUSTED


def strongest(effect_f: np.ndarray, n: int) -> np.ndarray:
    """Features of the largest effects in magnitude, strongest first, of equal ones the first; none without an effect."""
    order = np.argsort(-np.abs(effect_f), kind="stable")[:n]
    return order[effect_f[order] != 0]
