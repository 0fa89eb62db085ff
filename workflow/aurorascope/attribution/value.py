"""The number that is attributed, on one date: a linear outcome of a study, with a gradient."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from aurora import Batch

from aurorascope.errors import UserError
from aurorascope.studies.checks import axes_of, is_finite, time_of
from aurorascope.studies.fields import Field
from aurorascope.studies.outcomes import Linear, Reader, check_fields
from aurorascope.studies.where import cells_of


class Value:
    """y = sum over terms of a * (area mean over the region of F) / T, T being the RMS there of the clean F - state, which stays as it is.

    Args:
        outcome: what is read.
        batch: the date's input, one member.
        labels: folder of days of labels, where the region has a label.

    Raises:
        UserError: a variable or level that the input does not have, or no cell in the region on this date.
    """

    def __init__(self, outcome: Linear, batch: Batch, labels: Path | None) -> None:
        check_fields(outcome, batch)
        place = cells_of(*axes_of(batch))
        held = outcome.where.region("the outcome, region", time_of(batch), labels).holds(place)
        if not held.any():
            raise UserError("the outcome, region", "at least one cell", f"none on {time_of(batch)[:10]}", "make the region larger, or take dates on which its label holds")
        self._outcome, self._batch = outcome, batch
        self._area_yx = (held * place.area_n).reshape(place.plane.shape)
        self._all_yx = place.area_n.reshape(place.plane.shape)
        self._reader: Reader | None = None

    def set_clean(self, forecast: Batch) -> None:
        """Take T from the clean forecast.

        Raises:
            UserError: it is not finite.
        """
        if not is_finite(forecast):
            raise UserError("the clean forecast", "finite numbers", f"others on {time_of(self._batch)[:10]}", "take another date")
        clean = _Some(self._outcome.fields, forecast)
        self._reader = Reader([self._outcome], {self._outcome.name: self._area_yx}, self._all_yx, self._batch, clean)

    def read(self, forecast: Batch) -> float:
        """What a forecast has, NaN where that is not finite.

        Raises:
            UserError: the clean forecast does not move in the region.
        """
        return self._reader.read(forecast)[self._outcome.name]

    def floor(self) -> float:
        """What one rounding of the clean forecast amounts to."""
        return self._reader.rounding(self._outcome)

    def differentiable(self, forecast: Batch) -> torch.Tensor:
        """The y of a forecast, a number with a gradient, float64."""
        weight_yx = torch.from_numpy(self._area_yx / self._area_yx.sum())
        total = torch.zeros((), dtype=torch.float64)
        for field, coefficient in self._outcome.terms:
            field_yx = _tensor(forecast, field)[: len(weight_yx)].double()
            mean = (field_yx * weight_yx.to(field_yx.device)).sum(dim=1).sum()
            total = total.to(mean.device) + coefficient / self._reader.scale(self._outcome, field) * mean
        return total


class _Some:
    """Some fields of a forecast that is in memory, as a study's reader takes one from disk: no other field is looked at."""

    def __init__(self, fields: Sequence[Field], forecast: Batch) -> None:
        self.fields, self._forecast = tuple(dict.fromkeys(fields)), forecast

    def values(self, field: Field) -> np.ndarray:
        """A field, (rows, columns) float64."""
        return _tensor(self._forecast, field).detach().double().cpu().numpy()


def _tensor(forecast: Batch, field: Field) -> torch.Tensor:
    name, level = field
    if level is None:
        return forecast.surf_vars[name][0, -1]
    return forecast.atmos_vars[name][0, -1, [int(each) for each in forecast.metadata.atmos_levels].index(level)]
