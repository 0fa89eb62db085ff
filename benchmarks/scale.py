"""Jobs, planning time, Snakemake's own files and inodes of a demo, a year and ten years, without running any job.

    python benchmarks/scale.py [--rounds 3] [--folder DIR] [--only "the year"]

Each run is planned in a copy of what a clone holds: from nothing, and again once it is finished, which is simulated by a
placeholder under every declared name and `snakemake --touch`. A finished run that plans a job ends the script.
"""

import argparse
import datetime
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "workflow")]

import yaml  # noqa: E402
from aurorascope.cams.local.index import index_path, note_path  # noqa: E402
from aurorascope.cams.local.listing import list_files  # noqa: E402
from aurorascope.files import write_json  # noqa: E402

from tests.workflow.project import SNAKEMAKE, Project  # noqa: E402
from tests.workflow.simulated import finish  # noqa: E402

YEAR = "workflow/config/cams-year.yaml"
ONE = "encoder_s1_b5"
CASES = {
    "the demo": ((), None),
    f"one block of the year, {ONE}": ((f"results/saes/sae_{ONE}.pt",), YEAR),
    "the year": ((), YEAR),
    "the year, from files of one's own": ((), YEAR),
    "ten years": ((), "ten-years.yaml"),
}
OWN = "from files of one's own"


@dataclass(frozen=True)
class Planning:
    """One dry run.

    Attributes:
        seconds: wall time.
        cpu: seconds of processor time, which other work on the machine hardly changes.
        megabytes: peak resident memory.
        jobs: jobs planned, `all` included.
    """

    seconds: float
    cpu: float
    megabytes: float
    jobs: int


def ten_years(path: Path) -> None:
    """The year's overlay with ten years to train on."""
    overlay = yaml.safe_load((ROOT / YEAR).read_text())
    overlay["cams"]["train"] = {"start": "2013-06-01", "end": "2023-05-31", "dates": None}
    path.write_text(yaml.safe_dump(overlay))


def own_files(project: Project) -> None:
    """A file a day, that somebody has looked into, for each day of the year."""
    folder, notes = project.path / "own", project.result("scratch/cams/local")
    folder.mkdir()
    first, last = datetime.date(2022, 5, 31), datetime.date(2023, 6, 26)
    for n in range((last - first).days + 1):
        (folder / f"{first + datetime.timedelta(n)}.nc").touch()
    index = {}
    for file in list_files(str(folder)):
        known = {"dates": [file.name[:10]], "forecasts": [], "problem": None, "sha256": "0" * 64}
        write_json(note_path(notes, file.name), known)
        index[file.name] = known | {"size": file.size, "ctime_ns": file.ctime_ns, "note": note_path(notes, file.name).name}
    write_json(index_path(notes), {"kind": "local_index", "format": 1, "files": index})


def dry_run(project: Project, words: list[str]) -> Planning:
    """Plan once.

    Raises:
        CalledProcessError: Snakemake failed.
    """
    # A file: whoever waits with os.wait4 empties no pipe.
    with tempfile.TemporaryFile("w+") as output:
        command = [str(SNAKEMAKE), *words, "--dry-run", "--quiet", "rules"]
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=project.path, stdout=output, stderr=output)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        output.seek(0)
        said = output.read()
    if status:
        raise subprocess.CalledProcessError(status, command, said)
    total = re.search(r"^total\s+(\d+)", said, re.MULTILINE)
    return Planning(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, int(total[1]) if total else 0)


def median(project: Project, words: list[str], rounds: int) -> Planning:
    """The median time of several plannings, the first not counted, which reads files that nothing has read yet."""
    runs = [dry_run(project, words) for _ in range(rounds + 1)][1:]
    seconds, cpu = (statistics.median(getattr(run, name) for run in runs) for name in ("seconds", "cpu"))
    return Planning(seconds, cpu, max(run.megabytes for run in runs), runs[0].jobs)


def words_of(planning: Planning) -> str:
    """Wall and processor time."""
    return f"{planning.seconds:.1f} s, CPU {planning.cpu:.1f} s"


def inodes(project: Project, targets: tuple[str, ...], overlay: list[str]) -> str:
    """Files and folders of stores and days, as `plan` says."""
    blocks = [f"blocks=[{ONE}]"] if targets else []
    said = project.run("plan", "--cores", "1", *overlay, *blocks)
    return re.search(r"files and folders\W+([\d,]+)", said.stdout + said.stderr)[1]


def row(name: str, project: Project, rounds: int) -> str:
    """One line of the table."""
    targets, overlay = CASES[name]
    # In the copy itself, whatever the overlay says of where large files go.
    options = ["--configfile", overlay, "--config", "storage={scratch: null}"] if overlay else []
    if name.endswith(OWN):
        own_files(project)
        options.append("cams={source: local, directory: own}")
    words = [*targets, *options]
    first = median(project, words, rounds)
    names = finish(project, *words)
    second = median(project, words, rounds)
    if second.jobs:
        sys.exit(f"{name}: {second.jobs} jobs are planned although all is there.")
    memory = [path for path in (project.path / ".snakemake" / "metadata").rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in memory) / 1e6
    return (f"| {name} | {first.jobs:,} | {len(names):,} | {words_of(first)} | {words_of(second)} "
            f"| {max(first.megabytes, second.megabytes):.0f} MB | {len(memory):,}, {size:.1f} MB | {inodes(project, targets, options)} |")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", metavar="WORDS", default="", help="only cases with these words in their name")
    parser.add_argument("--folder", type=Path, help="where the copies are made; a temporary folder otherwise")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        print("| | jobs | declared files | dry run from nothing | dry run when finished | memory | metadata | files and folders |")
        print("|---|---|---|---|---|---|---|---|")
        for name in (name for name in CASES if options.only in name):
            project = Project.create(Path(folder) / str(len(os.listdir(folder))), yaml.safe_load((ROOT / "config.yaml").read_text()))
            ten_years(project.path / "ten-years.yaml")
            print(row(name, project, options.rounds), flush=True)


if __name__ == "__main__":
    main()
