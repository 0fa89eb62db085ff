"""What pictures a study has, which whoever draws them tells whoever puts them on a page."""

from dataclasses import dataclass


@dataclass(frozen=True)
class MapPicture:
    """A picture of a map.

    Attributes:
        name: of the files, without `.png` and `.csv`.
        field: as `fields.nc` names it, without a part.
        part: total, carry or backbone.
        date: `YYYY-MM-DD`; None for the mean over dates.
        largest: the largest change, with its sign, in `units`.
        at: latitude and longitude of it, degrees north and east.
        units: as they are printed.
        n_dates: that the mean is over.
        n_cells: side of the squares of cells that were averaged, 1 where none were.
    """

    name: str
    field: str
    part: str
    date: str | None
    largest: float
    at: tuple[float, float]
    units: str
    n_dates: int
    n_cells: int


@dataclass(frozen=True)
class StudyPictures:
    """All pictures of a study.

    Attributes:
        doses: by outcome, in the order of the file, name of the picture of doses without its ending.
        arms: of all arms, likewise.
        maps: field by field, means before dates.
        reach: of how far a change of inputs reaches over the blocks; None where there is none.
        is_outlined: whether maps have an outline of where the edit or change is made.
    """

    doses: tuple[str, ...]
    arms: tuple[str, ...]
    maps: tuple[MapPicture, ...]
    reach: str | None
    is_outlined: bool
