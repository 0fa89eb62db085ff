"""The stand-in of the Atmosphere Data Store speaks the protocol: the real client is the judge."""

import threading
import time
import warnings
import zipfile

import pytest

pytest.importorskip("cdsapi")

import cdsapi
import requests
from aurorascope.cams.request import DATASET, day_request
from aurorascope.cams.validate import read_day
from aurorascope.errors import UserError
from ecmwf import datastores

from tests.cams.ads_bodies import SPOILED, demo_body, demo_day
from tests.cams.ads_run import AdsRun
from tests.cams.ads_server import FOREVER, KEY, AdsServer

DAY, LEVELS, HOURS = "2022-06-11", (500, 850), (0, 12)
REQUEST = day_request(DAY, LEVELS, HOURS)


@pytest.fixture
def server():
    with AdsServer() as server:
        yield server


@pytest.fixture
def client(server):
    return client_of(server)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def client_of(server, **options):
    options = {"maximum_tries": 3, "retry_after": 0.01, "sleep_max": 0.02, "timeout": 0.5, "progress": False, **options}
    return datastores.Client(server.url, options.pop("key", server.key), **options)


def good():
    return demo_day(DAY, HOURS, LEVELS, 9, 9)


def test_one_retrieve_of_the_users_client(server, tmp_path):
    client = cdsapi.Client(url=server.url, key=KEY, quiet=True, progress=False, sleep_max=0.1, retry_max=2)
    assert type(client).__name__ == "LegacyClient"
    client.retrieve(DATASET, REQUEST, str(tmp_path / "day.zip"))
    assert (tmp_path / "day.zip").read_bytes() == good()
    wire = [(call.method, call.where, call.status) for call in server.calls]
    assert wire == [
        ("GET", "messages", 200), ("GET", "process", 200), ("POST", "submit", 201), ("GET", "poll", 200),
        ("GET", "job", 200), ("GET", "results", 200), ("HEAD", "asset_head", 200), ("GET", "asset", 200),
    ]
    assert "PRIVATE-TOKEN" not in server.calls[-1].headers
    assert [job.date for job in server.jobs] == [DAY] and len(server.posts(DAY)) == 1
    read_day(tmp_path / "day.zip", DAY, HOURS, LEVELS)


def test_a_job_is_found_again_from_another_process(server, client, tmp_path):
    server.polls = 2
    name = client.submit(DATASET, REQUEST).request_id
    remote = client_of(server).get_remote(name)
    assert (remote.status, remote.status, remote.status) == ("running", "running", "successful")
    assert remote.request == REQUEST
    remote.download(str(tmp_path / "day.zip"))
    assert len(server.posts()) == 1
    assert remote.delete()["status"] == "dismissed"
    with pytest.raises(requests.HTTPError, match="job not found"):
        client.get_remote(name)


def test_the_list_of_jobs_is_paged_and_filtered(server, client):
    ends = ("successful", "failed", "accepted", "successful", "failed", "accepted", "successful")
    days = [server.add_day(f"2022-06-{number:02d}", status=end) for number, end in enumerate(ends, 1)]
    page, found = client.get_jobs(limit=2, sortby="-created", status=["successful", "accepted"]), []
    while page is not None:
        found += page.request_ids
        page = page.next
    assert found == [job.id for job in reversed(days) if job.status != "failed"]
    listed = client.get_jobs(limit=1).json["jobs"][0]
    assert listed["metadata"]["request"]["ids"] == days[-1].inputs
    server.listed_requests = False
    assert "request" not in client.get_jobs(limit=1).json["jobs"][0]["metadata"]
    assert client.get_jobs(limit=1, sortby="created").request_ids == [days[0].id]


def test_the_account(server, client):
    assert client.check_authentication()
    assert client.get_licences()[0]["id"] == client.get_accepted_licences()[0]["id"]
    server.licensed = False
    assert client.get_accepted_licences() == []
    with pytest.raises(requests.HTTPError, match=f"required licences.*\n.*/datasets/{DATASET}.tab=download"):
        client.submit(DATASET, REQUEST)
    client.accept_licence("cc-by", 1)
    assert client.get_collection(DATASET).submit(REQUEST).status == "successful"
    other = client_of(server, key="another")
    for call in (other.check_authentication, other.get_jobs, lambda: other.submit(DATASET, REQUEST)):
        with pytest.raises(requests.HTTPError, match="401.*\nauthentication failed\noperation not allowed"):
            call()


def test_it_is_strict(server, client):
    for path in ("/api//catalogue/v1/messages", "/api/v2/catalogue/v1/messages", "/", "/api/retrieve/v1/jobs/"):
        assert requests.get(server.base + path).status_code == 404
    with pytest.raises(requests.HTTPError, match="process not found"):
        client.submit("reanalysis-era5-single-levels", REQUEST)
    with pytest.raises(requests.HTTPError, match="cost limits exceeded"):
        client.submit(DATASET, {**REQUEST, "pressure_level": [str(n) for n in range(400)]})
    with pytest.raises(requests.HTTPError, match="invalid request"):
        client.submit(DATASET, {**REQUEST, "area": [60, 0, 50, 10]})
    with pytest.raises(ValueError, match="knows no cut"):
        server.fault("poll", "cut")


def test_the_cache_answers_what_was_asked_before(server, client, tmp_path):
    server.cache = True
    client.retrieve(DATASET, REQUEST, str(tmp_path / "1.zip"))
    server.polls = 1
    assert client.submit(DATASET, REQUEST).results_ready
    assert not client.submit(DATASET, day_request("2022-06-12", LEVELS, HOURS)).results_ready
    assert len({job.id for job in server.jobs}) == 3


@pytest.mark.parametrize(
    ("fate", "message"),
    [
        ("queue_limit", "temporarily limited"),
        ("rejected", "rejected"),
        ("failed", "The job has failed\nTraceback"),
        ("no_data", "MARS returned no data, please check your selection"),
        ("dismissed", "API state 'dismissed'"),
        ("unknown_state", "Unknown API state 'paused'"),
        ("gone", "job not found"),
    ],
)
@pytest.mark.parametrize("where", ["submit", "poll"])
def test_jobs_that_end_without_a_result(server, client, fate, message, where):
    server.fault(where, fate)
    with pytest.raises((requests.HTTPError, datastores.processing.ProcessingFailedError), match=message):
        client.submit(DATASET, REQUEST).get_results()
    assert client.submit(DATASET, REQUEST).results_ready


def test_jobs_that_wait(server, client):
    server.fault("poll", "wait", times=FOREVER)
    remote = client.submit(DATASET, REQUEST)
    assert [remote.results_ready for _ in range(5)] == [False] * 5
    server.release()
    assert remote.results_ready
    server.fault("submit", "running")
    remote = client.submit(DATASET, REQUEST)
    assert [remote.results_ready for _ in range(3)] == [False] * 3
    server.fault("poll", "unknown_state")
    with pytest.raises(datastores.processing.ProcessingFailedError, match="Unknown API state 'paused'"):
        remote.results_ready  # noqa: B018
    assert not remote.results_ready
    server.release()
    assert remote.results_ready


def test_many_clients_at_once(server, tmp_path):
    days = [f"2022-07-{number:02d}" for number in range(1, 9)]

    def fetch(day):
        # Eight at once on a busy machine: how long one waits is not what this is about.
        client_of(server, timeout=30).retrieve(DATASET, day_request(day, LEVELS, HOURS), str(tmp_path / day))

    threads = [threading.Thread(target=fetch, args=(day,)) for day in days]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(tmp_path / day).read_bytes() == demo_day(day, HOURS, LEVELS, 9, 9) for day in days] == [True] * 8
    assert [len(server.jobs_of(day)) for day in days] == [1] * 8


@pytest.mark.parametrize("action", [500, 502, 503, 429, "reset", "lost"])
@pytest.mark.parametrize("where", ["messages", "process", "poll", "job", "results", "jobs", "submit"])
def test_transient_faults_of_a_call(server, where, action):
    fault = server.fault(where, action, times=2, processed=False)
    client = client_of(server)
    client.submit(DATASET, REQUEST).get_results()
    client.get_jobs()
    assert fault.done == 2
    assert len(server.jobs) == (3 if (where, action) == ("submit", "lost") else 1)


def test_a_fault_for_ever_and_a_header_that_the_client_ignores(server, client):
    server.fault("submit", 429, times=FOREVER, retry_after=7)
    with pytest.raises(requests.HTTPError, match="429") as caught:
        client.submit(DATASET, REQUEST)
    assert caught.value.response.headers["Retry-After"] == "7"
    assert len(server.posts(DAY)) == 3 and not server.jobs


def test_a_slow_answer_leaves_jobs_behind(server, client):
    server.fault("submit", "slow", s=0.8)
    assert client.submit(DATASET, REQUEST).results_ready
    assert len(server.jobs_of(DAY)) == 2


@pytest.mark.parametrize(("where", "action"), [("poll", "html"), ("submit", "html"), ("results", "empty")])
def test_what_is_not_json(server, client, where, action):
    server.fault(where, action)
    with pytest.raises(requests.exceptions.JSONDecodeError):
        client.submit(DATASET, REQUEST).get_results()


def test_results_that_are_no_more(server, client):
    server.fault("results", "expired")
    remote = client.submit(DATASET, REQUEST)
    for _ in range(2):
        with pytest.raises(requests.HTTPError, match="results expired"):
            remote.get_results()
    server.fault("results", "no_size")
    assert "file:size" not in client.submit(DATASET, REQUEST).get_results().asset


WHOLE, JUNK = "whole", "junk"


@pytest.mark.parametrize(
    ("where", "action", "how", "ends"),
    [
        ("asset_head", 405, {"times": FOREVER}, WHOLE),
        ("asset_head", "reset", {}, WHOLE),
        ("asset", "cut", {"at": 1000}, WHOLE),
        ("asset", "cut", {"at": 1000, "reset": True}, WHOLE),
        ("asset", "cut", {"at": 0}, WHOLE),
        ("asset", "stall", {}, WHOLE),
        ("asset", "reset", {}, WHOLE),
        ("asset", 503, {}, WHOLE),
        ("asset", "redirect", {}, WHOLE),
        ("asset", "flip", {}, JUNK),
        ("asset", 403, {}, "0 byte"),
        ("asset", 404, {}, "0 byte"),
        ("asset", "short", {}, "byte"),
        ("asset", "long", {}, "byte"),
        ("asset", "html", {}, "mismatch"),
        ("asset", "empty", {}, "mismatch"),
        ("asset", "endless", {"n": 1 << 21}, "byte|mismatch"),
    ],
)
def test_transfers(server, client, tmp_path, where, action, how, ends):
    results = client.submit(DATASET, REQUEST).get_results()
    fault = server.fault(where, action, **how)
    target = tmp_path / "day.zip"
    if ends in (WHOLE, JUNK):
        results.download(str(target))
        assert (target.read_bytes() == good()) == (ends == WHOLE)
    else:
        with pytest.raises((datastores.processing.DownloadError, AssertionError), match=ends):
            results.download(str(target))
    assert fault.done


@pytest.mark.parametrize("ranges", ["yes", "no", "lie"])
def test_a_cut_transfer_and_what_the_server_says_of_ranges(client, server, tmp_path, ranges):
    """The client goes on at the last whole megabyte that it has written."""
    data = bytes(range(256)) * (10 << 10)
    server._body, server.ranges = lambda date, inputs: data, ranges
    server.fault("asset", "cut", at=(2 << 20) + 100)
    results = client.submit(DATASET, REQUEST).get_results()
    if ranges == "lie":
        with pytest.raises(AssertionError, match="mismatch"):
            results.download(str(tmp_path / "day.zip"))
    else:
        results.download(str(tmp_path / "day.zip"))
        assert (tmp_path / "day.zip").read_bytes() == data
    asked = [call.headers.get("Range") for call in server.downloads_of(DAY)]
    assert asked == [None, None if ranges == "no" else f"bytes={2 << 20}-"]


HARMLESS = {"receipt", "in_folder", "old_names", "deflated", "packed", "trailing", "numbered", "twice", "west", "upside_down"}


@pytest.mark.parametrize("spoil", sorted(SPOILED))
def test_days_that_are_not_what_they_should_be(spoil, tmp_path):
    path = tmp_path / f"{DAY}.zip"
    path.write_bytes(SPOILED[spoil](good()))
    assert path.read_bytes() != good()
    if spoil in HARMLESS:
        plain = tmp_path / "good.zip"
        plain.write_bytes(good())
        states, expected = (read_day(each, DAY, HOURS, LEVELS).states for each in (path, plain))
        plain.unlink()
        assert spoil == "packed" or states.equals(expected)
    else:
        with pytest.raises(UserError):
            read_day(path, DAY, HOURS, LEVELS)
    assert [item.name for item in tmp_path.iterdir()] == [path.name]


def test_a_spoiled_day_is_delivered_once(server, client, tmp_path):
    server.fault("body", "truncated", date=DAY)
    server.fault("body", lambda data: b"mine", date="2022-06-12")
    for number in (1, 2):
        client.retrieve(DATASET, REQUEST, str(tmp_path / f"{number}.zip"))
    assert not zipfile.is_zipfile(tmp_path / "1.zip") and (tmp_path / "2.zip").read_bytes() == good()
    client.retrieve(DATASET, day_request("2022-06-12", LEVELS, HOURS), str(tmp_path / "3.zip"))
    assert (tmp_path / "3.zip").read_bytes() == b"mine"


def test_random_faults_are_the_same_for_one_seed(tmp_path):
    def statuses():
        with AdsServer() as server, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            server.random_faults(0.4, seed=3)
            client = client_of(server, maximum_tries=20)
            client.retrieve(DATASET, REQUEST, str(tmp_path / "day.zip"))
            return [(call.where, call.status) for call in server.calls]

    first = statuses()
    assert first == statuses() and {status for _, status in first} - {200, 201, 206}


def test_it_closes_while_answers_wait(server):
    server.fault("messages", "hang")
    failed = []

    def ask():
        with pytest.raises(requests.exceptions.ConnectionError):
            requests.get(f"{server.url}/catalogue/v1/messages", timeout=20)
        failed.append(True)

    thread = threading.Thread(target=ask)
    thread.start()
    while not server.calls:
        time.sleep(0.01)
    server.close()
    thread.join(5)
    assert failed


def test_calls_are_fast(server, client, tmp_path):
    client.retrieve(DATASET, REQUEST, str(tmp_path / "day.zip"))
    begin = time.perf_counter()
    for _ in range(20):
        client.retrieve(DATASET, REQUEST, str(tmp_path / "day.zip"))
    assert time.perf_counter() - begin < 5


def test_the_body_follows_the_request():
    small = demo_body((9, 9))(DAY, day_request(DAY, [1000], [12]))
    assert small != good() and len(small) < len(good())


def test_the_harness(server, tmp_path):
    run = AdsRun(tmp_path / "project", server, cams__ads__tries=2)
    assert (run.rc.stat().st_mode & 0o777, run.names(), run.record(DAY)) == (0o600, [], None)
    environment = run.environment(CDSAPI_KEY="given", no_proxy=None)
    assert environment["CDSAPI_KEY"] == "given" and "CDSAPI_URL" not in environment and "no_proxy" not in environment
    done = run.run("download_day", "--help")
    assert done.status == 0 and "--record" in done.stdout
    process = run.start(DAY)
    assert run.kill(process) == -9
    assert run.says(server.key) == []
