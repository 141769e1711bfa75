"""The package's limits: short files, short functions, few parameters, and no import circles."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import PurePath

import pytest
from imports import FILES, PACKAGE, imports_of

FILE_LINES, FUNCTION_LINES, PARAMETERS = 300, 80, 7


def functions(node: ast.AST, prefix: str = "") -> Iterator[tuple[str, ast.FunctionDef]]:
    """Functions and methods below a node, with their names inside the file."""
    for child in ast.iter_child_nodes(node):
        name = f"{prefix}{getattr(child, 'name', '')}"
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield name, child
        named = isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        yield from functions(child, f"{name}." if named else prefix)


def parameters(function: ast.FunctionDef) -> int:
    """How many parameters a function has, without self or cls."""
    arguments = function.args
    positional = [each.arg for each in (*arguments.posonlyargs, *arguments.args)]
    own = positional[:1] in (["self"], ["cls"])
    return len(positional) + len(arguments.kwonlyargs) - own


def over_limits(file: str, source: str) -> set[str]:
    """What of a file is too long or has too many parameters."""
    found = set()
    if len(source.splitlines()) > FILE_LINES:
        found.add(f"{file}: more than {FILE_LINES} lines")
    for name, function in functions(ast.parse(source)):
        if function.end_lineno - function.lineno + 1 > FUNCTION_LINES:
            found.add(f"{file}: {name} has more than {FUNCTION_LINES} lines")
        if parameters(function) > PARAMETERS:
            found.add(f"{file}: {name} has more than {PARAMETERS} parameters")
    return found


def module_of(target: str, files: set[str]) -> str | None:
    """The file of the package that an import reaches; a name in a module is the module's."""
    parts = target.split(".")
    if parts[0] != "hpc_qlstm" or parts[1:2] == ["_native"]:  # the extension is no file here
        return None
    for end in (len(parts), len(parts) - 1):
        path = "/".join(parts[1:end])
        for file in (f"{path}.py", f"{path}/__init__.py".lstrip("/")):
            if file in files:
                return file
    return None


def file_graph(sources: dict[str, str]) -> dict[str, set[str]]:
    """By file, the files it imports: at once, late, or for types alone."""
    files = set(sources)
    graph = {}
    for file, source in sources.items():
        targets = {module_of(target, files) for target, _, _ in imports_of(file, source).found}
        graph[file] = {target for target in targets if target not in (None, file)}
    return graph


def folder_graph(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """The graph of the package's folders; a file on the top level stands for itself."""
    folders: dict[str, set[str]] = {}
    for file, targets in graph.items():
        own = PurePath(file).parts[0]
        others = {PurePath(target).parts[0] for target in targets}
        folders.setdefault(own, set()).update(others - {own})
    return folders


def circles(graph: dict[str, set[str]]) -> set[str]:
    """Groups of nodes that reach one another, each as one line of text."""

    def reached(start: str) -> set[str]:
        seen, waiting = set(), [start]
        while waiting:
            new = graph[waiting.pop()] - seen
            seen |= new
            waiting += new
        return seen

    reach = {node: reached(node) for node in graph}
    groups = {
        tuple(sorted(other for other in reach[node] if node in reach[other]))
        for node in graph
        if node in reach[node]
    }
    return {"circle: " + ", ".join(group) for group in groups}


def offenders(sources: dict[str, str]) -> set[str]:
    """Everything over a limit in files of the package, given by their paths."""
    graph = file_graph(sources)
    found = circles(graph) | circles(folder_graph(graph))
    for file, source in sources.items():
        found |= over_limits(file, source)
    return found


def test_the_package_keeps_its_limits():
    found = offenders({file: (PACKAGE / file).read_text(encoding="utf-8") for file in FILES})
    assert sorted(found) == []


def long_function(lines: int) -> str:
    return "def f():\n" + "    pass\n" * (lines - 1)


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ({"a.py": "x = 1\n" * 301}, "a.py: more than 300 lines"),
        ({"a.py": long_function(81)}, "a.py: f has more than 80 lines"),
        ({"a.py": "class A:\n def g(self, a, b, c, d, e, f, g, h): ..."}, "A.g has more than 7 p"),
        ({"a.py": "async def g(a, b, c, d, /, e, f, *, g, h): ..."}, "g has more than 7 param"),
        ({"a.py": "def f():\n def g(a, b, c, d, e, f, g, h): ..."}, "f.g has more than 7 par"),
        ({"a.py": "if 1:\n def g(a, b, c, d, e, f, g, h): ..."}, ": g has more than 7 param"),
        (
            {"m/a.py": "from hpc_qlstm.m.b import B", "m/b.py": "import hpc_qlstm.m.a"},
            "circle: m/a.py, m/b.py",
        ),
        (
            {
                "m/a.py": "if TYPE_CHECKING:\n    from .b import B",
                "m/b.py": "from . import c",
                "m/c.py": "def f():\n    from hpc_qlstm.m import a",
            },
            "circle: m/a.py, m/b.py, m/c.py",
        ),
        (
            {"m/__init__.py": "from .a import A", "m/a.py": "from hpc_qlstm.m import B"},
            "circle: m/__init__.py, m/a.py",
        ),
        (
            {"__init__.py": "from .a import A", "a.py": "def f():\n    import hpc_qlstm"},
            "circle: __init__.py, a.py",
        ),
        (
            {
                "m/a.py": "from hpc_qlstm.n import b",
                "m/c.py": "",
                "n/b.py": "",
                "n/d.py": "from ..m.c import C",
            },
            "circle: m, n",
        ),
    ],
)
def test_the_checker_finds(sources, expected):
    assert any(expected in message for message in offenders(sources))


@pytest.mark.parametrize(
    "sources",
    [
        {"a.py": "x = 1\n" * 300},
        {"a.py": long_function(80)},
        {"a.py": "class A:\n def f(self, a, b, c, d, e, f, g, *more, **other): ..."},
        {"a.py": "class A:\n @classmethod\n def f(cls, a, b, c, d, e, f, g): ..."},
        {"m/a.py": "from .b import B", "m/b.py": "import os", "n/c.py": "from ..m.a import A"},
        {"m/__init__.py": "from .a import A", "m/a.py": "from .b import B", "m/b.py": ""},
    ],
)
def test_the_checker_allows(sources):
    assert offenders(sources) == set()
