"""Whether a study's record says what its table of effects does: words and numbers are judged again, since no digest is over the record."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from aurorascope.errors import UserError
from aurorascope.judging import difference
from aurorascope.studies.input_study import read_input_study
from aurorascope.studies.input_verdict import judge_input
from aurorascope.studies.results import plain
from aurorascope.studies.study import read_study
from aurorascope.studies.verdict import judge


def check_judged(path: Path, record: Mapping[str, Any], effects: pd.DataFrame, n_outcomes: int | None = None) -> None:
    """Compare the words and numbers of a record with those that its effects give.

    Args:
        path: of the record.
        record: as its schema says.
        effects: the table beside it.
        n_outcomes: how many of the outcomes, in the order of the file; None for all.

    Raises:
        UserError: one is another, or the table has not what was asked; the message names the first.
    """
    asked = record["asked"]
    read, judged = (read_input_study, judge_input) if "perturb" in asked else (read_study, judge)
    try:
        study = read({"name": record["study"], **asked})
        verdicts = {each.name: plain(judged(study, effects, each.name)) for each in study.outcomes[:n_outcomes]}
    except UserError as error:
        raise UserError.stale(path, "a study that can be read", error.one_line()) from None
    except (KeyError, IndexError) as error:
        raise UserError.stale(path, f"what effects.parquet has, as {path.parent.name} asks", f"none of {error}") from None
    diverged = effects[effects.diverged_at_step > 0].groupby("arm", sort=False).diverged_at_step.min()
    expected = {
        "dates": list(dict.fromkeys(effects.date)), "word": verdicts[study.outcomes[0].name]["word"],
        "diverged_at_step": {arm: int(step) for arm, step in diverged.items()}, "outcomes": verdicts,
    }
    found = {key: record[key] for key in expected}
    found["outcomes"] = {name: record["outcomes"].get(name) for name in verdicts}
    other = difference(expected, found, ())
    if other:
        where, wanted, there = other
        raise UserError.stale(path, f"{', '.join(where)}: {wanted}, which effects.parquet gives", str(there))
