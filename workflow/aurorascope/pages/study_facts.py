"""The numbers behind a study's word as a reader reads them: each with its unit and what it says."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from aurorascope.pages.study_dates import at_dose_one, by_date, n_edited, touched, touched_words, why_unknown
from aurorascope.studies.finished import FinishedStudy
from aurorascope.studies.verdict import FEWEST_CLUSTERS, FEWEST_CONTROLS, FLOORS, LEAST_EXPOSURE
from aurorascope.studies.wording import (
    change_words,
    edit_words,
    feature_words,
    hours,
    number,
    region_words,
    several,
    unit_of,
    with_unit,
)

_MEANINGS = {
    "diverged_at_step": "A forecast with the change was not finite, so that nothing can be said of its effect.",
    "track lost": "With the change, Aurora's tracker did not find the low: it may be gone, or have moved too far, and there is no number.",
    "no exposure": f"On more than half of the dates the features have less than {100 * LEAST_EXPOSURE:g} % of their own 99th percentile in the region: "
    "too little to say what they do, and no effect was ruled out.",
    "within floor": f"The effect is no more than {FLOORS:g} times what the model's own arithmetic leaves uncertain.",
    "too few controls": f"The effect is beyond the floor, but fewer than {FEWEST_CONTROLS} controls could be found to compare it with.",
    "not beyond controls": "The effect is beyond the floor, but no larger than what 95 % of the controls stay within: other changes of this size do as much.",
    "effect": "The effect is beyond the floor, and larger than what 95 % of the controls stay within.",
}
_NO_INPUT_EXPOSURE = (
    "On more than half of the dates the change lies below the floor or above the clamp of Aurora's encoder everywhere, which sees at most its "
    "logarithm: too little to say what the change does, and no effect was ruled out."
)
# Of what a change within the floor does, and of what was hardly there, these say nothing.
_MOOT = {"within floor": "says nothing: the effect is within the floor", "no exposure": "says nothing: too little was changed"}


@dataclass(frozen=True)
class Fact:
    """One number.

    Attributes:
        name: what it is called.
        value: with its unit.
        note: what it says.
        is_moot: whether it says nothing, given the word.
    """

    name: str
    value: str
    note: str
    is_moot: bool = False


def meaning(study: FinishedStudy, word: str) -> str:
    """What a study's word means, in a sentence; of too little exposure also how many tokens were moved all the same."""
    if word != "no exposure":
        return _MEANINGS[word]
    return _NO_INPUT_EXPOSURE if study.changes_inputs else f"{_MEANINGS[word]} The edit moved {touched_words(study)}."


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
    unit, at_one, moot = unit_of(asked), at_dose_one(study, str(asked["name"])), _MOOT.get(verdict["word"])
    is_feature = asked["kind"] == "feature"
    found = [
        Fact("Effect", with_unit(verdict["effect"], unit), f"changed minus clean forecast at dose 1, mean over {_count(verdict['n_dates'], 'date')}"),
        Fact("Floor", with_unit(verdict["floor"], unit), "what a second clean run differs by, or one rounding of the forecast if that is more"),
        Fact("95 % of controls stay within", "not known: no controls" if verdict["controls_95"] is None else f"± {with_unit(verdict['controls_95'], unit)}", _controls(verdict)),
        Fact("p", f"{number(verdict['p'])} (no unit)", "one more than the controls that do as much, over one more than all; it describes and tests nothing"),
        _interval(verdict, at_one, unit),
        Fact("Slope", with_unit(verdict["slope"], f"{unit} by dose"), "of a line through 0, over all doses"),
        Fact("Antisymmetry", with_unit(verdict["antisymmetry"], "(no unit)"), moot or "0: the reverse does the opposite; 1: it does the same, or nothing", bool(moot)),
        Fact("Linear to", _linear(verdict, study.changes_inputs), moot or "as far as effects are within a tenth, or the floor, of what the smallest dose says", bool(moot)),
    ]
    if not is_feature:
        per = "by normalised unit of the change" if study.changes_inputs else "by spread of the block's tokens"
        share = verdict["on_target"]
        found += [
            Fact("On target", f"not known{why_unknown(at_one, 'd2')}" if share is None else f"{number(100 * share)} %", "of the squared change of all fields, what is in the outcome's own fields and region"),
            Fact("Collateral", f"not known{why_unknown(at_one, 'size')}" if verdict["collateral"] is None else f"{number(verdict['collateral'])} clean tendencies {per}", "root of the rest of that change, summed over fields"),
        ]
    exposed = "the encoder sees the change" if study.changes_inputs else "the features are on enough in the region"
    found.append(Fact("Exposed", f"{verdict['n_exposed']} of {_count(verdict['n_dates'], 'date')}", f"dates on which {exposed}"))
    if not study.changes_inputs:
        steps = " and edited steps" if n_edited(study) > 1 else ""
        counts = {date: f"{number(moved)} of {number(held)}" for date, (moved, held) in touched(study).items()}
        found.append(Fact("Moved", touched_words(study), f"mean over dates{steps}; {by_date(counts)}"))
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


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def _controls(verdict: Mapping[str, Any]) -> str:
    if "n_by_kind" in verdict:
        names = {"moved": "same change further east", "other": "other variables", "noise": "red noise"}
        return ", ".join(f"{names.get(kind, kind)}: {n}" for kind, n in verdict["n_by_kind"].items())
    return f"{_count(verdict['n_controls'], 'matched feature')} and {_count(verdict['n_directions'], 'random direction')}, at dose 1"


def _interval(verdict: Mapping[str, Any], at_one: pd.DataFrame, unit: str) -> Fact:
    clusters = f"{_count(verdict['n_clusters'], 'cluster')} of dates"
    if verdict["n_clusters"] < FEWEST_CLUSTERS or not verdict["interval"]:
        effects = dict(zip(at_one["date"], at_one["effect"].astype(float), strict=True))
        note = f"effect on each at dose 1; {clusters}, too few for an interval"
        return Fact("By date", by_date({date: with_unit(effect, unit) for date, effect in effects.items()}, effects), note)
    low, high = verdict["interval"]
    return Fact("95 % interval", f"{number(low)} to {with_unit(high, unit)} ({clusters})", "from clusters of dates drawn again, ten days or more apart")


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
            found.append(Fact(name, with_unit(parts[key], unit) + words, f"{note}, in the first step"))
    return found
