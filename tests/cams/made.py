"""The day that the tests make, and how."""

from aurorascope.cams.variables import LEVELS

DATE = "2022-06-11"
OPTIONS = {"source": "demo", "directory": None, "levels": LEVELS, "hours": (0, 12), "grid": (19, 36)}
TIMES = [f"{DATE}T00:00:00Z", f"{DATE}T12:00:00Z"]


def visible(folder):
    return sorted(path.name for path in folder.iterdir())
