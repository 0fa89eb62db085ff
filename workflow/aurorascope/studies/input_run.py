"""Run a study of changed inputs: every date with every arm, a word for what came of it, and which features responded."""

import contextlib
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from aurora import AuroraAirPollution

from aurorascope.notices import shortened
from aurorascope.perturbations.inputs import Inputs
from aurorascope.perturbations.scores import score
from aurorascope.sae.architectures import RELEASED
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.studies.fields import Field
from aurorascope.studies.input_arms import InputPlan, plan_input_study
from aurorascope.studies.input_checks import check_input_study
from aurorascope.studies.input_measure import REGION, InputDate, InputMeasured
from aurorascope.studies.input_study import InputStudy
from aurorascope.studies.input_verdict import judge_input
from aurorascope.studies.results import digest_of, plain

Done = Mapping[tuple[str, str], InputMeasured]
"""By date and name of arm."""


_WARNED = 3


class UnseenWarning(UserWarning):
    """A change of inputs of which the encoder sees a part only."""


@dataclass(frozen=True, eq=False)
class InputStudyResult:
    """What came of a study of changed inputs.

    Attributes:
        effects: one row a date, arm, step and outcome; `carry` and `backbone` are the parts of the first step's effect, of the change
            and its reverse.
        responses: one row a block, latent level and feature, as `perturbations.score` has it, with `change_noise`, the largest of all
            draws' changes in size, in place of a column a draw. Responses to the same change further east are those in its region
            there: they say whether a feature asks where it is, and have no part in `beyond_controls`. Empty where no block was named.
        reach: one row a date and block: how large the whole change is there, and how far it reaches (`perturbations.Reach.blocks`).
        rings: one row a date, block and ring of distance (`perturbations.Reach.rings`).
        maps: by date, `total`, `carry` and `backbone`, the forecast's change in the first step at dose 1 and its parts, by variable and
            level (None at the surface), (rows, columns) float32, for the fields that outcomes read.
        summary: verdicts, parts, sizes, what the checks said, arms that there are not and why; what JSON holds, None for numbers that
            are not finite.
    """

    effects: pd.DataFrame
    responses: pd.DataFrame
    reach: pd.DataFrame
    rings: pd.DataFrame
    maps: dict[str, dict[str, dict[Field, np.ndarray]]]
    summary: dict[str, Any]

    def digest(self) -> str:
        """SHA-256 over the bytes of all numbers and names, to compare two runs."""
        fields = {f"{date} {part} {field}": map_yx for date, parts in self.maps.items() for part, found in parts.items() for field, map_yx in found.items()}
        return digest_of(self.summary, (self.effects, self.responses, self.reach, self.rings), fields)


def run_input_study(
    study: InputStudy, model: AuroraAirPollution, saes: Mapping[str, AuroraSAE], inputs_by_date: Mapping[str, Inputs], *,
    mean: xr.Dataset | None = None, labels: Path | None = None, done: Done | None = None,
    keep: Callable[[tuple[str, str], InputMeasured], None] | None = None, scratch: Path | None = None,
) -> InputStudyResult:
    """Run every arm on every date.

    Args:
        study: what is asked.
        model: the model, in eval mode.
        saes: SAEs by block id, of the blocks whose responses are wanted and those of outcomes that are features.
        inputs_by_date: inputs by date `YYYY-MM-DD`, all on one grid.
        mean: what variables are on average, as `perturbations.position_mean` has it; needed by a replacement.
        labels: folder of days of labels, where an outcome's region has a label.
        done: what an interrupted run kept, which is not run again.
        keep: called with date and name of each arm that has run, and what was measured, for a later `done`.
        scratch: folder where the clean forecasts of one date wait; None for the system's.

    Raises:
        UserError: what `plan_input_study` and `check_input_study` refuse, before any forward.

    Warns:
        UnseenWarning: the encoder sees a part of the change only; before any forward.
    """
    plan = plan_input_study(study, inputs_by_date, mean)
    check_input_study(study, model, saes, inputs_by_date, labels)
    for line in shortened(plan.lines, "lines like these in the summary", _WARNED):
        warnings.warn(line, UnseenWarning, stacklevel=2)
    measured = dict(done or {})
    for date in study.dates:
        wanted = [arm for arm in plan.arms if (date, arm.name) not in measured]
        if not wanted:
            continue
        with contextlib.closing(InputDate(study, model, saes, inputs_by_date[date], date, plan, labels, scratch)) as run:
            for arm in wanted:
                measured[date, arm.name] = run.measure(arm)
                if keep is not None:
                    keep((date, arm.name), measured[date, arm.name])
    return _result(study, plan, saes, measured)


def _result(study: InputStudy, plan: InputPlan, saes: Mapping[str, AuroraSAE], measured: Done) -> InputStudyResult:
    in_order = [measured[date, arm.name] for date in study.dates for arm in plan.arms]
    effects, reach, rings = (
        pd.DataFrame([row for each in in_order for row in getattr(each, name)]) for name in ("effects", "reach", "rings")
    )
    maps = {each.date: each.maps for each in in_order if each.maps}
    tables = [_responses(study, plan, measured, block, saes[block]) for block in study.blocks]
    verdicts = {each.name: judge_input(study, effects, each.name) for each in study.outcomes}
    diverged = effects[effects.diverged_at_step > 0].groupby("arm", sort=False).diverged_at_step.min()
    sizes = {arm.name: sum(plan.sizes[date, arm.name] for date in study.dates) / len(study.dates) for arm in plan.arms if arm.dose}
    summary = {
        "study": study.name, "dates": list(study.dates), "blocks": list(study.blocks), "word": verdicts[study.outcomes[0].name]["word"],
        "outcomes": verdicts, "parts": {name: each["parts"] for name, each in verdicts.items()}, "exposure": dict(plan.exposure),
        "said": list(plan.lines), "sizes": sizes, "absent_arms": dict(plan.absent),
        "diverged_at_step": {name: int(step) for name, step in diverged.items()},
        # The first arm is the run that all others are compared with; the reach of the change takes two forwards of its own.
        "n_forwards": len(in_order) * study.steps + 2 * sum(bool(each.reach) for each in in_order),
    }
    return InputStudyResult(effects, pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(), reach, rings, maps, plain(summary))


def _responses(study: InputStudy, plan: InputPlan, measured: Done, block: str, sae: AuroraSAE) -> pd.DataFrame:
    """The table of one block."""
    of = {arm: [measured[date, arm.name].responses[block] for date in study.dates] for arm in plan.arms if arm.dose}
    found = score(
        {arm.dose: each for arm, each in of.items() if arm.kind in ("change", "reverse")},
        {arm.name: each for arm, each in of.items() if arm.kind not in ("change", "reverse")},
        region=REGION, dose=1.0, signed=RELEASED[sae.architecture].signed,
        control_regions={arm.name: arm.name for arm in of if arm.kind == "moved"}, seed=study.seed,
    )
    columns = {kind: [f"change_{arm.name}" for arm in of if arm.kind == kind] for kind in ("other", "noise")}
    largest = found[[*columns["other"], *columns["noise"]]].abs().max(axis=1).fillna(0.0)
    found = found.assign(change_noise=found[columns["noise"]].abs().max(axis=1), beyond_controls=found.change.abs() > largest)
    found.insert(0, "block", block)
    return found.drop(columns=columns["noise"])
