import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LIBRARY = ROOT / "workflow" / "aurorascope"
MODULES = sorted(LIBRARY.rglob("*.py"))
# Python outside the library and the tests, wherever it comes to lie (benchmarks, helpers beside rules).
SCRIPTS = sorted({*(ROOT / "workflow").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")})
# Members of a day's zip are unpacked into a temporary folder that is removed after reading.
WORK_FILES = {("workflow/aurorascope/cams/source.py", "open(target, 'wb')")}


def name_of(path):
    return str(path.relative_to(ROOT))


def each(paths):
    return pytest.mark.parametrize("path", paths, ids=name_of)


def nodes(path, *kinds):
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, kinds)]


def called(node):
    """The dotted name of what is called: `torch.load`, `open`; for a method of anything, `.write_text`."""
    parts, target = [], node.func
    while isinstance(target, ast.Attribute):
        parts.append(target.attr)
        target = target.value
    parts.append(target.id if isinstance(target, ast.Name) else "")
    return ".".join(reversed(parts))


def keyword(node, name):
    return next((k.value.value for k in node.keywords if k.arg == name and isinstance(k.value, ast.Constant)), None)


@each(SCRIPTS)
def test_weights_are_loaded_without_running_code(path):
    """torch.load says weights_only=True wherever it is called, and NumPy never unpickles."""
    for call in nodes(path, ast.Call):
        if called(call) == "torch.load":
            assert keyword(call, "weights_only") is True, call.lineno
        assert keyword(call, "weights_only") is not False, call.lineno
        assert keyword(call, "allow_pickle") is not True, call.lineno


@each([path for path in SCRIPTS if path != LIBRARY / "backbone" / "unpickle.py"])
def test_nothing_else_unpickles(path):
    """Only backbone/unpickle.py, which allows a few names, touches pickle."""
    for node in nodes(path, ast.Import, ast.ImportFrom):
        names = {alias.name.split(".")[0] for alias in node.names} if isinstance(node, ast.Import) else set()
        names |= {(node.module or "").split(".")[0]} if isinstance(node, ast.ImportFrom) else set()
        assert not names & {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}, node.lineno
    for call in nodes(path, ast.Call):
        assert called(call) not in ("eval", "exec", "compile", "pd.read_pickle", "pandas.read_pickle"), call.lineno


def test_the_one_unpickler_is_restricted():
    """It never calls pickle.load or loads, and decides on each name itself."""
    path = LIBRARY / "backbone" / "unpickle.py"
    assert not {"pickle.load", "pickle.loads", "pickle.Unpickler"} & {called(call) for call in nodes(path, ast.Call)}
    (reader,) = nodes(path, ast.ClassDef)
    assert [ast.unparse(base) for base in reader.bases] == ["pickle.Unpickler"]
    assert [part.name for part in reader.body if isinstance(part, ast.FunctionDef)] == ["find_class"]


@each(SCRIPTS)
def test_yaml_is_read_safely(path):
    """YAML is read by safe_load, or by load with a safe loader named."""
    for call in nodes(path, ast.Call):
        assert called(call) not in ("yaml.unsafe_load", "yaml.full_load", "yaml.load_all"), call.lineno
        if called(call) == "yaml.load":
            loader = [ast.unparse(k.value) for k in call.keywords if k.arg == "Loader"]
            loader += [ast.unparse(argument) for argument in call.args[1:]]
            assert loader and loader[0] in ("yaml.SafeLoader", "yaml.CSafeLoader", "yaml.BaseLoader"), call.lineno


@each([path for path in MODULES if path != LIBRARY / "files.py"])
def test_outputs_are_written_by_one_helper(path):
    """No module but files.py opens a file for writing, so that an output under its final name is complete.

    Appending is for logs: a line is added whole. `WORK_FILES` names the places that write into a temporary folder.
    """
    for call in nodes(path, ast.Call):
        name = called(call)
        mode = None
        if name == "open" or name.endswith(".open"):
            position = 1 if name in ("open", "io.open", "os.fdopen") else 0
            given = call.args[position] if len(call.args) > position else None
            mode = keyword(call, "mode") or (given.value if isinstance(given, ast.Constant) else None)
        writes = isinstance(mode, str) and bool(set(mode) & set("wx+"))
        writes |= name.endswith((".write_text", ".write_bytes")) and not name.startswith("files.")
        assert not writes or (name_of(path), ast.unparse(call)) in WORK_FILES, f"line {call.lineno}: {name}"


@each(SCRIPTS)
def test_no_error_is_swallowed(path):
    """No bare except, and no except whose whole body is pass; contextlib.suppress names what it ignores.

    An exception of the module's own is no error but a way out, and may end in pass.
    """
    own = {node.name for node in nodes(path, ast.ClassDef)}
    for handler in nodes(path, ast.ExceptHandler):
        assert handler.type is not None, handler.lineno
        is_silent = all(
            isinstance(n, ast.Pass) or (isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant))
            for n in handler.body
        )
        assert not is_silent or ast.unparse(handler.type) in own, handler.lineno
    for call in nodes(path, ast.Call):
        if called(call).endswith("suppress"):
            assert not {ast.unparse(a) for a in call.args} & {"Exception", "BaseException"}, call.lineno


@each(SCRIPTS)
def test_no_shell_and_no_input_of_others_in_it(path):
    """Programs are run as lists of words, never through a shell."""
    for call in nodes(path, ast.Call):
        assert keyword(call, "shell") is not True, call.lineno
        assert called(call) not in ("os.system", "os.popen", "subprocess.getoutput"), call.lineno


@each(MODULES)
def test_no_assertion_guards_the_users_data(path):
    """The library raises errors: `python -O` drops assertions."""
    assert [node.lineno for node in nodes(path, ast.Assert)] == []


@each(MODULES)
def test_modules_are_short_and_say_what_they_are(path):
    """A module has at most 320 lines and opens with a docstring."""
    assert len(path.read_text().splitlines()) <= 320
    assert ast.get_docstring(ast.parse(path.read_text()))


LIGHT = (
    "config", "errors", "files", "blocks", "spec", "gpus", "activations/claim", "activations/paths", "activations/manifest",
    "reproduction/published", "portable/switches", "portable/recorded", "labels/levels", "sae/architectures", "sae/feature_ids",
    "circuits/circuit_file", "circuits/claim", "circuits/costs", "circuits/needs", "circuits/pairs",
    "attribution/claim", "attribution/costs", "attribution/needs", "attribution/outcome_file", "attribution/planned",
    "studies/claim", "studies/costs", "studies/dates", "studies/keys", "studies/needs", "studies/planned", "studies/reading", "studies/study_file",
    "studies/written",
)


@pytest.mark.parametrize("package", LIGHT)
def test_what_the_snakefile_imports_is_light(package):
    """What Snakemake parses twice for each cluster job imports neither numpy, torch, xarray, pandas nor zarr."""
    paths = [p for p in MODULES if p == LIBRARY / f"{package}.py" or LIBRARY / package in p.parents]
    assert paths
    heavy = {"numpy", "torch", "aurora", "xarray", "pandas", "zarr", "scipy"}
    for path in paths:
        for node in nodes(path, ast.Import, ast.ImportFrom):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            assert not {n.split(".")[0] for n in names} & heavy, path


def repository_texts():
    run = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True
    )
    if run.returncode:
        pytest.skip("not a git checkout")
    names = [name for name in run.stdout.decode().split("\0") if name and not name.startswith("results/")]
    for name in names:
        path = ROOT / name
        if path.is_file() and path.suffix not in (".png", ".pt", ".safetensors", ".nc", ".pickle", ".zip", ".parquet"):
            yield name, path.read_text(errors="replace")


def test_no_path_of_this_machine_in_the_repository():
    """No tracked text names a folder that exists on one machine only."""
    private = re.compile(r"(?<![\w.$}/-])/(?:work|home|Users|root|mnt)/\w")
    found = [
        f"{name}:{number}: {line.strip()[:80]}"
        for name, text in repository_texts()
        for number, line in enumerate(text.splitlines(), 1)
        if private.search(line)
    ]
    assert found == []


def test_no_key_in_the_repository():
    """No tracked text holds what looks like a key of the data store or of a model hub."""
    secret = re.compile(r"\b(hf_[A-Za-z0-9]{30,}|gh[pousr]_[A-Za-z0-9]{30,}|AKIA[0-9A-Z]{16})\b")
    key = re.compile(r"key:\s*[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
    assert [name for name, text in repository_texts() if secret.search(text) or key.search(text)] == []
