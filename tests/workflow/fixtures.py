"""Whole runs share one tiny trained checkpoint and one finished suite."""

import pytest

from tests.workflow.project import Project, tiny_config


@pytest.fixture(scope="session")
def checkpoint_project(tmp_path_factory):
    """A project in which only the demo checkpoint has been trained."""
    project = Project.create(tmp_path_factory.mktemp("checkpoint") / "project", tiny_config())
    project.make("results/scratch/checkpoint/checkpoint.json")
    return project


@pytest.fixture(scope="session")
def checkpoint(checkpoint_project):
    """Path of the tiny trained checkpoint."""
    return checkpoint_project.result("scratch/checkpoint/aurora.ckpt")


@pytest.fixture(scope="session")
def suite(checkpoint_project, tmp_path_factory):
    """A finished suite of four blocks, made by plain `snakemake --cores 2`. Copy it before changing anything."""
    project = checkpoint_project.copy(tmp_path_factory.mktemp("suite") / "project")
    project.make()
    return project


@pytest.fixture
def finished(suite, tmp_path):
    """A copy of the finished suite, free to be changed."""
    return suite.copy(tmp_path / "project")


@pytest.fixture
def bare(checkpoint_project, tmp_path):
    """A copy that has a trained checkpoint and nothing else."""
    return checkpoint_project.copy(tmp_path / "project")
