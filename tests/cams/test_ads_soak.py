"""Two years of days in one process through a store that fails at every tenth call: all arrive, memory stays flat."""

import json
import subprocess
import sys

import pytest

from tests.cams.ads_run import ROOT, AdsRun
from tests.cams.ads_server import AdsServer

# Three attempts a run, as Snakemake makes them, and as many runs as a patient user starts.
LOOP = """
import json, sys
from pathlib import Path
import psutil
from aurorascope.cams.day import make_day
from aurorascope.config import load_config
from aurorascope.config.calendar import day_hours
from aurorascope.errors import TryAgainError
cams, folder, attempts, memory = load_config().cams, Path("results/scratch/cams"), 0, []
for number, (date, hours) in enumerate(day_hours(cams).items()):
    for attempt in range(30):
        attempts += 1
        try:
            make_day(date, folder / f"{date}.json", cams, hours, attempt % 3 + 1)
            break
        except TryAgainError as error:
            print(date, error.one_line(), file=sys.stderr)
    memory.append(psutil.Process().memory_info().rss)
print(json.dumps({"days": number + 1, "attempts": attempts, "memory": memory}))
"""


def soak(folder, start, end, rate):
    """Download the days; returns what the loop said, the run, and the server, which is closed."""
    with AdsServer(polls=1) as server:
        server.random_faults(rate, seed=1)
        split = {"train": {"start": start, "end": end}, "held_out": {"dates": ["2030-01-01"]}, "init_hours": [0, 12]}
        patience = {"wait_hours": 1.0, "tries": 4, "retry_s": 0.01, "poll_s": 0.02, "timeout_s": 1.0}
        run = AdsRun(folder, server, **{f"cams__{key}": value for key, value in split.items()}, cams__ads=patience)
        environment = run.environment(PYTHONPATH=f"{ROOT / 'workflow'}")
        done = subprocess.run(
            [sys.executable, "-c", LOOP], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout.splitlines()[-1]), run, server


def check(said, run, server):
    dates = sorted({job.date for job in server.jobs})
    assert len(dates) == said["days"]
    assert all(run.record(date) is not None for date in dates)
    assert [name for name in run.names() if name.startswith(".")] == []
    return dates


@pytest.mark.slow
@pytest.mark.long
def test_two_weeks_with_faults(tmp_path):
    said, run, server = soak(tmp_path, "2022-06-01", "2022-06-12", 0.1)
    dates = check(said, run, server)
    assert [len(server.jobs_of(date)) for date in dates] == [1] * len(dates)
    assert sum(call.status is None or call.status >= 429 for call in server.calls) > 3


@pytest.mark.slow
@pytest.mark.soak
def test_two_years_with_faults(tmp_path):
    said, run, server = soak(tmp_path, "2022-06-02", "2024-05-29", 0.1)
    check(said, run, server)
    early, late = said["memory"][100], said["memory"][-1]
    bad = sum(call.status is None or call.status >= 429 for call in server.calls)
    print(
        f"{said['days']} days, {said['attempts']} attempts, {len(server.jobs)} jobs, {len(server.calls)} calls of which "
        f"{bad} bad; memory {early / 1e6:.0f} MB after 100 days, {late / 1e6:.0f} MB at the end"
    )
    assert said["days"] >= 730
    assert late < early * 1.1
