"""The day that the tests make, and how."""

from aurorascope.cams.day import make_day
from aurorascope.cams.variables import LEVELS
from aurorascope.config.model import from_mapping
from aurorascope.config.resolve import resolve

DATE = "2022-06-11"
TIMES = [f"{DATE}T00:00:00Z", f"{DATE}T12:00:00Z"]


def cams(**changes):
    """The configuration's section for the demo at 19 x 36, with changes."""
    section = {
        "levels": list(LEVELS), "demo_grid": [19, 36], "train": {"dates": [DATE]}, "held_out": {"dates": ["2022-07-11"]},
    } | changes
    static = "demo" if section.get("source", "demo") == "demo" else "official"
    return from_mapping(resolve({"cams": section, "static": {"source": static}})[0]).cams


def make(date, folder, hours=(0, 12), attempt=1, **changes):
    """Make one day in a folder."""
    make_day(date, folder / f"{date}.json", cams(**changes), hours, attempt)


def visible(folder):
    return sorted(path.name for path in folder.iterdir())
