"""The library as a package: what it declares, what it needs to open a release, and whose code runs."""

import ast
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "workflow" / "aurorascope"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CORE = {"torch", "numpy", "pandas", "pyarrow", "xarray", "jsonschema", "safetensors", "huggingface-hub"}
# What a release opens without, made impossible to import; or, where it should not be installed at all, looked for.
WITHOUT = """
import importlib.util, sys
names = ("snakemake", "aurora", "zarr", "cdsapi", "matplotlib", "netCDF4", "blake3", "psutil")
"""
BLOCK = WITHOUT + """
class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in names:
            raise ModuleNotFoundError(f"No module named {name!r}")
sys.meta_path.insert(0, Nothing())
"""
LOOK = WITHOUT + """
assert not [name for name in names if importlib.util.find_spec(name)]
"""
OPEN = """
from aurorascope import Suite
import aurorascope.release.hub
suite = Suite.open(sys.argv[1])
print(suite)
print(suite[suite.ids[0]].d_model, len(suite.table()))
"""


def declared(*extras):
    """Requirements of the project, those of extras with them, what an extra names of this project followed."""
    lines = list(PROJECT["project"]["dependencies"]) if not extras else []
    for extra in extras:
        lines += PROJECT["project"]["optional-dependencies"][extra]
    found = []
    for requirement in map(Requirement, lines):
        found += declared(*requirement.extras) if requirement.name == "aurorascope" else [requirement]
    return found


def everything():
    return [*declared(), *declared(*PROJECT["project"]["optional-dependencies"])]


def closure(requirements):
    """Installed distributions that these and all they need are, by name."""
    todo, found = [(each.name, "") for each in requirements], {}
    while todo:
        name, extra = todo.pop()
        if (canonicalize_name(name), extra) in found:
            continue
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            # Needed on other machines only.
            continue
        found[canonicalize_name(name), extra] = distribution
        for requirement in map(Requirement, distribution.requires or []):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                todo += [(requirement.name, each) for each in ("", *requirement.extras)]
    return list({name: distribution for (name, _), distribution in found.items()}.values())


def test_opening_a_release_needs_eight_packages():
    assert {canonicalize_name(each.name) for each in declared()} == CORE


def test_each_import_is_declared_and_each_declaration_is_in_the_lock():
    """The build backend, too, at the version that the lock has."""
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pins = {canonicalize_name(m[1]): m[2] for m in (re.match(r"([\w.\-]+)==([^\s;]+)", line) for line in lines) if m}
    for requirement in [*everything(), *map(Requirement, PROJECT["build-system"]["requires"])]:
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), requirement
    distributions, names = importlib.metadata.packages_distributions(), {canonicalize_name(r.name) for r in everything()}
    for path in LIBRARY.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for top in {module.split(".")[0] for module in modules} - {"aurorascope", *sys.stdlib_module_names}:
                assert {canonicalize_name(name) for name in distributions[top]} & names, f"{path}: {top}"


def test_help_imports_no_verb():
    """It lists each with its first line, and neither torch nor NumPy nor what a verb imports is there afterwards."""
    code = (
        "import sys\nfrom aurorascope.__main__ import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "assert not {'torch', 'numpy', 'pandas', 'xarray', 'jsonschema', 'aurorascope.cli.plan'} & set(sys.modules)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow"), "COLUMNS": "200"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for path in (LIBRARY / "cli").glob("[!_]*.py"):
        line = ast.get_docstring(ast.parse(path.read_text())).splitlines()[0]
        assert f" {path.stem} {line}" in " ".join(done.stdout.split())


@pytest.mark.slow
def test_a_suite_opens_where_the_rest_cannot_be_imported(release):
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow")}
    done = subprocess.run([sys.executable, "-c", BLOCK + OPEN, str(release)], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "4 of 48 SAEs" in done.stdout and done.stdout.splitlines()[-1] == "16 4"


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """What a package is built from, in a folder of its own, since building leaves files beside them."""
    folder = tmp_path_factory.mktemp("sources")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy2(ROOT / name, folder / name)
    shutil.copytree(ROOT / "workflow", folder / "workflow", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    return folder


def pip(*words, **options):
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stderr


def environment_at(folder, distributions):
    """A fresh environment that finds these distributions and no others; its interpreter."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    packages = folder / "packages"
    packages.mkdir()
    for distribution in distributions:
        for top in {file.parts[0] for file in distribution.files} - {"..", "__pycache__"}:
            link = packages / top
            if not link.is_symlink():
                link.symlink_to(distribution.locate_file(top))
    (site / "packages.pth").write_text(f"{packages}\n")
    return folder / "bin" / "python"


def run(*words, **changes):
    """Run a program outside the clone; what it printed."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")} | changes
    done = subprocess.run(list(map(str, words)), env=environment, cwd="/", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.long
def test_the_wheel_opens_a_release_with_the_core_dependencies_alone(sources, release, tmp_path):
    """In a fresh environment, away from the clone, whose schemas it brings; the command is there, too."""
    pip("wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", tmp_path / "wheels", sources)
    (wheel,) = (tmp_path / "wheels").iterdir()
    python = environment_at(tmp_path / "fresh", closure(declared()))
    pip("--python", python, "install", "--no-deps", "--no-index", wheel)
    lines = run(python, "-c", LOOK + OPEN, release).splitlines()
    assert "4 of 48 SAEs" in lines[0] and lines[-1] == "16 4"
    assert "usage: aurorascope" in run(python.with_name("aurorascope"), "--help")
    index = "import aurorascope.release.schema as s, aurorascope.sae.aurora_sae as m; print(s.index_schema()['$schema'], m.__file__)"
    assert str(tmp_path / "fresh") in run(python, "-c", index)


@pytest.mark.slow
@pytest.mark.long
def test_a_clone_runs_its_own_code_where_another_is_installed(sources, tmp_path):
    """An editable install of one clone is found, and PYTHONPATH, as the rules set it, comes before it."""
    python = environment_at(tmp_path / "shared", closure([Requirement("setuptools"), Requirement("packaging")]))
    other = shutil.copytree(sources / "workflow" / "aurorascope", tmp_path / "other" / "aurorascope").parent
    pip("--python", python, "install", "--no-deps", "--no-index", "--no-build-isolation", "--editable", sources)
    where = ("-c", "import aurorascope; print(aurorascope.__file__)")
    assert run(python, *where).startswith(str(sources))
    assert run(python, *where, PYTHONPATH=str(other)).startswith(str(other))
    assert "usage: aurorascope" in run(python.with_name("aurorascope"), "--help", PYTHONPATH=str(other))


@pytest.mark.slow
@pytest.mark.long
def test_a_batch_and_an_edited_forecast_need_the_extra_aurora_and_no_other(suite, tmp_path):
    """The batch of a date of a run, the model, and the splice, with what core and extra bring."""
    python = environment_at(tmp_path / "fresh", closure([*declared(), *declared("aurora")]))
    code = (
        "import sys\nfrom aurorascope import load_batch\nfrom aurorascope.backbone.model import load_model\n"
        "from aurorascope.backbone.splice import reconstruction, splice\n"
        "print(*load_batch('2022-06-02', results=sys.argv[1]).surf_vars['2t'].shape)\n"
    )
    assert run(python, "-c", code, suite.path / "results", PYTHONPATH=str(ROOT / "workflow")).split() == ["1", "2", "19", "36"]
