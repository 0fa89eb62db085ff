"""`snakemake --profile slurm -n`: what the profile makes of a site's variables. No cluster is needed to look."""

import re

import pytest

from tests.cluster.project import ClusterProject
from tests.workflow.project import BLOCKS, tiny_config

pytestmark = pytest.mark.slow
BLOCK = BLOCKS[1]
STORES = "results/scratch/activations"


@pytest.fixture
def project(suite, tmp_path):
    project = ClusterProject(suite.copy(tmp_path / "project").path)
    project.configure(tiny_config(aurora__device="auto"))
    return project


def asked(project, *targets, **environment):
    """Resources of each job of a dry run, by rule."""
    environment = {f"AURORASCOPE_SLURM_{name}": value for name, value in environment.items()}
    done = project.run(*targets, "--dry-run", "--profile", "slurm", "--forcerun", "train_sae", **environment)
    text = done.stdout + done.stderr
    assert done.returncode == 0, text[-3000:]
    jobs = re.findall(r"^(?:local)?rule (\w+):.*?^    resources: (.*?)$", text, re.MULTILINE | re.DOTALL)
    return {rule: dict(pair.partition("=")[::2] for pair in found.split(", ")) for rule, found in jobs}


def test_a_job_with_a_gpu_and_one_that_only_verifies(project):
    """The defaults; a store that is there needs no GPU, and its job goes to the partition without."""
    (project.path / STORES / BLOCK / "train" / "manifest.json").unlink()
    jobs = asked(project, f"results/saes/sae_{BLOCK}.pt")
    assert set(jobs) == {"dump_activations", "train_sae"}
    train, dump = jobs["train_sae"], jobs["dump_activations"]
    assert (train["gpu"], train["slurm_partition"]) == ("1", "gpu")
    assert (dump["gpu"], dump["slurm_partition"]) == ("0", "cpu")
    assert train["cpus_per_task"] == "4" and "cpus_per_task" not in dump
    assert not {"slurm_account", "gres", "gpu_model"} & {*train, *dump}


def test_a_sites_variables(project):
    """Names that are words of Python stay names, and a flag nobody knows is refused."""
    site = {"PARTITION": "all", "GPU_PARTITION": "gpu-8", "ACCOUNT": "123", "GPU_TYPE": "h200", "GPU_CPUS": "3"}
    train = asked(project, f"results/saes/sae_{BLOCK}.pt", **site)["train_sae"]
    assert (train["gpu"], train["gpu_model"], train["slurm_partition"]) == ("1", "h200", "gpu-8")
    assert train["slurm_account"] == "123" and train["cpus_per_task"] == "3" and "gres" not in train
    (project.path / STORES / BLOCK / "train" / "manifest.json").unlink()
    jobs = asked(project, f"results/saes/sae_{BLOCK}.pt", **site, GPU_FLAG="gres")
    assert (jobs["train_sae"]["gpu"], jobs["train_sae"]["gres"]) == ("0", "gpu:h200:1")
    assert jobs["dump_activations"]["slurm_partition"] == "all" and "gres" not in jobs["dump_activations"]
    line = project.fail("--dry-run", "--profile", "slurm", AURORASCOPE_SLURM_GPU_FLAG="gpu")
    assert "expected gpus or gres, found gpu" in line


def test_a_run_on_this_machine_knows_nothing_of_clusters(project):
    """Without the profile a job asks for the number of its GPUs alone."""
    done = project.run(f"results/saes/sae_{BLOCK}.pt", "--dry-run", "--cores", "1", "--forcerun", "train_sae")
    (resources,) = re.findall(r"resources: (.*)", done.stdout + done.stderr)
    assert "gpu=1" in resources and "partition" not in resources
