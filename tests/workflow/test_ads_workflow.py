"""Downloads through Snakemake: the real client, a stand-in of the data store, the commands that users type."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.cams.ads_server import FOREVER, AdsServer
from tests.workflow.project import SNAKEMAKE, Project

pytestmark = pytest.mark.slow
DATES = [f"2022-06-{day:02d}" for day in range(1, 11)]
CONFIG = {
    "cams": {
        "source": "ads",
        "levels": [500, 850],
        "train": {"start": DATES[0], "end": DATES[-1]},
        "held_out": {"start": "2022-06-20", "end": "2022-06-21"},
        "ads": {"wait_hours": 0.01, "tries": 3, "retry_s": 0.05, "poll_s": 0.2, "timeout_s": 2.0},
    },
    "static": {"source": "official"},
}


class AdsProject(Project):
    """A working copy whose rc file names a stand-in."""

    def use(self, server):
        """Write the rc file."""
        self.server, rc = server, self.path / "adsapirc"
        rc.write_text(f"url: {server.url}\nkey: {server.key}\n")
        rc.chmod(0o600)
        self.environment = {"CDSAPI_RC": str(rc), "no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}
        return self

    def days(self, dates, *words, **environment):
        """Ask for days by their records."""
        targets = [f"results/scratch/cams/{date}.json" for date in dates]
        return self.run(*targets, "--cores", "2", *words, **self.environment, **environment)

    def records(self, dates=DATES):
        """Content of the records that are there."""
        folder = self.result("scratch/cams")
        return {date: (folder / f"{date}.json").read_bytes() for date in dates if (folder / f"{date}.json").exists()}


@pytest.fixture
def server(monkeypatch):
    for name in ("CDSAPI_URL", "CDSAPI_KEY"):
        monkeypatch.delenv(name, raising=False)
    with AdsServer(polls=1) as server:
        yield server


@pytest.fixture
def project(tmp_path, server):
    return AdsProject.create(tmp_path / "project", CONFIG).use(server)


def last_line(done):
    return done.stderr.strip().splitlines()[-1]


def in_flight(server):
    """Most days that were asked for and not yet fetched, at any moment."""
    asked, most = set(), 0
    for call in server.calls:
        if call.where == "submit" and call.status == 201:
            asked.add(call.date)
        most = max(most, len(asked))
        if call.where == "asset":
            asked.discard(call.date)
    return most


def test_a_licence_that_is_missing_stops_all_days_at_once(project, server):
    """Not ten times the same error: one request or two, one line, nothing more until check_access lifts it."""
    server.licensed = False
    done = project.days(DATES)
    assert done.returncode != 0
    assert "accept the licence at" in last_line(done)
    assert len(list(project.result("logs/download_day").iterdir())) <= 4
    assert len(server.calls_of("submit")) <= 2
    assert project.result("scratch/cams/FATAL.json").is_file()
    tried = {call.date for call in server.calls if call.where == "submit"}
    assert len(tried) <= 2
    before = len(server.calls)
    assert project.days(DATES[:3]).returncode != 0
    assert len(server.calls) == before
    server.licensed = True
    checked = project.run("check_access", "--cores", "1", **project.environment)
    assert checked.returncode == 0, checked.stderr
    assert "Removed results/scratch/cams/FATAL.json" in checked.stdout
    done = project.days(DATES[:3])
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(server.jobs) == 3


def test_trouble_that_passes_is_got_over_in_one_command(project, server):
    """Snakemake tries a day again, two at a time; no day costs a job more than it must."""
    server.fault("submit", "reset", times=2)
    server.fault("poll", 500, times=3)
    server.fault("asset", "flip", times=1)
    done = project.days(DATES[:4])
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(project.records()) == 4
    assert [len(server.jobs_of(date)) for date in DATES[:4]] == [1, 1, 1, 1]
    assert in_flight(server) <= 2


def test_one_day_that_is_wrong_does_not_stop_the_others(project, server):
    server.fault("body", "missing_variable", date=DATES[1], times=FOREVER)
    done = project.days(DATES[:4])
    assert done.returncode != 0
    assert "none named so2" in last_line(done)
    assert f"{DATES[1]}.rejected.zip" in last_line(done)
    assert sorted(project.records()) == [DATES[0], DATES[2], DATES[3]]
    # Snakemake tries three times; only the first asks.
    assert len(server.jobs_of(DATES[1])) == 1
    server.heal()
    assert project.days(DATES[:4]).returncode == 0
    assert len(server.jobs) == 5


def test_a_day_that_stays_in_the_queue_is_taken_up_by_the_next_run(project, server):
    server.fault("submit", "wait", date=DATES[0])
    config = {**CONFIG, "cams": {**CONFIG["cams"], "ads": {**CONFIG["cams"]["ads"], "wait_hours": 0.001}}}
    project.configure(config)
    done = project.days(DATES[:2])
    assert done.returncode != 0
    assert "stays in the store's queue" in last_line(done)
    assert list(project.records()) == [DATES[1]]
    server.release()
    assert project.days(DATES[:2]).returncode == 0
    assert len(server.jobs) == 2


def test_the_archive_lacks_a_day(project, server):
    """The line says what to write; with it, the splits are made without the snapshots that touch the day."""
    server.fault("submit", "no_data", date=DATES[4], times=FOREVER)
    done = project.days(DATES[4:6])
    assert f"add {DATES[4]} to cams.missing_dates" in last_line(done)
    project.configure({**CONFIG, "cams": {**CONFIG["cams"], "missing_dates": [DATES[4]]}})
    done = project.run("results/scratch/states/train.json", "--cores", "2", **project.environment)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "1 of 10 train snapshots touch a missing date" in done.stdout + done.stderr
    assert len(project.record("scratch/states/train.json")["snapshots"]) == 9


def wait_for(condition, process, seconds=60):
    """Wait until something has happened while a process runs."""
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.02)


def kill_hard(process):
    """Snakemake and all it started, at once."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(60)


def command_lines():
    """Of all processes that there are; one that ends while it is looked at has none."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found.append(path.read_bytes())
    return found


def test_the_key_appears_nowhere(project, server):
    """Not in a log at DEBUG, not in Snakemake's memory, not in an error, not in a command line."""
    server.key = "0badc0de-canary-4d3e-8f90-a1b2c3d4e5f6"
    project.use(server)
    server.fault("submit", "wait", date=DATES[0])
    server.fault("submit", "html", date=DATES[1])
    server.fault("submit", "unauthorised", date=DATES[2], times=FOREVER)
    targets, rest = [f"results/scratch/cams/{date}.json" for date in DATES[:3]], ["--cores", "3", "--verbose"]
    rest += ["--resources", "ads=3", "--printshellcmds"]
    environment = {**os.environ, **project.environment, "AURORASCOPE_LOG_LEVEL": "DEBUG", "PYTHONPATH": ""}
    where = {"cwd": project.path, "env": environment, "stderr": subprocess.STDOUT}
    # A file, since nobody empties a pipe while the test waits.
    with open(project.path / "output.txt", "wb") as output:
        words = [str(SNAKEMAKE), *targets[:2], *rest]
        process = subprocess.Popen(words, start_new_session=True, stdout=output, **where)
        try:
            wait_for(lambda: server.jobs_of(DATES[0]), process)
            titles = command_lines()
            server.release()
            process.wait(120)
        finally:
            if process.poll() is None:
                kill_hard(process)
        # After the others: a refused key stops all days at once.
        subprocess.run([str(SNAKEMAKE), targets[2], *rest], stdout=output, timeout=120, **where)
    output = (project.path / "output.txt").read_bytes()
    assert any(b"download_day" in title for title in titles)
    assert not any(b"canary" in title for title in titles)
    assert b"correct the key" in output
    log = project.result(f"logs/download_day/{DATES[0]}.log").read_text()
    assert "PRIVATE-TOKEN" in log or "<key>" in log
    files = [path for path in project.path.rglob("*") if path.is_file() and path.name != "adsapirc"]
    assert any(".snakemake" in str(path) for path in files)
    assert [str(path) for path in files if b"canary" in path.read_bytes()] == []
    assert b"canary" not in output


@pytest.mark.soak
@pytest.mark.parametrize("seed", [0])
def test_twenty_kills_of_a_run_of_ten_days(tmp_path, server, seed):
    """kill -9 of Snakemake and its jobs at 20 random moments: one job a day, the files of an undisturbed run."""
    import random

    reference = AdsProject.create(tmp_path / "reference", CONFIG).use(server)
    assert reference.days(DATES).returncode == 0
    whole = reference.records()
    with AdsServer(polls=2) as other:
        project = AdsProject.create(tmp_path / "project", CONFIG).use(other)
        chance, targets = random.Random(seed), [f"results/scratch/cams/{date}.json" for date in DATES]
        words = [str(SNAKEMAKE), *targets, "--cores", "2", "--rerun-incomplete"]
        environment = {**os.environ, **project.environment, "PYTHONPATH": ""}
        kills = 0
        while kills < 20:
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            process = subprocess.Popen(words, cwd=project.path, env=environment, start_new_session=True, **quiet)
            try:
                process.wait(chance.uniform(1.0, 4.0))
            except subprocess.TimeoutExpired:
                pass
            else:
                # Done before it could be killed: take a few days away and go on.
                for date in chance.sample(DATES, 3):
                    (project.result("scratch/cams") / f"{date}.json").unlink(missing_ok=True)
                continue
            kill_hard(process)
            kills += 1
            project.run("--unlock", "--cores", "1", **project.environment)
        done = project.days(DATES, "--rerun-incomplete")
        assert done.returncode == 0, done.stderr[-3000:]
        assert project.records() == whole
        assert [len(other.jobs_of(date)) for date in DATES] == [1] * len(DATES)
        folder = project.result("scratch/cams")
        assert sorted(p.name for p in folder.iterdir() if p.name.startswith(".")) == []
