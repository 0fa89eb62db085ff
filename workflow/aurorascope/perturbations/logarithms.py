"""The logarithm that stands beside each static field of emissions, so that both can be changed together.

Neither its base nor what it does with places without emissions is documented, so both are found from the two fields.
"""

from dataclasses import dataclass

import numpy as np

from aurorascope.errors import UserError

EMISSIONS = ("static_ammonia", "static_co", "static_nox", "static_so2")
"""Static fields of emissions, kg m-2 s-1; each has its logarithm beside it, `<name>_log`."""
# Of the logarithm's range: what may be rounding, and what lies at its lowest value.
_ERROR, _LOWEST = 1e-3, 1e-6


def check_emission(name: str) -> None:
    """Refuse what is no static field of emissions."""
    if name not in EMISSIONS:
        raise UserError(f"emission {name!r}", f"one of {', '.join(EMISSIONS)}", "no such field", "correct emission")


@dataclass(frozen=True)
class Logarithm:
    """The logarithm of an emission x: intercept + slope ln(max(x, floor)).

    Attributes:
        slope: 1 for the natural logarithm, 1 / ln 10 for that of base 10.
        intercept: 0 unless the logarithm is of x in another unit.
        floor: the smallest x that it tells apart, kg m-2 s-1.
    """

    slope: float
    intercept: float
    floor: float

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """The logarithm of emissions, float64."""
        return self.intercept + self.slope * np.log(np.maximum(np.asarray(x, np.float64), self.floor))


@dataclass(frozen=True, eq=False)
class TabulatedLogarithm:
    """The same for one that bends at small emissions, as that of x + c does: a line in ln x between values that are there.

    Attributes:
        x: emissions above 0, ascending.
        log: the logarithm of each.
        slope: beyond the largest, d log / d ln x.
        of_none: the logarithm of no emission.
    """

    x: np.ndarray
    log: np.ndarray
    slope: float
    of_none: float

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """The logarithm of emissions, float64."""
        x = np.asarray(x, np.float64)
        ln = np.log(np.maximum(x, self.x[0]))
        beyond = (ln - np.log(self.x[-1])).clip(0)
        return np.where(x > 0, np.interp(ln, np.log(self.x), self.log) + self.slope * beyond, self.of_none)


def fit_logarithm(name: str, emission_yx: np.ndarray, log_yx: np.ndarray) -> Logarithm | TabulatedLogarithm:
    """The logarithm by which a static file's two fields of an emission belong together.

    A line in ln x, by least squares, through all that lies above the lowest logarithm; where the fields are on no such line, a
    table of them, if it rises throughout and is a line over its upper tenfold.

    Raises:
        UserError: the second field is no logarithm of the first.
    """
    emission = np.asarray(emission_yx, np.float64).reshape(-1)
    log = np.asarray(log_yx, np.float64).reshape(-1)
    room = float(np.ptp(log))
    slope, intercept = _line(emission, log, (emission > 0) & (log > log.min() + _LOWEST * room))
    if slope <= 0:
        raise _no_logarithm(name, "none that rises with it")
    found = Logarithm(slope, intercept, float(np.exp((log.min() - intercept) / slope)))
    error = float(np.abs(found(emission) - log).max())
    return found if error <= _ERROR * room else _tabulated(name, emission, log, error)


def _line(emission: np.ndarray, log: np.ndarray, here: np.ndarray) -> tuple[float, float]:
    """Slope and intercept of log on ln x; a slope of 0 where there is no line."""
    x, y = np.log(emission[here]), log[here]
    if len(x) < 2 or np.ptp(x) == 0:
        return 0.0, 0.0
    slope = float(((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum())
    return slope, float(y.mean() - slope * x.mean())


def _tabulated(name: str, emission: np.ndarray, log: np.ndarray, error: float) -> TabulatedLogarithm:
    x, place = np.unique(emission, return_inverse=True)
    table = np.bincount(place, log) / np.bincount(place)
    upper = emission >= emission.max() / 10
    slope, intercept = _line(emission, log, upper)
    bad = max(
        float(np.abs(table[place] - log).max()), float((-np.diff(table)).max(initial=0)),
        float(np.abs(intercept + slope * np.log(emission[upper]) - log[upper]).max()),
    )
    if slope <= 0 or bad > _ERROR * np.ptp(log):
        raise _no_logarithm(name, f"one that differs from it by up to {error:.2g}")
    positive = x > 0
    return TabulatedLogarithm(x[positive], table[positive], slope, float(table[0]))


def _no_logarithm(name: str, found: str) -> UserError:
    return UserError(
        f"static field {name}_log", f"a logarithm of {name}, of any base", found,
        "give static fields whose logarithms are those of their emissions, so that both can be changed together",
    )
