"""What every test shares: the library on the path, no network, one hypothesis profile, tiny stores."""

import copy
import os
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, settings

# Whole runs share one trained checkpoint, one finished suite and one cluster, whatever folder a test lies in.
pytest_plugins = ["tests.workflow.fixtures", "tests.cluster.fixtures"]

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow"))
os.environ["HF_HUB_OFFLINE"] = "1"

settings.register_profile(
    "aurorascope",
    deadline=None,
    max_examples=25,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("aurorascope")


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's folder."""
    return ROOT


@pytest.fixture(scope="session")
def _demo_yaml() -> dict:
    return yaml.safe_load((ROOT / "config.yaml").read_text())


@pytest.fixture
def demo_raw(_demo_yaml) -> dict:
    """config.yaml as YAML gives it, a fresh copy to be changed."""
    return copy.deepcopy(_demo_yaml)
