"""The numbers behind a study's word as a reader reads them: each with its unit and what it says."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aurorascope.studies.finished import FinishedStudy
from aurorascope.studies.verdict import FEWEST_CONTROLS, FLOORS, LEAST_EXPOSURE
from aurorascope.studies.wording import (
    change_words,
    edit_words,
    feature_words,
    hours,
    number,
    region_words,
    several,
    unit_of,
)

_MEANINGS = {
    "diverged_at_step": "A forecast with the change was not finite, so that nothing can be said of its effect.",
    "track lost": "With the change, Aurora's tracker did not find the low: it may be gone, or have moved too far, and there is no number.",
    "no exposure": f"On more than half of the dates the features have less than {LEAST_EXPOSURE:.0%} of their own 99th percentile in the region: "
    "nothing was tested, and no effect was ruled out.",
    "within floor": f"The effect is no more than {FLOORS:g} times what the model's own arithmetic leaves uncertain.",
    "too few controls": f"The effect is beyond the floor, but fewer than {FEWEST_CONTROLS} controls could be found to compare it with.",
    "not beyond controls": "The effect is beyond the floor, but no larger than what 95 % of the controls stay within: other changes of this size do as much.",
    "effect": "The effect is beyond the floor, and larger than what 95 % of the controls stay within.",
}
_NO_INPUT_EXPOSURE = (
    "On more than half of the dates the change lies below the floor or above the clamp of Aurora's encoder everywhere: nothing was tested."
)


@dataclass(frozen=True)
class Fact:
    """One number.

    Attributes:
        name: what it is called.
        value: with its unit.
        note: what it says.
    """

    name: str
    value: str
    note: str


def meaning(word: str, changes_inputs: bool) -> str:
    """What a study's word means, in a sentence."""
    return _NO_INPUT_EXPOSURE if changes_inputs and word == "no exposure" else _MEANINGS[word]


def question(study: FinishedStudy) -> str:
    """What a study asks, in words: what is changed, where, when, and what is looked at."""
    asked, record = study.asked, study.record
    names = several([str(outcome["name"]) for outcome, _ in study.outcomes])
    end = f"what becomes of {names} in the forecast {hours(study.steps)} later?"
    if study.changes_inputs:
        return f"If in Aurora's input {several([change_words(each) for each in asked['perturb']])}, {end}"
    edit = edit_words(asked["edit"], len(record["features"]))
    return f"If {feature_words(record['features'])} of block {record['block']} {edit}, {region_words(asked.get('region'))}, {end}"


def facts(study: FinishedStudy, asked: Mapping[str, Any], verdict: Mapping[str, Any]) -> list[Fact]:
    """The numbers of one outcome.

    Args:
        study: a finished study.
        asked: what was asked of the outcome.
        verdict: what came of it.
    """
    unit = unit_of(asked)
    is_feature = asked["kind"] == "feature"
    found = [
        Fact("Effect", _with(verdict["effect"], unit), f"changed minus clean forecast at dose 1, mean over {_count(verdict['n_dates'], 'date')}"),
        Fact("Floor", _with(verdict["floor"], unit), "what a second clean run differs by, or one rounding of the forecast if that is more"),
        Fact("95 % of controls stay within", "not known: no controls" if verdict["controls_95"] is None else f"± {_with(verdict['controls_95'], unit)}", _controls(verdict)),
        Fact("p", f"{number(verdict['p'])} (no unit)", "one more than the controls that do as much, over one more than all; it describes and tests nothing"),
        Fact("95 % interval", _interval(verdict, unit), "from clusters of dates drawn again, ten days or more apart"),
        Fact("Slope", f"{_with(verdict['slope'], unit)} by dose", "of a line through 0, over all doses"),
        Fact("Antisymmetry", f"{number(verdict['antisymmetry'])} (no unit)", "0: the reverse does the opposite; 1: it does the same, or nothing"),
        Fact("Linear to", _linear(verdict, study.changes_inputs), "as far as effects are within a tenth, or the floor, of what the smallest dose says"),
    ]
    if not is_feature:
        per = "by normalised unit of the change" if study.changes_inputs else "by spread of the block's tokens"
        share = verdict["on_target"]
        found += [
            Fact("On target", "not known" if share is None else f"{number(100 * share)} %", "of the squared change of all fields, what is in the outcome's own fields and region"),
            Fact("Collateral", f"{number(verdict['collateral'])} clean tendencies {per}", "root of the rest of that change, summed over fields"),
        ]
    exposed = "the encoder sees the change" if study.changes_inputs else "the features are on enough in the region"
    found.append(Fact("Exposed", f"{verdict['n_exposed']} of {_count(verdict['n_dates'], 'date')}", f"dates on which {exposed}"))
    found += _parts(verdict, unit)
    if "n_lost" in verdict:
        lost = ", ".join(f"{kind.replace('_', ' ')}: {n}" for kind, n in verdict["n_lost"].items() if n)
        found.append(Fact("Track lost", lost or "in no run", "runs in which the low was not found in the last step, by kind of arm"))
    if verdict.get("sign_as_expected") is not None:
        wanted = "above 0" if study.asked["expected_sign"] > 0 else "below 0"
        found.append(Fact("Sign as expected", "yes" if verdict["sign_as_expected"] else "no", f"an effect {wanted} was expected"))
    return found


def exploratory(verdict: Mapping[str, Any]) -> str | None:
    """What to say of a study with few dates."""
    if not verdict["is_exploratory"]:
        return None
    return f"Exploratory: {_count(verdict['n_clusters'], 'cluster')} of dates. With fewer than 20, what holds on these dates may not hold on others."


def _with(value: float | None, unit: str) -> str:
    found = number(value)
    return found if found == "not known" else f"{found} {unit}"


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def _controls(verdict: Mapping[str, Any]) -> str:
    if "n_by_kind" in verdict:
        names = {"moved": "same change further east", "other": "other variables", "noise": "red noise"}
        return ", ".join(f"{names.get(kind, kind)}: {n}" for kind, n in verdict["n_by_kind"].items())
    return f"{_count(verdict['n_controls'], 'matched feature')} and {_count(verdict['n_directions'], 'random direction')}, at dose 1"


def _interval(verdict: Mapping[str, Any], unit: str) -> str:
    clusters = f"{_count(verdict['n_clusters'], 'cluster')} of dates"
    if not verdict["interval"]:
        return f"none ({clusters})"
    low, high = verdict["interval"]
    return f"{number(low)} to {_with(high, unit)} ({clusters})"


def _linear(verdict: Mapping[str, Any], changes_inputs: bool) -> str:
    size, unit = ("linear_to_size", "normalised units") if changes_inputs else ("linear_to_norms", "norms of the token")
    if not verdict["linear_to_dose"]:
        return "no dose"
    throughout = ", all that were made" if verdict["is_linear_throughout"] else ""
    return f"dose {number(verdict['linear_to_dose'])}{throughout} ({number(verdict.get(size))} {unit})"


def _parts(verdict: Mapping[str, Any], unit: str) -> list[Fact]:
    """What the output skip carries and what the backbone does, of a change of inputs."""
    parts = verdict.get("parts") or {}
    names = {"carry": ("Carry", "what Aurora's output takes over from the input, past all blocks"), "backbone": ("Backbone", "what the blocks do")}
    found = []
    for key, (name, note) in names.items():
        if parts.get(key) is not None:
            share = parts.get(f"{key}_share")
            words = "" if share is None else f" ({number(100 * share)} % of the effect)"
            found.append(Fact(name, _with(parts[key], unit) + words, f"{note}, in the first step"))
    return found
