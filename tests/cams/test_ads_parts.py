"""The small parts of the downloader: what is on disk of a job, the deadline, the refusal for all days."""

import time

import pytest
from aurorascope.cams.ads.deadline import DeadlinePassed, deadline
from aurorascope.cams.ads.fatal import NAME, clear_fatal, record_fatal, refuse_if_fatal
from aurorascope.cams.ads.job import JobState
from aurorascope.cams.ads.meter import Overlong, meter
from aurorascope.cams.request import day_request, request_sha256
from aurorascope.errors import FatalError, UserError
from aurorascope.redact import hide

REQUEST = day_request("2022-06-11", [500, 850], [0, 12])


def test_a_job_survives_the_process(tmp_path):
    path, sha = tmp_path / "job.json", request_sha256(REQUEST)
    state = JobState.load(path, sha)
    state.about_to_submit()
    assert JobState.load(path, sha).submitting
    state.attach("job-1")
    state.failures = 2
    state.save()
    state.attach("job-2")
    state.forget(for_good=True)
    state.forget(for_good=True)
    again = JobState.load(path, sha)
    assert again == state
    assert (again.id, again.bad, again.submitting, again.failures) == (None, ["job-2"], None, 0)


@pytest.mark.parametrize("spoil", ["other request", "truncated", "another kind", "absent"])
def test_a_job_of_another_request_is_void(tmp_path, spoil):
    path = tmp_path / "job.json"
    if spoil != "absent":
        JobState.load(path, "a").attach("job-1")
    if spoil == "truncated":
        path.write_text(path.read_text()[:20])
    if spoil == "another kind":
        path.write_text('{"kind": "states"}')
    assert JobState.load(path, "a" if spoil != "other request" else "b").id is None


def test_the_deadline_rings_in_sleeps_and_through_handlers_of_exceptions():
    with pytest.raises(DeadlinePassed), deadline(0.05):
        while True:
            try:
                time.sleep(5)
            except Exception:
                pytest.fail("the deadline must not be an Exception")
    with deadline(5):
        pass
    time.sleep(0.1)


def test_a_refusal_holds_for_the_other_days_until_something_changed(tmp_path, monkeypatch):
    monkeypatch.setenv("CDSAPI_RC", str(tmp_path / "rc"))
    hide("fatal-canary")
    error = FatalError("the download of 2022-06-11", "a key", "401 for fatal-canary", "correct it")
    record_fatal(tmp_path, error, REQUEST)
    assert "canary" not in (tmp_path / NAME).read_text()
    other_day = day_request("2022-06-12", [850, 500], [12])
    with pytest.raises(FatalError, match="401 for <key>.*correct it"):
        refuse_if_fatal(tmp_path, other_day)
    refuse_if_fatal(tmp_path, day_request("2022-06-12", [500], [0, 12]))
    assert not (tmp_path / NAME).exists()
    record_fatal(tmp_path, error, REQUEST)
    (tmp_path / "rc").write_text("key: new\n")
    refuse_if_fatal(tmp_path, REQUEST)
    assert not (tmp_path / NAME).exists()
    record_fatal(tmp_path, error, REQUEST)
    assert clear_fatal(tmp_path)
    assert not clear_fatal(tmp_path)


def test_a_damaged_refusal_is_none(tmp_path):
    (tmp_path / NAME).write_text("{")
    refuse_if_fatal(tmp_path, REQUEST)
    assert not (tmp_path / NAME).exists()


def test_more_than_was_announced_ends_the_transfer():
    with meter("Downloading", 3_000_000)(total=3_000_000, initial=1_000_000, desc="x") as bar:
        bar.update(2_000_000)
        with pytest.raises(Overlong):
            bar.update(1)
        bar.close()


def test_fatal_errors_carry_their_own_status():
    assert len({UserError.status, FatalError.status, 75}) == 3
