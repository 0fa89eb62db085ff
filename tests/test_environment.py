"""Pins agree, no file names a registry, and every form of the environment installs what the code imports."""

import ast
import importlib.metadata
import re
import sys
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

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


def _conda():
    environment = yaml.safe_load((ROOT / "envs" / "aurorascope.yaml").read_text())
    return next(item["pip"] for item in environment["dependencies"] if isinstance(item, dict))


def test_the_conda_environment_has_the_pins_of_the_lock():
    """Each pip line of envs/ is a line of the lock, its marker included."""
    assert len(_pins(_conda())) == len(_conda())
    assert set(_conda()) <= set(_lock())


def test_the_conda_environment_has_what_the_library_imports():
    """Every module of others that the library imports comes from a package that is pinned there."""
    distributions, pins, missing = importlib.metadata.packages_distributions(), _pins(_conda()), set()
    for path in (ROOT / "workflow" / "aurorascope").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            tops = {name.split(".")[0] for name in names} - {"aurorascope", *sys.stdlib_module_names}
            missing |= {top for top in tops if not {canonicalize_name(d) for d in distributions[top]} & set(pins)}
    assert missing == set()


def test_the_conda_environment_is_complete():
    """What a pinned package needs is pinned, too, and nothing that only Snakemake or the tests need."""
    pins, todo, seen = _pins(_conda()), [(name, "") for name in _pins(_conda())], set()
    while todo:
        name, extra = todo.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        for requirement in map(Requirement, importlib.metadata.requires(name) or []):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                todo += [(canonicalize_name(requirement.name), each) for each in ("", *requirement.extras)]
    assert {name for name, _ in seen} == set(pins)
    assert not {"snakemake", "pytest", "ruff"} & set(pins)


def test_every_rule_that_runs_something_names_an_environment_that_is_there():
    """`conda:` in each rule with a shell command, relative to its file."""
    for path in sorted((ROOT / "workflow" / "rules").glob("*.smk")):
        for rule in re.split(r"^(?=(?:rule|checkpoint) )", path.read_text(), flags=re.MULTILINE)[1:]:
            name, conda = rule.split(":")[0], re.search(r'conda:\n\s+"(.+)"', rule)
            assert conda and (path.parent / conda[1]).resolve().is_file(), name
    assert "shell:" not in (ROOT / "Snakefile").read_text()


def test_a_result_says_what_it_was_made_with_where_snakemake_is_not_installed(monkeypatch):
    """As in the rules' own environment: the version is that of the Snakemake that runs the verb."""
    import torch
    from aurorascope.config.model import Compute
    from aurorascope.provenance import provenance

    compute = Compute(1, False)
    known = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: known("not installed" if name == "snakemake" else name))
    monkeypatch.setenv("AURORASCOPE_SNAKEMAKE", "9.99")
    made = provenance(torch.device("cpu"), compute)
    assert made["packages"]["snakemake"] == "9.99" and made["packages"]["torch"] == known("torch")
    assert made["device"].startswith("cpu ")
    monkeypatch.delenv("AURORASCOPE_SNAKEMAKE")
    assert provenance(torch.device("cpu"), compute)["packages"]["snakemake"] is None
