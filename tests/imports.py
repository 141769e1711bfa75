"""What the package's files import, read without running them."""

from __future__ import annotations

import ast
from pathlib import Path

import hpc_qlstm

PACKAGE = Path(hpc_qlstm.__file__).parent
FILES = sorted(str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py"))


class Imports(ast.NodeVisitor):
    """Collects (dotted target, line, late) of every import; late: not executed with the module."""

    def __init__(self, package: list[str]) -> None:
        self.package = package
        self.found: list[tuple[str, int, bool]] = []
        self.dynamic: list[int] = []
        self._late = 0

    def visit_Import(self, node):
        self.found += [(alias.name, node.lineno, self._late > 0) for alias in node.names]

    def visit_ImportFrom(self, node):
        base = node.module or ""
        if node.level:
            parents = self.package[: len(self.package) - node.level + 1]
            base = ".".join([*parents, *([base] if base else [])])
        names = [alias.name for alias in node.names]
        self.found += [(f"{base}.{name}", node.lineno, self._late > 0) for name in names]

    def visit_Call(self, node):
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name in ("import_module", "__import__"):
            self.dynamic.append(node.lineno)
            for argument in node.args[:1]:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    self.found.append((argument.value, node.lineno, self._late > 0))
        self.generic_visit(node)

    def visit_FunctionDef(self, node):
        self._late += 1
        self.generic_visit(node)
        self._late -= 1

    visit_AsyncFunctionDef = visit_Lambda = visit_FunctionDef

    def visit_If(self, node):
        guarded = ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
        self._late += guarded
        for child in node.body:
            self.visit(child)
        self._late -= guarded
        for child in [node.test, *node.orelse]:
            self.visit(child)


def imports_of(file: str, source: str) -> Imports:
    """The imports of `file`, a path inside the package."""
    found = Imports(["hpc_qlstm", *Path(file).parent.parts])
    found.visit(ast.parse(source))
    return found
