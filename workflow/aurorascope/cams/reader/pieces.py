"""What a reader finds in a file: for each field which variable it is, when, on which levels, and how to have its values."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from aurorascope.cams.axes import Turned
from aurorascope.cams.units import Conversion
from aurorascope.cams.variables import Variable
from aurorascope.errors import UserError

# Values at some of a piece's times and levels, as the file orders rows and columns: (time, [level,] latitude, longitude).
Load = Callable[[Sequence[int], Sequence[int]], np.ndarray]


@dataclass(frozen=True)
class Piece:
    """One variable in one file.

    Attributes:
        variable: which one.
        where: file and field, for messages.
        times: UTC times of the analyses, datetime64[ns].
        levels: levels, hPa; empty for a surface variable.
        latitude: how its rows become the exact ones.
        longitude: how its columns become the exact ones.
        conversion: from its units to the table's.
        load: has the values.
    """

    variable: Variable
    where: str
    times: tuple[np.datetime64, ...]
    levels: tuple[int, ...]
    latitude: Turned
    longitude: Turned
    conversion: Conversion
    load: Load

    def values(self, times: Sequence[np.datetime64], levels: Sequence[int]) -> np.ndarray:
        """Values on the exact axes, in the table's units, float32, dims (time, [level,] latitude, longitude)."""
        values = self.load([self.times.index(time) for time in times], [self.levels.index(level) for level in levels])
        values = self.latitude.apply(self.longitude.apply(values, -1), -2)
        if self.conversion.convert is not None:
            values = self.conversion.convert(values)
        return np.ascontiguousarray(values, np.float32)


@dataclass
class Found:
    """All that was found in some files.

    Attributes:
        pieces: fields of the 22 variables at analyses.
        forecasts: fields of the 22 variables that are forecasts: (variable's name, valid time, where).
        others: what other fields there are, by file: names, for messages.
        problems: fields of the 22 variables that cannot be read: name, times, none where they are not known, and error.
        broken: files that cannot be read.
    """

    pieces: list[Piece] = field(default_factory=list)
    forecasts: list[tuple[str, np.datetime64, str]] = field(default_factory=list)
    others: dict[str, list[str]] = field(default_factory=dict)
    problems: list[tuple[str, frozenset[np.datetime64], UserError]] = field(default_factory=list)
    broken: list[UserError] = field(default_factory=list)
