# What labels are made from: states of a date and of the day before, the reference, and the user's own files; and names that a user
# gave to features.
import functools

from aurorascope.atlas.own_names import read_own_names
from aurorascope.labels.own_check import OwnCheck, grid_of_states
from aurorascope.labels.own_files import files_of

# Names that a user gave to features: no rule writes them.
OWN_NAMES = "results/atlas/labels.csv"
# Dates that have labels.
LABEL_DAYS = list(day_snapshots(CONFIG.cams))


def own_names(wildcards):
    """The file of names, if there is one. A wrong one ends the planning: a job that fails on it would take all pages away."""
    if not Path(OWN_NAMES).is_file():
        return []
    try:
        read_own_names(Path(OWN_NAMES))
    except UserError as error:
        _stop(error.one_line())
    return [OWN_NAMES]


def days_read(days):
    """Records of the days that hold the states of so many dates' snapshots."""
    found = [s for day in days for s in day_snapshots(CONFIG.cams)[day]]
    read = sorted({time[:10] for s in found for time in (s.previous, s.time)})
    return expand("results/scratch/cams/{day}.json", day=read)


@functools.cache
def _own_check(folder):
    times = {
        day: [s.time for s in found]
        for day, found in day_snapshots(CONFIG.cams).items()
    }
    grid = grid_of_states(CONFIG, RESULTS)
    return OwnCheck(folder, times, grid, PRIVATE / "own_labels.json")


def own_of(days):
    """The user's own files of so many dates, as inputs, so that a changed file is noticed; one that is missing or wrong ends the
    planning, since labels that were made without it would pass for up to date, and jobs that fail lose the labels of their dates.
    """
    if not CONFIG.labels.own:
        return []
    folder = Path(user_path(CONFIG.labels.own, "labels.own"))
    try:
        # With an interpreter of their own, rules may have libraries that this one has not.
        if workflow.is_main_process and not WITH_CONDA:
            _own_check(folder).check(days)
        return [str(path) for day in days for path in files_of(folder, day)]
    except UserError as error:
        _stop(error.one_line())


def label_inputs(days):
    """What the labels of so many dates are made from."""
    return {
        "days": days_read(days),
        "static": "results/scratch/static/static.json",
        "reference": "results/scratch/labels/reference.json",
        "own": own_of(days),
    }


def day_of(wildcards):
    """The date that labels are asked of; one without snapshots ends the planning."""
    split_of(wildcards)
    return [wildcards.day]
