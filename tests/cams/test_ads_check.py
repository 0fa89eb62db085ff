"""check_access says what is wrong without asking for data."""

import os
import stat

import pytest

from tests.cams.ads_server import FOREVER

pytestmark = pytest.mark.slow


def check(run, **environment):
    done = run.run("check_access", "--folder", "results/scratch/cams", **environment)
    assert run.server.jobs == []
    assert run.server.key not in done.stdout + done.stderr
    return done


def test_all_is_well(run):
    done = check(run)
    assert done.status == 0, done.stderr
    assert "The store knows the key." in done.stdout
    assert "A day costs" in done.stdout
    assert done.stdout.endswith("All is well.\n")


def test_other_users_can_read_the_key(run):
    run.rc.chmod(0o644)
    done = check(run)
    assert done.status == 0
    assert f"chmod 600 {run.rc}" in done.stdout
    assert stat.S_IMODE(run.rc.stat().st_mode) == 0o644


@pytest.mark.parametrize(
    ("rc", "message"),
    [
        (None, "no such file"),
        ("url: https://ads.atmosphere.copernicus.eu/api/\nkey: a-bc\n", "a slash at its end"),
        ("url: https://ads.atmosphere.copernicus.eu/api/v2\nkey: a-bc\n", "closed in 2024"),
        ("url: https://cds.climate.copernicus.eu/api\nkey: a-bc\n", "no CAMS forecasts"),
        ("url: https://ads.atmosphere.copernicus.eu/api\nkey: 123:a-bc\n", "old form UID:KEY"),
    ],
)
def test_the_rc_file(run, rc, message):
    run.write_rc(rc or "")
    if rc is None:
        run.rc.unlink()
    done = check(run)
    assert done.status == 78
    assert message in done.last
    assert len(run.server.calls) == 0


@pytest.mark.parametrize(
    ("place", "action", "status", "message"),
    [
        ("auth", "unauthorised", 78, "correct the key"),
        ("process", "no_dataset", 78, "correct the url"),
        ("any", 503, 75, "503"),
        ("auth", "hang", 75, "imed out"),
        ("auth", "html", 75, "not JSON"),
    ],
)
def test_the_store_refuses_or_is_silent(run, place, action, status, message):
    run.configure(cams__ads={"tries": 2, "retry_s": 0.01, "timeout_s": 0.5})
    run.server.fault(place, action, times=FOREVER)
    done = check(run)
    assert (done.status, message in done.last) == (status, True), done.last


def test_a_licence_that_is_not_accepted(run):
    run.server.licensed = False
    done = check(run)
    assert done.status == 78
    assert "?tab=download#manage-licences" in done.last


def test_nobody_answers(run):
    run.configure(cams__ads={"tries": 2, "retry_s": 0.01})
    run.write_rc("url: http://127.0.0.1:9/api\nkey: a-bc\n")
    done = check(run)
    assert done.status == 75
    assert "refused" in done.last


def test_a_key_in_the_environment(run):
    run.rc.unlink()
    done = check(run, CDSAPI_URL=run.server.url, CDSAPI_KEY=run.server.key)
    assert done.status == 0, done.stderr
    assert os.environ.get("CDSAPI_KEY") != run.server.key
