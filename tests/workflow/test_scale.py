"""A finished year, simulated by placeholders: nothing is planned, and a lost SAE plans one block."""

import pytest

from tests.workflow.project import Project
from tests.workflow.simulated import finish

pytestmark = [pytest.mark.slow, pytest.mark.soak]
YEAR = ("--configfile", "workflow/config/cams-year.yaml", "--config", "storage={scratch: null}")


def test_the_second_run_of_a_finished_year_plans_nothing(tmp_path, demo_raw):
    """All 48 blocks, 385 days; afterwards one SAE's name plans one training, and a full run what depends on it."""
    project = Project.create(tmp_path / "project", demo_raw)
    assert len(finish(project, *YEAR)) > 1000
    assert project.planned(*YEAR) == {}
    name = "results/saes/sae_encoder_s1_b5.pt"
    (project.path / name).unlink()
    assert project.planned(name, *YEAR) == {"train_sae": 1}
