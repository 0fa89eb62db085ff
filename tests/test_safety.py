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


class Source:
    """A file of Python, read once for all rules.

    Attributes:
        path: where it lies.
        text: what it says.
        tree: its syntax.
    """

    def __init__(self, path):
        self.path, self.text = path, path.read_text()
        self.tree = ast.parse(self.text)
        self._all = list(ast.walk(self.tree))

    def nodes(self, *kinds):
        return [node for node in self._all if isinstance(node, kinds)]


def nodes(path, *kinds):
    return Source(path).nodes(*kinds)


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


RULES = {}
"""By name, a function that gives the line and a word for each place of a file that breaks it, and the files that it is for."""


def rule(paths):
    def add(broken):
        RULES[broken.__name__] = broken, set(paths)
        return broken

    return add


@rule(SCRIPTS)
def weights_are_loaded_without_running_code(source):
    """torch.load says weights_only=True wherever it is called, and NumPy never unpickles."""
    for call in source.nodes(ast.Call):
        if called(call) == "torch.load" and keyword(call, "weights_only") is not True:
            yield call.lineno, "torch.load"
        if keyword(call, "weights_only") is False or keyword(call, "allow_pickle") is True:
            yield call.lineno, called(call)


@rule([path for path in SCRIPTS if path != LIBRARY / "backbone" / "unpickle.py"])
def nothing_else_unpickles(source):
    """Only backbone/unpickle.py, which allows a few names, touches pickle."""
    for node in source.nodes(ast.Import, ast.ImportFrom):
        names = {alias.name.split(".")[0] for alias in node.names} if isinstance(node, ast.Import) else set()
        names |= {(node.module or "").split(".")[0]} if isinstance(node, ast.ImportFrom) else set()
        for name in names & {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}:
            yield node.lineno, name
    for call in source.nodes(ast.Call):
        if called(call) in ("eval", "exec", "compile", "pd.read_pickle", "pandas.read_pickle"):
            yield call.lineno, called(call)


@rule(SCRIPTS)
def yaml_is_read_safely(source):
    """YAML is read by safe_load, or by load with a safe loader named."""
    for call in source.nodes(ast.Call):
        if called(call) in ("yaml.unsafe_load", "yaml.full_load", "yaml.load_all"):
            yield call.lineno, called(call)
        if called(call) == "yaml.load":
            loader = [ast.unparse(k.value) for k in call.keywords if k.arg == "Loader"]
            loader += [ast.unparse(argument) for argument in call.args[1:]]
            if not loader or loader[0] not in ("yaml.SafeLoader", "yaml.CSafeLoader", "yaml.BaseLoader"):
                yield call.lineno, "yaml.load"


@rule([path for path in MODULES if path != LIBRARY / "files.py"])
def outputs_are_written_by_one_helper(source):
    """No module but files.py opens a file for writing, so that an output under its final name is complete.

    Appending is for logs: a line is added whole. `WORK_FILES` names the places that write into a temporary folder.
    """
    for call in source.nodes(ast.Call):
        name = called(call)
        mode = None
        if name == "open" or name.endswith(".open"):
            position = 1 if name in ("open", "io.open", "os.fdopen") else 0
            given = call.args[position] if len(call.args) > position else None
            mode = keyword(call, "mode") or (given.value if isinstance(given, ast.Constant) else None)
        writes = isinstance(mode, str) and bool(set(mode) & set("wx+"))
        writes |= name.endswith((".write_text", ".write_bytes")) and not name.startswith("files.")
        if writes and (name_of(source.path), ast.unparse(call)) not in WORK_FILES:
            yield call.lineno, name


@rule(SCRIPTS)
def no_error_is_swallowed(source):
    """No bare except, and no except whose whole body is pass; contextlib.suppress names what it ignores.

    An exception of the module's own is no error but a way out, and may end in pass.
    """
    own = {node.name for node in source.nodes(ast.ClassDef)}
    for handler in source.nodes(ast.ExceptHandler):
        is_silent = all(
            isinstance(n, ast.Pass) or (isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant))
            for n in handler.body
        )
        if handler.type is None or (is_silent and ast.unparse(handler.type) not in own):
            yield handler.lineno, "except"
    for call in source.nodes(ast.Call):
        if called(call).endswith("suppress") and {ast.unparse(a) for a in call.args} & {"Exception", "BaseException"}:
            yield call.lineno, called(call)


@rule(SCRIPTS)
def no_shell_and_no_input_of_others_in_it(source):
    """Programs are run as lists of words, never through a shell."""
    for call in source.nodes(ast.Call):
        if keyword(call, "shell") is True or called(call) in ("os.system", "os.popen", "subprocess.getoutput"):
            yield call.lineno, called(call)


@rule(MODULES)
def no_assertion_guards_the_users_data(source):
    """The library raises errors: `python -O` drops assertions."""
    for node in source.nodes(ast.Assert):
        yield node.lineno, "assert"


@rule(MODULES)
def modules_are_short_and_say_what_they_are(source):
    """A module has at most 320 lines and opens with a docstring."""
    n = len(source.text.splitlines())
    if n > 320:
        yield n, "lines"
    if not ast.get_docstring(source.tree):
        yield 1, "docstring"


@pytest.fixture(scope="module")
def breaches():
    """By rule, places that break it."""
    found = {name: [] for name in RULES}
    for path in sorted({*MODULES, *SCRIPTS}):
        source = Source(path)
        for name, (broken, paths) in RULES.items():
            if path in paths:
                found[name] += [f"{name_of(path)}, line {line}: {word}" for line, word in broken(source)]
    return found


@pytest.mark.parametrize("name", RULES)
def test_no_file_breaks_the_rule(breaches, name):
    """See the rule of that name."""
    assert breaches[name] == []


WRONG = """
torch.load(path)  # weights_are_loaded_without_running_code
torch.load(path, weights_only=True)
np.load(path, allow_pickle=True)  # weights_are_loaded_without_running_code
load(path, weights_only=False)  # weights_are_loaded_without_running_code
import pickle  # nothing_else_unpickles
from joblib import load  # nothing_else_unpickles
eval("1")  # nothing_else_unpickles
yaml.full_load(text)  # yaml_is_read_safely
yaml.load(text, Loader=yaml.CSafeLoader)
yaml.load(text)  # yaml_is_read_safely
yaml.load(text, yaml.Loader)  # yaml_is_read_safely
open(path, "wb")  # outputs_are_written_by_one_helper
path.open("w")  # outputs_are_written_by_one_helper
open(path, mode="x")  # outputs_are_written_by_one_helper
open(path, "a")
path.write_text("a")  # outputs_are_written_by_one_helper
class Own(Exception): pass
try: a
except: b  # no_error_is_swallowed
try: a
except ValueError: pass  # no_error_is_swallowed
try: a
except Own: pass
contextlib.suppress(Exception)  # no_error_is_swallowed
contextlib.suppress(OSError)
subprocess.run("ls", shell=True)  # no_shell_and_no_input_of_others_in_it
os.system("ls")  # no_shell_and_no_input_of_others_in_it
assert a  # no_assertion_guards_the_users_data
"""


def test_each_rule_sees_what_breaks_it(tmp_path):
    """A file that does all that is forbidden, at the lines where it does it; rules of our own modules alone do not ask where it lies."""
    path = tmp_path / "wrong.py"
    path.write_text(WRONG)
    source, lines = Source(path), WRONG.splitlines()
    for name, (broken, _) in RULES.items():
        marked = {number for number, line in enumerate(lines, 1) if f"# {name}" in line}
        if name == "modules_are_short_and_say_what_they_are":
            assert [word for _, word in broken(source)] == ["docstring"]
            path.write_text(f'"""Says what it is."""\n{"x = 1" + chr(10)}' * 161)
            assert [word for _, word in broken(Source(path))] == ["lines"]
        elif name == "outputs_are_written_by_one_helper":
            # Its exceptions are told by where a file lies.
            source.path = LIBRARY / "wrong.py"
            assert {line for line, _ in broken(source)} == marked and marked
        else:
            assert {line for line, _ in broken(source)} == marked and marked, name


def test_the_one_unpickler_is_restricted():
    """It never calls pickle.load or loads, and decides on each name itself."""
    path = LIBRARY / "backbone" / "unpickle.py"
    assert not {"pickle.load", "pickle.loads", "pickle.Unpickler"} & {called(call) for call in nodes(path, ast.Call)}
    (reader,) = nodes(path, ast.ClassDef)
    assert [ast.unparse(base) for base in reader.bases] == ["pickle.Unpickler"]
    assert [part.name for part in reader.body if isinstance(part, ast.FunctionDef)] == ["find_class"]


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
