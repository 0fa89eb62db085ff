"""Pins agree, no file names a registry, and every form of the environment installs what the code imports."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]


def _pins(lines):
    """Package names in lower case with their exact versions."""
    pairs = (re.match(r"([A-Za-z0-9_.\-]+)==([^\s;]+)", line) for line in lines)
    return {m[1].lower().replace("_", "-"): m[2] for m in pairs if m}


def _lock():
    return (ROOT / "requirements.lock").read_text().splitlines()


def test_the_lock_pins_every_line_exactly_and_holds_no_address():
    """Name, two equal signs, version, perhaps a marker; nothing else."""
    for line in _lock():
        if line.startswith("#"):
            continue
        assert re.fullmatch(r"[A-Za-z0-9_.\-]+==[^\s/@:]+( ; sys_platform == \"linux\")?", line), line


def test_the_conda_environment_has_the_pins_of_the_lock():
    """Each pip line of envs/ is a line of the lock."""
    environment = yaml.safe_load((ROOT / "envs" / "aurorascope.yaml").read_text())
    pip = next(item["pip"] for item in environment["dependencies"] if isinstance(item, dict))
    lock = _pins(_lock())
    pins = _pins(pip)
    assert len(pins) == len(pip)
    assert pins == {name: lock[name] for name in pins}


def test_every_dependency_of_the_project_is_in_the_lock():
    """pyproject's names are all pinned, and torch goes with its torchvision."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + [d for extra in project["optional-dependencies"].values() for d in extra]
    names = {re.match(r"[A-Za-z0-9_.\-]+", text)[0].lower() for text in wanted}
    lock = _pins(_lock())
    assert names <= set(lock)
    assert (lock["torch"], lock["torchvision"]) == ("2.15.0", "0.29.2")
