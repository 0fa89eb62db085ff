"""SAEs that nobody should use as they are, and why."""

from collections.abc import Iterable
from typing import Any

from aurorascope.notices import shortened

# A dictionary that fires this many times as much, or as little, as was asked for is another dictionary.
_MISSED = 2.0
# A share of features that are active for no held-out token.
_MOST_DEAD = 0.5
_SHOWN = 4
_NOT_TO_BE_USED, _ONE_MOMENT = "not to be used as they are", "trained on one snapshot"
# How the flags of this module begin.
UNFIT = (_NOT_TO_BE_USED, _ONE_MOMENT)


def faults(sae: dict[str, Any], evaluation: dict[str, Any]) -> list[str]:
    """What is wrong with one SAE, in words, from its record and that of its evaluation."""
    found, metrics = [], evaluation["metrics"]
    if metrics["fve"] < 0:
        found.append(f"explains less than the mean activation does, FVE {metrics['fve']:.3g}")
    target = sae["training"]["target_l0"]
    if target and not target / _MISSED <= metrics["l0"] <= target * _MISSED:
        found.append(f"L0 {metrics['l0']:.3g} where {target:g} was asked for")
    if metrics["frac_dead"] > _MOST_DEAD:
        found.append(f"{metrics['frac_dead']:.0%} of its features are dead")
    return found


def quality_flags(pairs: Iterable[tuple[dict[str, Any], dict[str, Any]]], n_train: int) -> list[str]:
    """Flags of a suite: SAEs with faults, counted and named, and a training set of one snapshot."""
    bad = {sae["block"]: found for sae, evaluation in pairs if (found := faults(sae, evaluation))}
    flags = []
    if bad:
        named = [f"{block} ({', '.join(found)})" for block, found in bad.items()]
        flags.append(f"{_NOT_TO_BE_USED}, {len(bad)} SAEs: {'; '.join(shortened(named, 'SAEs', _SHOWN))}")
    if n_train == 1:
        flags.append(f"{_ONE_MOMENT}: the features of one moment")
    return flags
