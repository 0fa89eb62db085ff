"""Whole runs share one tiny trained checkpoint and one finished suite."""

import pytest

from tests.once import made_once
from tests.workflow.project import Project, tiny_config


@pytest.fixture(scope="session")
def checkpoint_project(tmp_path_factory):
    """A project in which only the demo checkpoint has been trained."""

    def make(folder):
        Project.create(folder, tiny_config()).make("results/scratch/checkpoint/checkpoint.json")

    return Project(made_once(tmp_path_factory, "checkpoint-project", make))


@pytest.fixture(scope="session")
def checkpoint(checkpoint_project):
    """Path of the tiny trained checkpoint."""
    return checkpoint_project.result("scratch/checkpoint/aurora.ckpt")


@pytest.fixture(scope="session")
def suite(checkpoint_project, tmp_path_factory):
    """A finished suite of four blocks, made as `make demo` makes it. Copy it before changing anything."""

    def make(folder):
        project = checkpoint_project.copy(folder)
        project.make("fill_activations")
        assert not list(project.result("scratch/activations").glob("*/*/manifest.json"))
        project.make()

    return Project(made_once(tmp_path_factory, "suite-project", make))


@pytest.fixture
def finished(suite, tmp_path):
    """A copy of the finished suite, free to be changed."""
    return suite.copy(tmp_path / "project")


@pytest.fixture
def bare(checkpoint_project, tmp_path):
    """A copy that has a trained checkpoint and nothing else."""
    return checkpoint_project.copy(tmp_path / "project")
