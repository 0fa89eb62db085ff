"""Keys of studies, those that are needed first, and what they may name. Nothing heavy is imported here."""

from collections.abc import Mapping, Sequence

from aurorascope.cams.variables import SURFACE
from aurorascope.errors import UserError, nearest

EDIT_KEYS = (
    ("block", "features", "edit", "dates", "outcomes"),
    ("region", "steps", "edit_steps", "expected_sign", "seed", "n_controls", "placebo_degrees"),
)
INPUT_KEYS = (("perturb", "dates", "outcomes"), ("blocks", "steps", "expected_sign", "seed", "n_controls", "others"))
"""Of a study of edits, and of one of changed inputs; in Python each has a `name`, too, and in a file those of `study_file.OF_FILE`."""

COARSEST_TRACKED = 1.5
"""Degrees between cells. On coarser grids a low that moves is mostly not found: the tracker's box of 5 degrees has too few cells within
(docs/decisions.md, "Studies")."""

# Outcomes have Aurora's names alone.
_BY_NETCDF = {each.netcdf: each.aurora for each in SURFACE}

Levels = Mapping[str, Sequence[int] | None]
"""Levels in hPa by Aurora's name of a variable; None for one of the surface."""


def check_field(where: str, variable: object, level: object, known: Levels) -> None:
    """Refuse a variable or level that there is not.

    Raises:
        UserError: none of that name or level, no level of a variable on levels, or one of a variable of the surface.
    """
    if not isinstance(variable, str) or variable not in known:
        meant = _BY_NETCDF.get(variable, variable) if isinstance(variable, str) else variable
        raise UserError(f"{where}, variable", f"one of {', '.join(known)}", repr(variable), nearest(meant, known))
    levels = known[variable]
    if levels is None:
        if level is not None:
            raise UserError(f"{where}, level of {variable}", "none, since it is a variable of the surface", repr(level), "leave level out")
        return
    words = f"one of {', '.join(map(str, levels))} hPa"
    if level is None:
        raise UserError(f"{where}, level of {variable}", words, "none", "add the key level")
    if isinstance(level, bool) or level not in levels:
        raise UserError(f"{where}, level of {variable}", words, repr(level), nearest(level, levels))


def check_spacing(where: str, degrees: float) -> None:
    """Refuse a grid on which the tracker finds no low that moves.

    Raises:
        UserError: its cells lie further apart than `COARSEST_TRACKED`.
    """
    if degrees > COARSEST_TRACKED:
        expected = f"a grid of {COARSEST_TRACKED:g} degrees or finer, which the tracker needs"
        raise UserError(where, expected, f"{degrees:g} degrees", "leave it out")


def check_truth(where: str, truth: Sequence[object], steps: int) -> None:
    """Refuse a truth that is not of each step.

    Raises:
        UserError: it has another number of places.
    """
    if len(truth) != steps:
        expected = f"{steps} places, one a step" if steps > 1 else "one place, since there is one step"
        raise UserError(f"{where}, truth", expected, str(len(truth)), "correct it")


def placebo_columns(n_columns: int, degrees: float) -> int:
    """Columns of tokens, of so many around the globe, that a placebo is moved east by."""
    return round(degrees / 360 * n_columns) % n_columns


def check_placebo(degrees: float, n_columns: int) -> None:
    """Refuse a placebo that would lie where the edit is.

    Raises:
        UserError: tokens, of so many columns around the globe, are too wide for it to be moved.
    """
    if not placebo_columns(n_columns, degrees):
        width = 360 / n_columns
        raise UserError(
            "the study, placebo_degrees", f"{width:g} to {360 - width:g}, since the block's tokens are {width:g} degrees wide",
            f"{degrees:g}", "take 180, or leave it out",
        )
