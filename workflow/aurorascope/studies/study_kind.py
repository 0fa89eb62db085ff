"""What a kind of study is: how its file is read, how it is run arm by arm, and what it leaves."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from aurorascope.studies.inputs import Inputs
from aurorascope.studies.outcomes import Field
from aurorascope.studies.written import AskedFile

Key = tuple[str, str]
"""Date and name of an arm."""
Maps = Mapping[str, Mapping[Field, np.ndarray]]
"""By date and field, (rows, columns) float32."""


@dataclass(frozen=True, eq=False)
class Made:
    """What a study leaves.

    Attributes:
        summary: what goes into the record, JSON.
        tables: by name of the file without its ending; `effects` is among them.
        maps: by what comes before the field's name in `fields.nc`, empty where nothing does.
    """

    summary: dict[str, Any]
    tables: Mapping[str, pd.DataFrame]
    maps: Mapping[str, Maps]


@dataclass(frozen=True, eq=False)
class Prepared:
    """A study that is read and has its inputs.

    Attributes:
        notes: further entries of its record, of what else its numbers depend on.
        run: runs it, given what was measured of the arms that have run, and what to call with each further one.
    """

    notes: dict[str, Any]
    run: Callable[[Mapping[Key, Any], Callable[[Key, Any], None]], Made]


@dataclass(frozen=True, eq=False)
class StudyKind:
    """A kind of study.

    Attributes:
        read: what is asked, checked as far as a file can be.
        prepare: from what is asked, the inputs, the record's claim and the results folder to a study that can run.
        pack: what was measured of an arm as JSON, numbers that are not finite included, and arrays by name.
        unpack: the way back, exactly.
    """

    read: Callable[[AskedFile], Any]
    prepare: Callable[[Any, Inputs, Mapping[str, Any], Path], Prepared]
    pack: Callable[[Any], tuple[dict[str, Any], dict[str, np.ndarray]]]
    unpack: Callable[[Mapping[str, Any], Mapping[str, np.ndarray]], Any]
