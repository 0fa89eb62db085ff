"""Runs on a real SLURM: same hashes as here, GPUs where they are needed, and a head that was killed."""

import os
import signal
import subprocess

import pytest

from tests.cluster.project import ALIVE, ClusterProject, recovery, scontrol, wait_for
from tests.workflow.project import BLOCKS, SNAKEMAKE, tiny_config

pytestmark = [pytest.mark.slow, pytest.mark.long]
ONE, OTHER = BLOCKS[1], BLOCKS[2]
ONE_PT = f"results/saes/sae_{ONE}.pt"
DUMP = f"rule_dump_activations_wildcards_{ONE}_train"


def stores(project):
    return sorted(str(path.parent.relative_to(project.result("scratch/activations")))
                  for path in project.result("scratch/activations").glob("*/*/manifest.json"))


@pytest.fixture(scope="module")
def bare_on_cluster(cluster, checkpoint_project, tmp_path_factory):
    """Two blocks' days, which no job of a cluster makes, and a trained checkpoint. `auto` asks for a GPU and, where there is none in
    truth, computes on the CPU.
    """
    here = checkpoint_project.copy(tmp_path_factory.mktemp("slurm").resolve() / "project")
    here.configure(tiny_config(aurora__device="auto", blocks=[ONE, OTHER]))
    here.make(*(f"results/scratch/{name}.json" for name in ("states/train", "states/held_out", "static/static")))
    project = ClusterProject(here.path)
    yield project
    project.cancel()


@pytest.fixture(scope="module")
def cut_off(bare_on_cluster):
    """A head killed while its dump runs; the job, held still so that it outlives the next run, goes on."""
    project = bare_on_cluster
    head = project.start(ONE_PT)
    try:
        wait_for(project.result(f"scratch/activations/{ONE}/train/lock").exists)
        job = project.job(DUMP)["JobId"]
        scontrol("suspend", job)
        devices = project.devices("dump_activations")
    finally:
        os.killpg(head.pid, signal.SIGKILL)
        head.wait(60)
    return project, job, devices


@pytest.fixture(scope="module")
def recovered(cut_off):
    """The same command at once, after `--unlock`, until it is refused and stopped by Ctrl-C; then the recipe of docs/slurm.md."""
    project, job, _ = cut_off
    project.make("--unlock")
    head = project.start(ONE_PT)
    try:
        wait_for(lambda: "FAILED" in [found["JobState"] for found in project.jobs().values()])
        head.send_signal(signal.SIGINT)
        head.wait(120)
    finally:
        head.kill()
    refused = (project.path / "head.txt").read_text()
    # Ctrl-C cancels the jobs of its own run, and no other.
    assert [key for key, found in project.jobs().items() if found["JobState"] in ALIVE] == [job]
    failed = project.job(DUMP, JobState="FAILED")["JobId"]
    environment = {**os.environ, "PATH": f"{SNAKEMAKE.parent}:{os.environ['PATH']}"}
    subprocess.run(["bash", "-ec", recovery()], cwd=project.path, env=environment, check=True, timeout=60)
    assert project.jobs()[job]["JobState"] not in ALIVE
    project.submit(ONE_PT)
    return project, refused, failed


def test_a_job_with_a_gpu_sees_one_device(cut_off):
    """In the environment of the verb itself, with the flag and on the partition of the profile's defaults."""
    project, job, devices = cut_off
    assert devices and all(found in ("0", "1", "2", "3") for found in devices)
    fields = project.jobs()[job]
    assert fields["Partition"] == "gpu" and fields["TresPerJob"] == "gres:gpu:1"


def test_two_writers_are_never_in_one_store(recovered):
    """While the job of a killed head lives, another is refused, and what it prints says how to find and end the first."""
    project, refused, failed = recovered
    line = refused.strip().splitlines()[-1]
    assert line.startswith("dump_activations: results/scratch/activations/") and "another process holds the lock" in line
    assert "squeue --me" in line and "scancel" in line
    # The Snakemakes inside a job try nothing again.
    (log,) = (project.path / ".snakemake/slurm_logs").glob(f"*/{ONE}_train/{failed}.log")
    assert log.read_text().count("another process holds the lock") == 1


def test_one_block_by_its_name_after_a_crash(recovered, suite):
    """The hash of a run on this machine, and nothing of another block."""
    project, *_ = recovered
    assert project.hashes() == {ONE: suite.hashes()[ONE]}
    assert stores(project) == [f"{ONE}/train"]
    train = project.job(f"rule_train_sae_wildcards_{ONE}")
    assert train["TresPerJob"] == "gres:gpu:1" and train["JobState"] == "COMPLETED"


def test_the_rest_of_a_suite_of_that_block(recovered, suite):
    """A site that takes only --gres; stores filled together are verified without a GPU; the same hashes."""
    project, *_ = recovered
    project.configure(tiny_config(aurora__device="auto", blocks=[ONE]))
    site = {"GPU_FLAG": "gres", "GPU_TYPE": "h200", "ACCOUNT": "lab"}
    project.submit("fill_activations", **{f"AURORASCOPE_SLURM_{name}": value for name, value in site.items()})
    fill = project.job("rule_fill_activations")
    assert fill["Account"] == "lab"
    assert fill["TresPerNode"] == "gres:gpu:h200:1" and fill["Partition"] == "gpu"
    before = set(project.jobs())
    project.submit("results/sae_index.json")
    assert project.hashes() == {ONE: suite.hashes()[ONE]}
    jobs = [job for key, job in project.jobs().items() if key not in before]
    dumps = [job for job in jobs if job["Comment"].startswith("rule_dump_activations")]
    rest = [job for job in jobs if job not in dumps]
    assert len(dumps) == 1 and all(job["Partition"] == "cpu" for job in dumps)
    assert not any("TresPerJob" in job or "TresPerNode" in job for job in dumps)
    assert {job["Comment"].split("_wildcards")[0] for job in rest} == {"rule_evaluate_sae"}
    assert all(job["TresPerJob"] == "gres:gpu:1" for job in rest)
    assert all(job["JobState"] == "COMPLETED" for job in jobs)
