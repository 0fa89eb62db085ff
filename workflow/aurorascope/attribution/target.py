"""What an outcome's file asks for, typed: the number that is attributed."""

from aurorascope.attribution.outcome_file import LINEAR_KEYS, naming
from aurorascope.cams.grid import regular_grid
from aurorascope.studies.on_grid import check_region
from aurorascope.studies.outcomes import Linear
from aurorascope.studies.where import cells_of
from aurorascope.studies.written import AskedFile


def read_target(file: AskedFile, grid: tuple[int, int] | None = None) -> Linear:
    """The linear outcome of a file, under the file's name.

    Args:
        file: the file.
        grid: rows and columns of the states, where they are known.

    Raises:
        UserError: neither or both of variable and terms, a value of another form, a region that there is not, or one that holds no cell
            of the grid.
    """
    with naming(file.path):
        target = Linear.read("the outcome", {"name": file.name, **{key: file.asked[key] for key in LINEAR_KEYS if key in file.asked}})
        if grid is not None:
            check_region("the outcome, region", target.where, cells_of(*regular_grid(*grid)), grid)
    return target
