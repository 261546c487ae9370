"""The floors of the package: a module imports only from floors below its own, without circles or back doors."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import gi_lib

ROOT = Path(gi_lib.__file__).parent
FLOORS = {
    "process": 0,
    "datasets": 1,
    "encoding": 2,
    "cohorts": 3,
    "models": 4,
    "training": 5,
    "validation": 6,
    "tuning": 6,
    "lineup": 7,
    "evaluation": 7,
    "plots": 8,
    "sweep": 9,
    "notebook": 9,
    "pages": 9,
    "book": 10,
    "teaching": 11,
    "cli": 12,
}
COMMAND_LINE = "cli"  # may call the other modules of the top floor


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}


def imports_of(source: str, modules: set[str]) -> list[tuple[str, str | None]]:
    """(module of ours, imported name or None) for every import at any depth of the code."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [(alias.name, None) for alias in node.names if alias.name.split(".")[0] == "gi_lib"]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the floor"
            if (node.module or "").split(".")[0] == "gi_lib":
                for alias in node.names:
                    whole = f"{node.module}.{alias.name}"
                    found.append((whole, None) if whole in modules else (node.module, alias.name))
    return found


def private_attributes(source: str, modules: set[str]) -> list[str]:
    """``module._name`` wherever `module` is a module of ours."""
    tree = ast.parse(source)
    ours = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gi_lib"):
            for alias in node.names:
                if f"{node.module}.{alias.name}" in modules:
                    ours[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return [
        f"{ours[node.value.id]}.{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in ours
        and node.attr.startswith("_")
        and not node.attr.startswith("__")
    ]


def package_of(module: str) -> str:
    """Name of the floor's module or package; empty for ``gi_lib`` itself."""
    return module.split(".")[1] if "." in module else ""


IMPORTS = {name: imports_of(path.read_text(), set(MODULES)) for name, path in MODULES.items()}


def test_every_module_has_a_floor():
    assert {package_of(name) for name in MODULES} == {"", *FLOORS}


@pytest.mark.parametrize("module", [name for name in MODULES if package_of(name)])
def test_module_imports_only_from_floors_below(module):
    package = package_of(module)
    for imported, _ in IMPORTS[module]:
        other = package_of(imported)
        if other in ("", package) or (package == COMMAND_LINE and other in FLOORS):
            continue
        assert FLOORS[other] < FLOORS[package], f"{module} imports {imported}"


def test_the_package_itself_imports_nothing_of_its_own():
    assert IMPORTS["gi_lib"] == []


def test_no_module_imports_itself_in_a_circle():
    graph = {
        name: {imported for imported, _ in found if imported != name and package_of(imported)}
        for name, found in IMPORTS.items()
    }
    assert sum(map(len, graph.values())) > 20
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("module", MODULES)
def test_no_private_name_crosses_a_package(module):
    package = package_of(module)
    taken = [
        f"{imported}.{name}"
        for imported, name in IMPORTS[module]
        if name and name.startswith("_") and not name.startswith("__") and package_of(imported) != package
    ]
    reached = [
        name
        for name in private_attributes(MODULES[module].read_text(), set(MODULES))
        if package_of(name) != package
    ]
    assert taken + reached == []


def test_the_readers_of_the_source_see_what_they_look_for():
    source = """
import gi_lib.book
from gi_lib.datasets import registry as r
from gi_lib.training import _hidden, train
def f():
    from gi_lib import plots
    return r._mirror(), plots.x, other._name
"""
    modules = {"gi_lib.book", "gi_lib.datasets.registry", "gi_lib.training", "gi_lib.plots"}
    assert set(imports_of(source, modules)) == {
        ("gi_lib.book", None),
        ("gi_lib.datasets.registry", None),
        ("gi_lib.training", "_hidden"),
        ("gi_lib.training", "train"),
        ("gi_lib.plots", None),
    }
    assert private_attributes(source, modules) == ["gi_lib.datasets.registry._mirror"]
