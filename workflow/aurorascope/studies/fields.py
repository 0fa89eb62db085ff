"""Fields of a forecast, whether it is in memory or on disk."""

from typing import Protocol

import numpy as np
from aurora import Batch

Field = tuple[str, int | None]
"""Aurora's name of a variable and its level in hPa, None at the surface."""


class KeptFields(Protocol):
    """A forecast that is not in memory.

    Attributes:
        fields: its fields, in the forecast's order.
    """

    fields: tuple[Field, ...]

    def values(self, field: Field) -> np.ndarray:
        """A field, (rows, columns) float64."""


def fields_of(forecast: Batch | KeptFields) -> tuple[Field, ...]:
    """All fields of a batch or forecast, in its order."""
    if not isinstance(forecast, Batch):
        return forecast.fields
    levels = forecast.metadata.atmos_levels
    surface = [(name, None) for name in forecast.surf_vars]
    return (*surface, *((name, int(level)) for name in forecast.atmos_vars for level in levels))


def values_of(forecast: Batch | KeptFields, field: Field, n_rows: int) -> np.ndarray:
    """A field's newest state, (n_rows, columns) float64.

    Args:
        forecast: the batch or forecast, one member.
        field: variable and level.
        n_rows: rows that Aurora predicts.
    """
    if not isinstance(forecast, Batch):
        return forecast.values(field)[:n_rows]
    name, level = field
    if level is None:
        tensor = forecast.surf_vars[name][0, -1]
    else:
        tensor = forecast.atmos_vars[name][0, -1, [int(each) for each in forecast.metadata.atmos_levels].index(level)]
    return tensor[:n_rows].double().cpu().numpy()
