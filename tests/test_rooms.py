"""The order of rooms: imports of the library run one way, whether at the top of a module or inside a function."""

import ast
import functools
import graphlib
from pathlib import Path

import pytest

# From the ground up. A room, which is a folder or a module at the top of the package, imports only rooms of rows above its
# own in this list; modules of one folder import each other freely, but for a circle.
ROWS = (
    ("errors", "git", "judging", "memory", "redact", "spec", "sphere", "streams", "units"),
    ("blocks", "failures", "files", "notices", "progress"),
    ("gpus", "locks", "records", "sae", "tokens"),
    ("config", "portable", "waiting"),
    ("cams", "provenance"),
    ("backbone", "costs"),
    ("activations", "labels"),
    ("features", "training"),
    ("atlas",),
    ("boosting", "interventions", "perturbations"),
    ("studies",),
    ("attribution",),
    ("circuits",),
    ("measures", "reproduction"),
    ("matching", "stage_saes"),
    ("figures", "pages", "release"),
    ("cli",),
    ("__main__",),
)
LEVELS = {room: level for level, row in enumerate(ROWS) for room in row}
PACKAGE = "aurorascope"

Graph = dict[str, set[str]]
parse = functools.cache(ast.parse)


def sources_under(folder: Path) -> dict[str, str]:
    """Source text of each module of the package in `folder`, by dotted name."""
    found = {}
    for path in sorted((folder / PACKAGE).rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text()
    return found


def import_graph(sources: dict[str, str]) -> Graph:
    """The modules of the package that each module names in an import, anywhere in its text.

    The package's own `__init__` is read at its top alone: what it imports in a function are the names that users call,
    from any floor. That a module's import also runs the `__init__` of its folders is Python's doing and no arrow.
    """
    graph: Graph = {}
    for name, text in sources.items():
        tree = parse(text)
        found = set()
        for node in tree.body if name == PACKAGE else ast.walk(tree):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{name}: a relative import, which this test does not follow"
                members = {f"{node.module}.{alias.name}" for alias in node.names}
                found |= (members & sources.keys()) or {node.module}
        graph[name] = {module for module in found & sources.keys() if module != name}
    return graph


def circle(graph: Graph) -> list[str]:
    """Modules that import each other in a circle, the first of them once more at the end; empty where there is none."""
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return error.args[1]
    return []


def room(module: str) -> str:
    """The folder or ground module that a module belongs to."""
    return module.split(".")[1]


def upward(graph: Graph) -> list[str]:
    """Imports of another room that is not below, each `importer -> imported`."""
    return [
        f"{importer} -> {imported}"
        for importer, found in graph.items()
        for imported in sorted(found - {PACKAGE})
        if room(imported) != room(importer) and LEVELS[room(imported)] >= LEVELS[room(importer)]
    ]


@pytest.fixture(scope="module")
def sources(root) -> dict[str, str]:
    return sources_under(root / "workflow")


@pytest.fixture(scope="module")
def graph(sources) -> Graph:
    return import_graph(sources)


def test_every_room_has_its_place(graph):
    assert {room(module) for module in graph if module != PACKAGE} == LEVELS.keys()


def test_no_modules_import_each_other_in_a_circle(graph):
    assert circle(graph) == []


def test_rooms_import_only_what_is_below_them(graph):
    assert graph[PACKAGE] == set()
    assert upward(graph) == []


def test_the_package_is_asked_for_nothing_but_its_version(sources):
    """What it has from higher floors is for users: a module that took it from there would hide an arrow."""
    names = {
        alias.name
        for text in sources.values()
        for node in ast.walk(parse(text))
        if isinstance(node, ast.ImportFrom) and node.module == PACKAGE
        for alias in node.names
        if f"{PACKAGE}.{alias.name}" not in sources
    }
    assert names <= {"__version__"}


IN_A_FUNCTION = "\n\ndef planted():\n    from {} import planted\n"


@pytest.mark.parametrize("form", ["\nfrom {} import planted\n", "\nimport {}\n", IN_A_FUNCTION])
def test_a_planted_upward_import_is_found(sources, form):
    planted = sources | {"aurorascope.files": sources["aurorascope.files"] + form.format("aurorascope.training.engine")}
    assert upward(import_graph(planted)) == ["aurorascope.files -> aurorascope.training.engine"]


def test_a_planted_import_of_a_room_in_the_same_row_is_found(sources):
    form = IN_A_FUNCTION.format("aurorascope.training.engine")
    planted = sources | {"aurorascope.features.write": sources["aurorascope.features.write"] + form}
    assert upward(import_graph(planted)) == ["aurorascope.features.write -> aurorascope.training.engine"]


@pytest.mark.parametrize("form", ["\nfrom aurorascope.backbone import batch\n", IN_A_FUNCTION.format("aurorascope.backbone.batch")])
def test_a_planted_circle_is_found(sources, form):
    """`batch` reads static fields, which come from the hub: were the hub to need a batch, all three would form a circle."""
    planted = import_graph(sources | {"aurorascope.backbone.hub": sources["aurorascope.backbone.hub"] + form})
    assert set(circle(planted)) == {f"aurorascope.backbone.{name}" for name in ("batch", "static", "hub")}
    assert upward(planted) == []
