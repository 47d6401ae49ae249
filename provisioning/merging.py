"""Modules that are always loaded together, put into one file before the compiler.

    firmware/lorawan/{errors,frames,link,mac}.py      ->      firmware/lorawan/mac.mpy

On a node each module costs an object, a dictionary, three names (its own, its path, its file) and, for all that it
imports, a place in that dictionary. People read small modules; a node needs not pay for that.

A group is a module, its head, with all modules of its package that it imports at the top level, directly or by others
of them; further heads may be named. Left out are modules, except the head, that a string of the program names: somebody
loads or forgets those by name. What is imported inside of functions is loaded later, or never, and stays apart unless
the head needs it too.

The text of each module stays as it is, in the order in which they would have been loaded; two private names that
collide are told apart; imports between them go, others lead to the head. `Merged.origin` tells which line of which
module a line in a traceback of the node was.
"""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from provisioning.source_text import Edit, SourceText, bindings

_DOTTED = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)+")
_FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_Import = ast.Import | ast.ImportFrom
_Key = tuple[str, str]
"""A module and a name in it."""


@dataclass(frozen=True, slots=True)
class Merged:
    """A program of fewer modules."""

    texts: dict[str, bytes]
    """Module name -> its text; those that became part of another one are gone."""
    parts: dict[str, list[tuple[str, int]]]
    """Head of a group -> its modules in their order, and how many lines each has."""

    def origin(self, module: str, line: int) -> tuple[str, int]:
        """Module and line, as people know them, of what a node calls `line` of `module`; both count from 1."""
        before = 0
        for part, lines in self.parts.get(module, ()):
            if line <= before + lines:
                return part, line - before
            before += lines
        return module, line


def merge(program: Mapping[str, bytes], groups: Sequence[Sequence[str]]) -> Merged:
    """Put each group of `program` into one module. `groups`: their heads; the first one that the program has names it.

    No module of a group may be a package. Raises ValueError for what cannot be merged: modules that load each other, a
    name that another module of the group has for something else, an `import` that binds the outermost package.
    """
    modules = {name: _Module(name, text, program) for name, text in program.items()}
    named = {word for module in modules.values() for text in module.strings() for word in _DOTTED.findall(text)}
    home: dict[str, str] = {}
    orders: dict[str, list[str]] = {}
    for heads in groups:
        present = [name for name in heads if name in modules]
        if present:
            apart = (named - {present[0]}) | set(home)
            order = [name for name in _together(present, modules) if name not in apart]
            if len(order) > 1 and present[0] in order:
                orders[present[0]] = order
                home.update((name, present[0]) for name in order)
    _no_circles(modules, home)
    renamed = {name: new for order in orders.values() for name, new in _told_apart(order, modules).items()}
    texts = {name: module.edited(_Rewriting(module, home, renamed).edits()) for name, module in modules.items()}
    parts = {}
    for head, order in orders.items():
        pieces = [texts.pop(name).rstrip() + b"\n" for name in order]
        texts[head] = b"".join(pieces)
        parts[head] = [(name, piece.count(b"\n")) for name, piece in zip(order, pieces, strict=True)]
    return Merged({name: texts[name] for name in program if name in texts}, parts)


@dataclass(frozen=True, slots=True)
class _Imported:
    """One thing that an import brings: `name` of `module`, or `module` itself, bound as `bound`."""

    bound: str
    module: str
    name: str | None
    alias: ast.alias


class _Module(SourceText):
    """A module, and where its imports lead."""

    def __init__(self, name: str, text: bytes, program: Container[str]) -> None:
        super().__init__(text)
        self.name = name
        self.package = name.rpartition(".")[0]
        self.bound = Counter(bindings(self.tree))
        self.imports: dict[_Import, list[_Imported]] = {
            node: list(self._imported(node, program))
            for node in ast.walk(self.tree)
            if isinstance(node, (ast.Import, ast.ImportFrom))
        }

    def _imported(self, node: _Import, program: Container[str]) -> Iterator[_Imported]:
        for alias in node.names:
            bound = alias.asname or alias.name
            if isinstance(node, ast.Import):
                yield _Imported(bound, alias.name, None, alias)
            elif f"{self._base(node)}.{alias.name}" in program:  # `from package import module`
                yield _Imported(bound, f"{self._base(node)}.{alias.name}", None, alias)
            else:
                yield _Imported(bound, self._base(node), alias.name, alias)

    def _base(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        parts = self.name.split(".")
        return ".".join([*parts[: len(parts) - node.level], *([node.module] if node.module else [])])

    def loads(self, *, surely: bool) -> list[str]:
        """Modules this one imports when it is loaded; `surely`: whatever comes, not in a condition or a `try`."""
        found = []
        for node, imported in self.imports.items():
            inner = any(isinstance(each, _FUNCTION) for each in self.above(node))
            if not inner and (not surely or self.parents[node] is self.tree):
                found += [each.module for each in imported]
        return found

    def strings(self) -> Iterator[str]:
        """All strings but docstrings."""
        for node in ast.walk(self.tree):
            alone = isinstance(self.parents.get(node), ast.Expr)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and not alone:
                yield node.value

    def globals(self) -> dict[str, _Imported | None]:
        """Name that the module binds when it is loaded -> what it imports under that name (None: its own)."""
        found: dict[str, _Imported | None] = {}
        for node in ast.walk(self.tree):
            if any(isinstance(each, (*_FUNCTION, ast.ClassDef, ast.comprehension)) for each in self._around(node)):
                continue
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                found.update((each.bound, each) for each in self.imports[node])
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                found[node.name] = None
            elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
                found[node.id] = None
        return found

    def _around(self, node: ast.AST) -> Iterator[ast.AST]:
        return (each for each in self.above(node) if each is not node)


def _together(heads: Sequence[str], modules: Mapping[str, _Module]) -> list[str]:
    """All modules of the heads' packages that are loaded with the heads, each after those it loads itself."""
    packages = {modules[head].package for head in heads}
    members: set[str] = set()
    waiting = list(heads)
    while waiting:
        name = waiting.pop()
        if name in modules and modules[name].package in packages and name not in members:
            members.add(name)
            waiting += modules[name].loads(surely=True)
    order: dict[str, bool] = {}

    def enter(name: str) -> None:
        if name in members and name not in order:
            order[name] = False  # entered; its place comes with the next line
            for each in modules[name].loads(surely=False):
                enter(each)
            del order[name]
            order[name] = True

    for head in heads:
        enter(head)
    return list(order)


def _no_circles(modules: Mapping[str, _Module], home: Mapping[str, str]) -> None:
    """Raise ValueError if a group would, through modules outside of it, load itself."""
    after: defaultdict[str, set[str]] = defaultdict(set)
    for name, module in modules.items():
        after[home.get(name, name)].update(home.get(each, each) for each in module.loads(surely=False))
    for head in set(home.values()):
        seen: set[str] = set()
        waiting = list(after[head] - {head})
        while waiting:
            name = waiting.pop()
            if name == head:
                raise ValueError(f"{head} with its parts would load itself")
            if name not in seen:
                seen.add(name)
                waiting += after[name]


def _told_apart(order: Sequence[str], modules: Mapping[str, _Module]) -> dict[_Key, str]:
    """(module, name) -> the name it gets, for names that mean something else earlier in the group."""
    meaning: dict[str, _Key] = {}
    renamed: dict[_Key, str] = {}
    taken = {bound for name in order for bound in modules[name].bound}
    for name in order:
        for bound, imported in modules[name].globals().items():
            if imported is not None and imported.module in order:
                continue  # such an import goes
            means = (name, bound) if imported is None else (imported.module, imported.name or "")
            if meaning.setdefault(bound, means) == means:
                continue
            if modules[name].bound[bound] != 1 or not bound.startswith("_"):
                raise ValueError(f"{bound} of {name} is something else in another module of its group")
            new = next(f"{bound}_{number}" for number in count(2) if f"{bound}_{number}" not in taken)
            taken.add(new)
            renamed[name, bound] = new
    for name in order:
        module = modules[name]
        free = {node.id for node in ast.walk(module.tree) if isinstance(node, ast.Name)} - set(module.bound)
        if foreign := free & set(meaning):
            raise ValueError(f"{name}: {min(foreign)} is another module's in its group")
    return renamed


class _Rewriting:
    """The edits of one module: imports that lead elsewhere now, and names that changed."""

    def __init__(self, module: _Module, home: Mapping[str, str], renamed: Mapping[_Key, str]) -> None:
        self._module = module
        self._home = home
        self._renamed = renamed
        self._mine = home.get(module.name)
        self._globals = {name: new for (owner, name), new in renamed.items() if owner == module.name}
        self._aliases: dict[str, str] = {}
        """Name -> the module it stands for, if that became part of a group."""

    def edits(self) -> Iterator[Edit]:
        """All of them. Raises ValueError."""
        module = self._module
        for node, imported in module.imports.items():
            if any(each.module in self._home for each in imported):
                start, end = module.span(node)
                left = [line for each in imported if (line := self._imports(node, each))]
                yield start, end, module.blanked(start, end, "; ".join(left or ["pass"]).encode())
        for each in ast.walk(module.tree):
            if isinstance(each, ast.Attribute):
                yield from self._attribute(each)
            elif isinstance(each, ast.Name):
                yield from self._name(each)
            elif isinstance(each, (ast.FunctionDef, ast.ClassDef)) and each.name in self._globals:
                start = module.text.index(each.name.encode(), module.span(each)[0])
                yield start, start + len(each.name), self._globals[each.name].encode()

    def _imports(self, node: _Import, each: _Imported) -> str:
        """What is left of an import: a statement, or nothing."""
        head = self._home.get(each.module)
        if head is None:
            return ast.unparse(_only(node, each.alias))
        once = self._module.bound[each.bound] == 1
        if each.name is None:
            if not once or isinstance(node, ast.Import):
                raise ValueError(f"{self._module.name}: {each.bound} is more than the module {each.module}")
            self._aliases[each.bound] = each.module
            package, _, leaf = head.rpartition(".")
            return "" if head == self._mine else f"from {package} import {leaf} as {each.bound}"
        name = self._renamed.get((each.module, each.name), each.name)
        if head != self._mine:
            return f"from {head} import {name}" + ("" if each.bound == name else f" as {each.bound}")
        if each.bound == name:
            return ""
        if once:
            self._globals[each.bound] = name
            return ""
        return f"{each.bound} = {name}"

    def _attribute(self, node: ast.Attribute) -> Iterator[Edit]:
        target = self._aliases.get(node.value.id) if isinstance(node.value, ast.Name) else None
        if target is None:
            return
        name = self._renamed.get((target, node.attr), node.attr)
        start, end = self._module.span(node)
        if self._home[target] == self._mine:
            yield self._exactly(node, start, end, name)
        elif name != node.attr:
            yield self._exactly(node, end - len(node.attr), end, name)

    def _name(self, node: ast.Name) -> Iterator[Edit]:
        target = self._aliases.get(node.id)
        if target is not None:
            if self._home[target] == self._mine and not isinstance(self._module.parents[node], ast.Attribute):
                raise ValueError(f"{self._module.name}: {node.id} is used as a value, and part of the same group")
        elif node.id in self._globals:
            yield self._exactly(node, *self._module.span(node), self._globals[node.id])

    def _exactly(self, node: ast.AST, start: int, end: int, name: str) -> Edit:
        if self._module.in_format(node):
            raise ValueError(f"{self._module.name}: a name that has to change stands in an f-string")
        return start, end, name.encode()


def _only(node: _Import, alias: ast.alias) -> _Import:
    if isinstance(node, ast.ImportFrom):
        return ast.ImportFrom(node.module, [alias], node.level)
    return ast.Import([alias])
