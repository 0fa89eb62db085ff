"""Long forms, by hand (`pytest -m soak tests/cluster`): a suite by the plain command, time limits, preemption, SIGTERM."""

import os
import signal

import pytest

from tests.cluster.project import ClusterProject, scontrol, wait_for
from tests.workflow.project import BLOCKS, tiny_config

pytestmark = pytest.mark.soak
ONE = BLOCKS[1]
ONE_PT = f"results/saes/sae_{ONE}.pt"
DUMP, TRAIN = f"rule_dump_activations_wildcards_{ONE}_train", f"rule_train_sae_wildcards_{ONE}"


@pytest.fixture
def project(cluster, checkpoint_project, tmp_path):
    project = ClusterProject(checkpoint_project.copy(tmp_path.resolve() / "project").path)
    project.configure(tiny_config(aurora__device="auto"))
    yield project
    project.cancel()


@pytest.fixture
def dumping(project):
    """A head whose dump has its store and is held still until a test lets it go on."""
    head = project.start(ONE_PT)
    wait_for(project.result(f"scratch/activations/{ONE}/train/lock").exists)
    job = project.job(DUMP)["JobId"]
    scontrol("suspend", job)
    yield project, head, job
    if head.poll() is None:
        os.killpg(head.pid, signal.SIGKILL)


def test_a_suite_by_the_plain_command(project, suite):
    """Every block, from nothing but the checkpoint; then nothing is left to do."""
    project.submit()
    assert project.hashes() == suite.hashes()
    assert "Nothing to be done" in project.submit()


def test_a_job_that_runs_out_of_time_goes_on_with_more(project):
    """SLURM ends the first after its minute with SIGTERM, the second goes on, and the hash is that of one go."""
    config = tiny_config(aurora__device="auto")
    config["sae"] = {"epochs": 5000, "expansion": 256}
    project.configure(config)
    straight = project.copy(project.path.parent / "straight")
    text = project.submit(ONE_PT, "--set-resources", "train_sae:runtime=1 if attempt == 1 else 30")
    assert "SLURM status is: 'TIMEOUT'" in text
    first, second = (job for job in project.jobs().values() if job["Comment"] == TRAIN)
    assert (first["JobState"], first["TimeLimit"]) == ("TIMEOUT", "00:01:00")
    assert (second["JobState"], second["TimeLimit"]) == ("COMPLETED", "00:30:00")
    assert "going on after step" in project.result(f"logs/train_sae/{ONE}.log").read_text()
    straight.make(ONE_PT)
    assert project.hashes() == straight.hashes()


def test_a_job_that_is_preempted_and_queued_again(dumping, suite):
    """`scontrol requeue`: SLURM itself starts it again after two minutes; the head waits, and the hash is the same."""
    project, head, job = dumping
    scontrol("resume", job)
    scontrol("requeue", job)
    assert head.wait(300) == 0, (project.path / "head.txt").read_text()[-3000:]
    assert project.jobs()[job]["Restarts"] == "1"
    assert project.hashes() == {ONE: suite.hashes()[ONE]}


def test_a_head_that_is_asked_to_stop(dumping, suite):
    """SIGTERM: it waits for the job that runs, sends no other, and the same command does the rest."""
    project, head, job = dumping
    head.terminate()
    scontrol("resume", job)
    assert head.wait(300) != 0
    assert project.job(DUMP)["JobState"] == "COMPLETED"
    assert len(project.jobs()) == 1
    text = project.submit(ONE_PT)
    assert "rule dump_activations" not in text and "rule train_sae" in text
    assert project.hashes() == {ONE: suite.hashes()[ONE]}
