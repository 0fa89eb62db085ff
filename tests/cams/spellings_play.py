"""Read the day in every spelling of the tests and write the table of the documentation.

`python -m tests.cams.spellings_play > docs/own-files.md`
"""

import contextlib
import re
import sys
import tempfile
from pathlib import Path

from aurorascope.cams.demo import write_demo_day
from aurorascope.cams.grid import regular_grid
from aurorascope.cams.validate import read_day
from aurorascope.cams.variables import LEVELS
from aurorascope.errors import UserError

from tests.cams.spelling_tables import CONVERTED, DATE, INCONVERTIBLE, READ, REFUSED
from tests.cams.spellings import save

HOURS = (0, 12)
_CORRECT = "correct that file where it lies, or let cams.directory name others"
_HEAD = """# Days in your own files

With `cams: {source: local, directory: FOLDER}` days are read from a folder of NetCDF or GRIB files, or zips of them. It does not matter
how they are split and named: one file for each day, month, variable or level. `directory` may also be a list of glob patterns. Static
fields come from `static: {source: file, path: FILE}`.

Files are known by their content, never by their names. Each new or changed file is looked into once (`index_local`), and a day depends
on what was noted of its own files. Nothing of yours is changed. GRIB needs the package `eccodes`, which `requirements.lock` has.

A day has 12 fields of the surface (`t2m`, `u10`, `v10`, `msl`, `pm1`, `pm2p5`, `pm10`, `tcco`, `tc_no`, `tcno2`, `gtco3`, `tcso2`) and 10 on levels
(`t`, `u`, `v`, `q`, `z`, `co`, `no`, `no2`, `go3`, `so2`), on the 13 levels of `cams.levels` (50 to 1000 hPa), at 00 and
12 UTC (`cams.init_hours` and twelve hours before each). The file of static fields has, on the same grid, `lsm`, `z`, `slt`, `static_ammonia`, `static_ammonia_log`, `static_co`, `static_co_log`, `static_nox`, `static_nox_log`, `static_so2`, `static_so2_log`.
In `config.yaml`, with dates of your own:

```
cams: {source: local, directory: FOLDER, train: {start: 2022-06-01, end: 2022-06-16}, held_out: {start: 2022-06-25, end: 2022-06-28}}
static: {source: file, path: FILE}
```

- **Quantities** are known by GRIB paramId, else by name (both data stores', GRIB short names and some others), else by CF standard
  name. A standard name that contradicts the name is refused.
- **Times**: a reference time, a lead time, a valid time, or two of them. What is there must agree, and only analyses are taken. A
  reference time alone is refused.
- **Grids** are global and regular. Axes within 1e-4 of a step of an exact grid become that grid, turned so that rows go south from
  90 and columns east from 0. Nothing is joined by comparing coordinates.
- **Units** are converted by UDUNITS where that is exact. Amounts of substance are refused, since the file does not say whether they
  are relative to dry or moist air. Without a `units` attribute a field is taken to be in Aurora's, with one line at the end of the run.
- **Values** outside what the atmosphere can have are refused. Unusual ones, negatives that packing leaves, and fields that are the
  same everywhere are listed at the end of the run.
- **A field that is there twice** must be there with the same values, as in a zip and what was unpacked from it.
- **What a day was read from** is in `results/scratch/cams/DATE.source.json`, with name, size and sha256. `snakemake -c1 verify` compares.
  A file that was corrected under its old time is found by its time of change, named, and hashed again by the next run.

What each row says was read or refused so by `python -m tests.cams.spellings_play`; "the same" is the same sha256 of every state.
"""


def _plain(text: str, folder: Path) -> str:
    text = re.sub(r"aurorascope-\w+", "…", text.replace(f"{folder}/", ""))
    return text.replace("|", "\\|")


def _states(sources: list[Path], folder: Path) -> tuple[str, str]:
    with contextlib.chdir(folder):
        try:
            day = read_day([path.relative_to(folder) for path in sources], DATE, HOURS, LEVELS, fix=_CORRECT)
        except UserError as error:
            return "refused", _plain(error.one_line(), folder)
    return "read", "; ".join([*day.said, *day.doubts])


def main() -> None:
    """Write the page."""
    print(_HEAD)
    print("| spelling | outcome | what is said |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as top:
        archive = Path(top) / "day.zip"
        write_demo_day(DATE, HOURS, *regular_grid(19, 36), LEVELS, archive)
        day = read_day(archive, DATE, HOURS, LEVELS).states
        for number, (name, make) in enumerate([*READ.items(), *((key, make) for key, (make, _) in REFUSED.items())]):
            folder = Path(top) / str(number)
            folder.mkdir()
            outcome, said = _states(make(day, folder), folder)
            print(f"| {name} | {'the same' if outcome == 'read' else outcome} | {said} |")
        for number, (name, units, change) in enumerate([*CONVERTED, *((n, u, None) for n, u, _ in INCONVERTIBLE)]):
            folder = Path(top) / f"units-{number}"
            changed = day.copy()
            changed[name] = (change(day[name].astype("f8")) if change else day[name]).assign_attrs(units=units)
            outcome, said = _states([save(changed, folder / "day.nc")], folder)
            print(f"| `{name}` in {units} | {'converted' if outcome == 'read' else outcome} | {said} |")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
