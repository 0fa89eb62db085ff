"""Every story of `ads_scenarios` through the rule's own command, with the real client."""

import multiprocessing
import re
from concurrent.futures import ProcessPoolExecutor

import pytest

from tests.cams.ads_play import play_by_name
from tests.cams.ads_scenarios import DAY, SCENARIOS

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def plays(request, tmp_path_factory):
    """Results to come of the chosen scenarios, by name; two are played at a time, since most of each is waiting."""
    chosen = [item.callspec.params["scenario"] for item in request.session.items if item.path == request.path]
    folder = tmp_path_factory.mktemp("scenarios")
    # Processes rather than threads: the stand-in makes NetCDF files, whose library takes one thread.
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        names = [scenario.name for scenario in chosen]
        yield {name: pool.submit(play_by_name, name, folder / str(n) / "run") for n, name in enumerate(names)}
        pool.shutdown(cancel_futures=True)
    assert not list(folder.rglob("evil"))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_scenario(scenario, plays):
    story = plays[scenario.name].result()
    for number, (step, seen) in enumerate(zip(scenario.runs, story.played, strict=True), 1):
        told = f"call {number}: {seen.line}\n{seen.log}"
        assert seen.status == step.status, told
        assert seen.jobs == step.jobs, told
        assert re.search(step.says, seen.line if step.status else seen.log), told
        assert (seen.calls == 0) == step.silent, told
        assert (seen.record is not None) == (step.status == 0), told
        # Whatever happened, no zip and no states that are not whole have their final names.
        whole = {f"{DAY}.zarr"} | ({f"{DAY}.zip"} if scenario.cams.get("keep_zips", True) else set())
        there = whole & set(seen.names)
        assert there == (whole if step.status == 0 else set()), told
        assert not step.status or seen.line.startswith("download_day: "), told
        assert "Traceback" not in seen.line
    if scenario.downloads is not None:
        assert story.downloads == scenario.downloads
    assert story.leaks == []
