"""What every test shares: the library on the path, no network, one hypothesis profile, tiny stores."""

import atexit
import copy
import gc
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import yaml
from hypothesis import HealthCheck, settings

# Whole runs share one trained checkpoint, one finished suite and one cluster, whatever folder a test lies in.
pytest_plugins = ["tests.workflow.fixtures", "tests.cluster.fixtures"]

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow"))
os.environ["HF_HUB_OFFLINE"] = "1"
# Threads of one process that wait for one another leave the core to other processes' tests.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# Tests make, copy and delete some 300,000 small files: in memory, where there is plenty, with less work and none of it waiting.
_MEMORY = Path("/dev/shm")
if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > 8e9 and psutil.virtual_memory().available > 16e9:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))

settings.register_profile(
    "aurorascope",
    deadline=None,
    max_examples=25,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("aurorascope")


# Collecting makes nothing but what stays to the end, most of it libraries: not looked through for garbage again and again.
gc.disable()
# As Python ends it finds all objects again, and libraries in C++ report no leak. Not before: pytest collects five times at its end.
atexit.register(gc.unfreeze)


def pytest_collection_finish() -> None:
    """From here on garbage is collected, of what tests make."""
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files in the order that keeps all processes busy (with --no-loadscope-reorder).

    First the one that makes what other files wait for; meanwhile slow ones that need nothing of it; the rest of those that
    share it; and last, where a long file would keep one process busy alone, those whose tests are all quick.
    """
    slow = {item.path for item in items if item.get_closest_marker("slow")}

    def place(item: pytest.Item) -> int:
        if item.path.name == "test_suite.py":
            return 0
        return 3 if item.path not in slow else 2 if item.path.parent.name == "workflow" else 1

    items.sort(key=place)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Torch on one thread: tensors of tests are so small that threads of several processes only wait for one another, and what one
    process makes for all of them has the bits that each would give it. Tests of threads set their own and put this back.
    """
    import torch

    torch.set_num_threads(1)


@pytest.fixture
def zone(monkeypatch) -> Iterator[Callable[[str], None]]:
    """Moves this process to another time zone until the test ends."""

    def move(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield move
    monkeypatch.undo()
    time.tzset()


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
