"""What a piece of this project's code imports when it runs, found by reading it, function by function.

A module's own statements run when it is imported; a function's or a class's body counts only where something that runs
names it. What is resolved from strings (a spec's ``module:object``) is not seen.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OWN = {"components", "pipelines", "inference", "feature_repo"}
Names = dict[str, tuple[str, str]]
"""What a name is bound to: a module, and an attribute of it or nothing."""
Body = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def source(module: str) -> Path | None:
    """Return the file of a module of this project, None for anything else."""
    if module.split(".")[0] not in OWN:
        return None
    path = ROOT.joinpath(*module.split("."))
    found = [p for p in (path / "__init__.py", path.with_suffix(".py")) if p.exists()]
    return found[0] if found else None


@dataclass
class Module:
    """A file's definitions and the names that it imports."""

    name: str
    package: list[str]
    tree: ast.Module

    @property
    def definitions(self) -> dict[str, ast.stmt]:
        """Functions, classes and values at the top of the module."""
        found: dict[str, ast.stmt] = {}
        for node in self.tree.body:
            if isinstance(node, Body):
                found[node.name] = node
        return found

    @property
    def code(self) -> list[ast.stmt]:
        """What runs when the module is imported, but for the bodies of functions."""
        return [
            n
            for n in self.tree.body
            if not isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef) and not for_checkers(n)
        ]


@cache
def read(name: str) -> Module:
    """Read a module of this project."""
    path = source(name)
    assert path is not None, name
    parts = name.split(".")
    package = parts if path.name == "__init__.py" else parts[:-1]
    return Module(name, package, without_annotations(ast.parse(path.read_text())))


def without_annotations(tree: ast.Module) -> ast.Module:
    """Take off what is for type checkers: every module defers its annotations."""
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
        elif isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(None)
    return tree


def for_checkers(node: ast.AST) -> bool:
    """Whether a statement is for type checkers alone."""
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def bindings(nodes: list[ast.stmt], package: list[str]) -> Iterator[tuple[str, str, str]]:
    """Yield ``(name, module, attribute)`` of each import in statements, at any depth, with absolute modules."""
    for node in (n for top in nodes if not for_checkers(top) for n in ast.walk(top)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.asname or alias.name.split(".")[0], alias.name, ""
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*start, *filter(None, [node.module])])
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield alias.asname or alias.name, *((inner, "") if source(inner) else (base, alias.name))


@dataclass
class Reach:
    """Everything that some code runs into.

    Attributes
    ----------
    others : dict
        Modules of other packages, with one module of this project each that imports them.
    modules : set of str
        Modules of this project that are imported.
    """

    others: dict[str, str] = field(default_factory=dict)
    modules: set[str] = field(default_factory=set)
    _seen: set[tuple[str, str]] = field(default_factory=set)

    def module(self, name: str, user: str) -> None:
        """Import a module."""
        if source(name) is None:
            if name.split(".")[0] not in sys.stdlib_module_names:
                self.others.setdefault(name, user)
            return
        if name in self.modules:
            return
        self.modules.add(name)
        if "." in name:
            self.module(name.rpartition(".")[0], user)
        found = read(name)
        self.statements([n for n in found.code if not isinstance(n, ast.ClassDef)], found)
        for node in found.code:
            if isinstance(node, ast.ClassDef):  # its decorators; its methods and its bases' when something names it
                made = [base for base in node.bases if isinstance(base, ast.Call)]
                self.statements([ast.Expr(e) for e in [*made, *node.decorator_list]], found)

    def whole(self, name: str) -> None:
        """Import a module and run everything in it."""
        self.module(name, "")
        for definition in read(name).definitions:
            self.attribute(name, definition)

    def attribute(self, module: str, name: str) -> None:
        """Use a name of a module of this project."""
        if (module, name) in self._seen or source(module) is None:
            return
        self._seen.add((module, name))
        found = read(module)
        if name in found.definitions:
            self.statements([found.definitions[name]], found)
        else:
            self.use(dict(top_names(found)).get(name), module)

    def use(self, target: tuple[str, str] | None, user: str) -> None:
        """Use what a name is bound to."""
        if target is not None:
            self.module(target[0], user)
            if target[1]:
                self.attribute(*target)

    def statements(self, nodes: list[ast.stmt], module: Module) -> None:
        """Run statements of a module."""
        local: Names = {}
        for name, target, attribute in bindings(nodes, module.package):
            local[name] = (target, attribute)
            self.module(target, module.name)
        names = {**top_names(module), **local}
        for node in (n for top in nodes for n in unshadowed(top, frozenset(local))):
            if isinstance(node, ast.Name):
                self.use(names.get(node.id), module.name)
                if node.id in module.definitions:
                    self.attribute(module.name, node.id)
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                target = names.get(node.value.id, ("", ""))
                if target[0] and not target[1]:
                    self.attribute(target[0], node.attr)


def unshadowed(node: ast.AST, imported: frozenset[str], hidden: frozenset[str] = frozenset()) -> Iterator[ast.AST]:
    """Yield the names and attributes in a statement, without those that a function binds itself other than by import."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        stored = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        arguments = {n.arg for n in ast.walk(node.args) if isinstance(n, ast.arg)}
        hidden = (hidden | stored | arguments) - imported
    name = node.value if isinstance(node, ast.Attribute) else node
    if not (isinstance(name, ast.Name) and name.id in hidden):
        yield node
    for child in ast.iter_child_nodes(node):
        yield from unshadowed(child, imported, hidden)


def top_names(module: Module) -> Names:
    """Return what the module's own imports bind."""
    return {name: (target, attribute) for name, target, attribute in bindings(module.code, module.package)}
