"""A download that is killed at any moment costs no second job and leaves nothing half-made under a final name."""

import random
import signal
import time

import pytest

from tests.cams.ads_play import play
from tests.cams.ads_run import AdsRun
from tests.cams.ads_scenarios import Run, Scenario
from tests.cams.ads_server import AdsServer

DATES = ("2022-06-11", "2022-06-12")


def wait_for_a_job(server, process):
    """Wait until the store has made a job for a running download."""
    end = time.monotonic() + 60
    while not server.jobs:
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.02)


def complete_days(run, dates):
    """States' digests of the days whose record is there; their other files must be there too."""
    found = {}
    for date in dates:
        record = run.record(date)
        if record is not None:
            assert {f"{date}.zarr", f"{date}.zip", f"{date}.download.json"} <= set(run.names())
            found[date] = record["states"]
    return found


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    with AdsServer() as server:
        run = AdsRun(tmp_path_factory.mktemp("undisturbed"), server)
        assert [run.download(date).status for date in DATES] == [0, 0]
        return complete_days(run, DATES)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.long
def test_killed_at_random_moments(tmp_path, undisturbed, seed):
    """Five kills within the first seconds, then a run to the end."""
    chance = random.Random(seed)
    with AdsServer(polls=2) as server:
        run = AdsRun(tmp_path, server)
        for _ in range(5):
            started = [run.start(date) for date in DATES]
            time.sleep(chance.uniform(0.1, 1.6))
            for process in started:
                run.kill(process)
            complete_days(run, DATES)
        assert [run.download(date).status for date in DATES] == [0, 0]
        assert complete_days(run, DATES) == undisturbed
        assert [len(server.jobs_of(date)) for date in DATES] == [1, 1]
        assert [name for name in run.names() if name.startswith(".")] == []


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("listed", [True, False])
def test_killed_between_the_request_and_its_answer(tmp_path, how, listed):
    """The next run finds the job though its name never reached the disk, whether or not the list says what it is for."""
    date = DATES[0]
    with AdsServer() as server:
        server.listed_requests = listed
        server.fault("submit", "hang")
        run = AdsRun(tmp_path, server, cams__ads={"timeout_s": 30.0})
        process = run.start(date)
        wait_for_a_job(server, process)
        run.kill(process, how)
        assert run.download(date).status == 0
        assert len(server.jobs) == 1


@pytest.mark.slow
def test_a_second_run_beside_the_first_does_nothing(tmp_path):
    date = DATES[0]
    with AdsServer() as server:
        server.fault("submit", "wait")
        run = AdsRun(tmp_path, server, cams__ads={"wait_hours": 1.0, "poll_s": 0.1})
        first = run.start(date)
        wait_for_a_job(server, first)
        calls = len(server.calls_of("submit"))
        second = run.download(date)
        assert (second.status, len(server.calls_of("submit"))) == (75, calls)
        assert "another process holds the lock" in second.last
        server.release()
        assert first.wait(60) == 0
        assert run.record(date) is not None


@pytest.mark.slow
def test_a_killed_unpacking_does_not_download_again(tmp_path):
    """What arrived whole is kept through a kill: the next run sends nothing."""
    date = DATES[0]
    with AdsServer() as server:
        run = AdsRun(tmp_path, server)
        process = run.start(date)
        while not (tmp_path / "results/scratch/cams" / f".{date}.work" / "job.json").exists() or not _has_zip(run, date):
            if process.poll() is not None:
                pytest.skip("the day was done before it could be killed")
            time.sleep(0.002)
        run.kill(process)
        if run.record(date) is not None:
            pytest.skip("the day was done before it could be killed")
        before = len(server.calls)
        assert run.download(date).status == 0
        assert len(server.calls) == before


def _has_zip(run, date):
    text = (run.days / f".{date}.work" / "job.json").read_text()
    return '"sha256"' in text


@pytest.mark.slow
def test_the_days_of_a_refused_run_stop_without_a_call(tmp_path):
    """The second day reads what the first was told; lifting the refusal is check_access's."""
    with AdsServer() as server:
        server.licensed = False
        run = AdsRun(tmp_path, server)
        assert run.download(DATES[0]).status == 78
        before = len(server.calls)
        second = run.download(DATES[1])
        assert (second.status, len(server.calls)) == (78, before)
        assert second.last.split("expected", 1)[1] == run.errors().strip().splitlines()[0].split("expected", 1)[1]
        server.licensed = True
        assert run.download(DATES[1]).status == 78
        checked = run.run("check_access", "--folder", "results/scratch/cams")
        assert (checked.status, checked.stdout.splitlines()[-1]) == (0, "All is well.")
        assert len(server.jobs) == 0
        assert run.download(DATES[1]).status == 0


@pytest.mark.slow
def test_a_new_key_lifts_the_refusal_by_itself(tmp_path):
    rc = "url: https://ads.atmosphere.copernicus.eu/api/\nkey: a-bc\n"
    runs = (Run(78, 0), Run(0, 1, before=lambda server, run: run.write_rc()))
    story = play(Scenario("an rc file that is corrected", runs, rc=rc), tmp_path)
    assert [(p.status, p.jobs) for p in story.played] == [(78, 0), (0, 1)]
