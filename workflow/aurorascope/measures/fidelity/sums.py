"""Sums over snapshots from which the forecast metrics follow: float64, one number a field.

A field is one surface variable, or one other variable at one pressure level.
"""

from collections.abc import Mapping

import numpy as np
import torch

from aurorascope.measures.fidelity.formulas import CONDITIONS

FORECASTS = ("clean", *CONDITIONS)


def row_areas(lat: np.ndarray) -> np.ndarray:
    """Area of a cell in each row of a regular grid: sin(north edge) - sin(south edge), (rows,) float64.

    Edges lie half way between rows and no further than the poles.

    Args:
        lat: latitudes of all rows, degrees north, descending, those that Aurora drops included.
    """
    lat = np.asarray(lat, np.float64)
    between = (lat[:-1] + lat[1:]) / 2
    outer = [lat[0] + (lat[0] - between[0]), lat[-1] - (between[-1] - lat[-1])]
    edges = np.concatenate([outer[:1], between, outer[1:]]).clip(-90, 90)
    return -np.diff(np.sin(np.deg2rad(edges)))


def mean_square(a_vyx: torch.Tensor, b_vyx: torch.Tensor, weights_y: np.ndarray) -> np.ndarray:
    """Weighted mean of (a - b)^2 over each field's cells, (fields,) float64; the differences are taken in float64.

    Args:
        a_vyx: fields x rows x columns.
        b_vyx: the same shape.
        weights_y: weight of each row, of any scale.
    """
    share_y = torch.from_numpy(weights_y / weights_y.sum()).to(a_vyx.device)
    found = [torch.square(a_yx.double() - b_yx.double()).mean(1) @ share_y for a_yx, b_yx in zip(a_vyx, b_vyx, strict=True)]
    return torch.stack(found).cpu().numpy()


class ForecastSums:
    """Running sums over snapshots of mean squares over the globe.

    Attributes:
        weights_y: area weight of each row that Aurora predicts.
        n_fields: fields.
        n: snapshots.
        n_verified: those with a verifying analysis.
        size_v: squares of the state at t.
        tendency_v: of the clean forecast minus the state at t.
        divergence_v: of a replacement's forecast minus the clean one, by condition.
        error_v: of a forecast minus the analysis, for the clean one and by condition.
    """

    def __init__(self, weights_y: np.ndarray, n_fields: int) -> None:
        self.weights_y, self.n_fields, self.n, self.n_verified = weights_y, n_fields, 0, 0
        self.size_v, self.tendency_v = np.zeros(n_fields), np.zeros(n_fields)
        self.divergence_v = {name: np.zeros(n_fields) for name in CONDITIONS}
        self.error_v = {name: np.zeros(n_fields) for name in FORECASTS}

    def add(
        self, state_vyx: torch.Tensor, analysis_vyx: torch.Tensor | None, forecasts: Mapping[str, torch.Tensor]
    ) -> None:
        """Count one snapshot.

        Args:
            state_vyx: the state at t, fields x rows x columns, in the variables' units.
            analysis_vyx: the state at t + 12 h, or None where there is none.
            forecasts: the clean forecast for t + 12 h and that of every condition, by `FORECASTS`.
        """
        clean_vyx = forecasts["clean"]
        self.n += 1
        self.size_v += mean_square(state_vyx, torch.zeros_like(state_vyx), self.weights_y)
        self.tendency_v += mean_square(clean_vyx, state_vyx, self.weights_y)
        for name in CONDITIONS:
            self.divergence_v[name] += mean_square(forecasts[name], clean_vyx, self.weights_y)
        if analysis_vyx is not None:
            self.n_verified += 1
            for name in FORECASTS:
                self.error_v[name] += mean_square(forecasts[name], analysis_vyx, self.weights_y)
