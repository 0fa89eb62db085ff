"""`compute.portable`: the same files on machines whose CPUs can do more or less, and a reproduction that must be identical."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from aurorascope.portable.switches import EMULATED, SWITCHES, is_asked_for

from tests.workflow.project import BLOCKS, Project, tiny_config

BLOCK = BLOCKS[1]
SAE = f"results/saes/sae_{BLOCK}.json"
STORE = f"scratch/activations/{BLOCK}/train"
# A CPU without anything that the C library chooses by.
OLD = {"GLIBC_TUNABLES": f"{SWITCHES['GLIBC_TUNABLES']},-AVX,-SSE4_1,-SSE4_2,-SSSE3,-BMI1,-BMI2,-ERMS"}
MADE = (f"saes/sae_{BLOCK}.pt", f"saes/sae_{BLOCK}.json", f"{STORE}/manifest.json", "scratch/cams/2022-06-01.json")


class PortableProject(Project):
    """One working copy whose verbs start anew with the switches, so that forks of what has imported their libraries are no use."""

    def surroundings(self, changes):
        """The environment of commands here, without forks of verbs."""
        return {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": "", **changes}


def portable_config(checkpoint):
    """The tiny demo, half the dates twice as often, on a checkpoint that is there: its training is the longest part of it."""
    dates = {"start": "2022-06-01", "end": "2022-06-02"}
    made = {"aurora__checkpoint": str(checkpoint), "static__source": "demo", "cams__train": dates, "sae__epochs": 10}
    return tiny_config(compute__portable=True, **made)


def made(project):
    return {name: project.result(name).read_bytes() for name in MADE}


@pytest.fixture(scope="module")
def portable(checkpoint, tmp_path_factory):
    """One block made where the user has set a switch otherwise."""
    project = PortableProject.create(tmp_path_factory.mktemp("portable") / "project", portable_config(checkpoint))
    project.done = project.make(SAE, MKL_CBWR="AVX2")
    return project


@pytest.mark.slow
@pytest.mark.long
def test_switches_are_overridden_for_the_jobs_alone_and_recorded(portable):
    """Snakemake and every job name what was set otherwise; provenance has all switches, and a kind that all CPUs share."""
    line = "MKL_CBWR=AVX2 of the environment is overridden, for this process only"
    assert line in portable.done.stdout + portable.done.stderr
    assert line in portable.result(f"logs/train_sae/{BLOCK}.log").read_text()
    for path in (f"{STORE}/provenance.json", f"training/{BLOCK}.provenance.json"):
        found = portable.record(path)
        assert found["portable"]["switches"] == SWITCHES and found["portable"]["libc"].startswith("glibc ")
        assert found["device"] == "cpu x86_64 portable"
    assert portable.record(f"saes/sae_{BLOCK}.json")["config"]["train_sae"]["compute.portable"] is True


@pytest.mark.slow
@pytest.mark.long
def test_an_older_cpu_gives_the_same_files_and_reproduces_them(portable, checkpoint, tmp_path):
    """The override of what emulates it is off, and the log says so."""
    project = PortableProject.create(tmp_path / "project", portable_config(checkpoint))
    emulated = OLD | {EMULATED: "GLIBC_TUNABLES"}
    project.make(SAE, **emulated)
    assert made(project) == made(portable)
    assert "GLIBC_TUNABLES stays" in project.result(f"logs/train_sae/{BLOCK}.log").read_text()
    project.make(f"results/reproduced/{BLOCK}.json", **emulated)
    assert project.record(f"reproduced/{BLOCK}.json")["verdict"] == "identical"


@pytest.mark.slow
def test_a_machine_that_gives_other_bits_is_refused_before_anything_is_made(checkpoint, tmp_path):
    """The operations are named."""
    project = PortableProject.create(tmp_path / "project", portable_config(checkpoint))
    line = project.fail(SAE, **{EMULATED: "OPENBLAS_CORETYPE", "OPENBLAS_CORETYPE": "Prescott"})
    assert line.startswith("config key compute.portable: expected the bits that ") and "found others of numpy " in line
    assert line.endswith(f"Next: unset {EMULATED}")
    assert not project.result("scratch").exists()


@pytest.mark.slow
@pytest.mark.long
def test_a_default_configuration_does_not_reproduce_it(portable):
    """The key is a setting like any other."""
    line = portable.fail(f"results/reproduced/{BLOCK}.json", "--config", "compute={portable: false}")
    assert line.startswith("config key compute.portable: expected true, with which ") and "found false" in line


@pytest.mark.soak
@pytest.mark.parametrize("cpu", ["Nehalem", "Haswell"])
def test_an_emulated_cpu_gives_the_same_files(portable, tmp_path, cpu):
    """qemu's, whose approximate reciprocals are of no maker: a dump (two forwards) and 20 steps of training."""
    qemu = shutil.which("qemu-x86_64")
    if qemu is None:
        pytest.skip("no qemu-x86_64: install the package qemu-user")
    project, expected = portable.copy(tmp_path / "project"), made(portable)
    shutil.rmtree(project.result(STORE))
    shutil.rmtree(project.result("saes"))
    saved = (project.path / ".snakemake/aurorascope").glob("config-*.json")
    (config,) = (path for path in saved if is_asked_for(str(path)))
    environ = os.environ | SWITCHES | {"PYTHONPATH": str(project.path / "workflow"), "AURORASCOPE_CONFIG": str(config)}
    # qemu starts another program outside of itself, so the interpreter is given as one that starts none.
    python = [qemu, "-cpu", cpu, "-0", sys.executable, str(Path(sys.executable).resolve()), "-m", "aurorascope"]
    for verb in (
        ["dump_activations", "--block", BLOCK, "--split", "train", "--scratch", "results/scratch"],
        ["train_sae", "--block", BLOCK, "--manifest", f"results/{STORE}/manifest.json", "--results", "results"],
    ):
        subprocess.run([*python, *verb], cwd=project.path, env=environ, check=True)
    assert made(project) == expected
