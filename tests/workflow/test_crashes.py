"""A run that is cut off anywhere and taken up again as the README says ends with the bytes of an undisturbed one."""

import collections
import random
import shutil

import pytest

from tests.workflow.crash import STAGES, History, Running, content, durations, leftovers, table
from tests.workflow.project import Project, tiny_config

pytestmark = pytest.mark.slow
ONE = "encoder_s1_b5"
CONFIG = tiny_config(
    blocks=["encoder_s0_b0", ONE, "decoder_s2_b5"],
    cams__train={"start": "2022-06-01", "end": "2022-06-03"},
    cams__held_out={"start": "2022-06-20", "end": "2022-06-20"},
)
N_KILLS = 48
LONG = ("dump_activations", "train_sae", "evaluate_sae")


@pytest.mark.long
def test_three_kills_of_making_one_sae_again(finished, suite):
    """In another folder, another zone, on one core: Snakemake killed with a job running on, everything killed, an end asked for."""
    shutil.rmtree(finished.result(f"scratch/activations/{ONE}/train"))
    for name in (f"saes/sae_{ONE}.json", f"saes/sae_{ONE}.pt", f"evaluation/{ONE}.json", "sae_index.json", "SHA256SUMS"):
        finished.result(name).unlink()
    plan = [
        ("dump_activations", "kill -9 of Snakemake, wait"),
        ("train_sae", "kill -9 of all"),
        ("evaluate_sae", "SIGTERM to Snakemake"),
    ]
    words, zone = ["results/SHA256SUMS", "--cores", "1"], {"TZ": "Asia/Kathmandu"}
    # Alone on its core a job may be twice as fast as it was in the suite.
    seconds = {rule: value / 2 for rule, value in durations(suite).items()}
    history = History(finished, words, zone, random.Random(0), seconds)
    history.live(plan)
    print(table(history.kills))
    assert len(history.kills) == len(plan)
    assert content(finished) == content(suite)
    assert leftovers(finished) == leftovers(suite)
    assert not finished.planned()


@pytest.fixture
def undisturbed(checkpoint_project, tmp_path):
    """A project with nothing but the trained checkpoint, and a finished copy of it, made without a disturbance."""
    start = checkpoint_project.copy(tmp_path / "start")
    start.configure(CONFIG)
    finished = start.copy(tmp_path / "undisturbed")
    finished.make()
    return start, finished


def _plan(rng, kinds, stages):
    """A kill in each stage, of the kinds whose turn it is."""
    for stage in stages:
        if not kinds:
            kinds.extend(rng.sample(Running.KINDS, len(Running.KINDS)))
        yield stage, kinds.pop()


@pytest.mark.soak
def test_many_kills_over_all_stages(undisturbed, tmp_path):
    """Histories from nothing, the first without a checkpoint: one kill a stage at a random moment, then the same bytes."""
    start, reference = undisturbed
    rng, kinds, kills, number = random.Random(3), [], [], 0
    seconds = durations(reference)
    while len(kills) < N_KILLS:
        folder, is_first = tmp_path / f"history-{number}", number == 0
        # Each stage once, in the order in which they come, and the long ones, of several jobs, once more.
        stages = [s for stage in STAGES if is_first or stage != "make_checkpoint" for s in [stage] * (1 + (stage in LONG))]
        project = Project.create(folder, CONFIG) if is_first else start.copy(folder)
        zone = {"TZ": rng.choice(["UTC", "Asia/Kathmandu", "America/Los_Angeles"])}
        history = History(project, ["--cores", "2"], zone, rng, seconds)
        try:
            history.live(_plan(rng, kinds, stages))
        finally:
            print(table(history.kills), flush=True)
        assert content(project) == content(reference)
        assert leftovers(project) == leftovers(reference)
        assert not project.planned()
        kills += history.kills
        shutil.rmtree(folder)
        number += 1
    for name in ("stage", "kind"):
        counts = collections.Counter(getattr(kill, name) for kill in kills)
        print(", ".join(f"{n} {what}" for what, n in counts.most_common()))
    print(f"{len(kills)} kills in {number} histories, each recovered")
    met = {kill.stage for kill in kills}
    assert met >= {"download_day", "make_checkpoint", *LONG} and met & {"build_index", "write_card", "write_digests"}
