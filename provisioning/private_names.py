"""Private names, shortened before the compiler.

    self._not_before_ms            ->     self._3
    def _window_start(window):     ->     def _a(_0):

On a node every name is kept as text, in a table of all names, for good. A name with an underscore in front is nobody's
business but its module's, or that of its class and those that inherit: so one short name serves many of them. Public
names stay, for callers, for `getattr` and for people at the console. Tracebacks still show module and line.

Left as it is: a private name that is used on anything but `self`, `cls`, `super()` or its class; that is imported, used
as a keyword, a parameter or a word of a string, stands in an f-string, or means two things in its module; and those of
classes that inherit from outside of the program.
"""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

from provisioning.source_text import Edit, SourceText, bindings

_PRIVATE = re.compile(r"_[A-Za-z0-9][A-Za-z0-9_]+")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OWN = ("self", "cls")
_OUTSIDE_BASES = ("object", "Exception")
_Definition = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
# Parameters have `_0`, `_1`.. (shortening.py): attributes may have the same, globals may not.
_GLOBALS = [f"_{letter}" for letter in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"]
_ATTRIBUTES = [*(f"_{digit}" for digit in range(10)), *_GLOBALS, *(f"_{number}" for number in range(10, 100))]


def shorten_private(program: Mapping[str, bytes]) -> dict[str, bytes]:
    """Module name -> its text with short private names."""
    texts = {name: SourceText(text) for name, text in program.items()}
    families = _Families(texts.values())
    kept: set[str] = set().union(*(_spoken(text) for text in texts.values()))
    kept |= set().union(*(_of_anything(text, families) for text in texts.values()))
    attributes = _attributes(texts.values(), families, kept)
    return {name: text.edited(_edits(text, attributes, kept)) for name, text in texts.items()}


class _Families:
    """Classes that share their attributes, because one inherits from another; told apart by name."""

    def __init__(self, texts: Iterable[SourceText]) -> None:
        classes = [node for text in texts for node in ast.walk(text.tree) if isinstance(node, ast.ClassDef)]
        self._head = {node.name: node.name for node in classes}
        foreign = set()
        for node in classes:
            for base in node.bases:
                name = base.id if isinstance(base, ast.Name) else None
                if name in self._head:
                    self._head[self.of(node.name)] = self.of(str(name))
                elif name not in _OUTSIDE_BASES:
                    foreign.add(node.name)
        self.foreign = {self.of(name) for name in foreign}

    def of(self, name: str) -> str:
        """The name that stands for the family of a class."""
        while self._head[name] != name:
            name = self._head[name]
        return name

    def around(self, text: SourceText, node: ast.AST) -> str | None:
        """The family of the class in which `node` stands."""
        for each in text.above(node):
            if isinstance(each, ast.ClassDef) and each is not node:
                return self.of(each.name)
        return None

    def owner(self, text: SourceText, node: ast.Attribute) -> str | None:
        """The family on which an attribute is used, None if that cannot be told."""
        value = node.value
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "super":
            return self.around(text, node)
        if not isinstance(value, ast.Name):
            return None
        if value.id in _OWN:
            return self.around(text, node)
        return self.of(value.id) if value.id in self._head else None


def _spoken(text: SourceText) -> Iterator[str]:
    """Names that must stay, because somebody could say them: words of strings, keywords, parameters, imports."""
    docstrings = {
        node.value
        for node in ast.walk(text.tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(text.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in docstrings:
            yield from _WORD.findall(node.value)
        elif isinstance(node, ast.keyword) and node.arg:
            yield node.arg
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                yield from (alias.name, alias.asname or alias.name)
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            yield from node.names
        elif isinstance(node, (ast.Name, ast.Attribute)) and text.in_format(node):
            yield node.id if isinstance(node, ast.Name) else node.attr


def _of_anything(text: SourceText, families: _Families) -> Iterator[str]:
    """Attributes of what may be any object, or a module."""
    for node in ast.walk(text.tree):
        if isinstance(node, ast.Attribute) and families.owner(text, node) is None:
            yield node.attr


def _attributes(texts: Iterable[SourceText], families: _Families, kept: set[str]) -> dict[str, str]:
    """Attribute -> its short name: one that no other attribute has in any family where it is used."""
    where: defaultdict[str, set[str]] = defaultdict(set)
    open_names = set(kept)
    uses: Counter[str] = Counter()
    taken = set()
    for text in texts:
        names = {node.id for node in ast.walk(text.tree) if isinstance(node, ast.Name)}
        for node in ast.walk(text.tree):
            if isinstance(node, ast.Attribute):
                taken.add(node.attr)
                name, family = node.attr, families.owner(text, node)
            elif (named := _class_level(text, node)) is not None:
                name, family = named, families.around(text, node)
                mentioned = _loaded(text, name) if isinstance(node, ast.Name) else name in names
                if mentioned:  # in the body of the class, or a variable of the same name
                    open_names.add(name)
            else:
                continue
            uses[name] += 1
            if family is None or family in families.foreign:
                open_names.add(name)
            else:
                where[name].add(family)
    given: dict[str, str] = {}
    in_family: defaultdict[str, set[str]] = defaultdict(set)
    for name in sorted(where, key=lambda each: (-len(where[each]), -uses[each], each)):
        if name in open_names or not _PRIVATE.fullmatch(name):
            continue
        free = (short for short in _ATTRIBUTES if short not in taken and len(short) < len(name))
        short = next((each for each in free if not any(each in in_family[family] for family in where[name])), None)
        if short is not None:
            given[name] = short
            for family in where[name]:
                in_family[family].add(short)
    return given


def _class_level(text: SourceText, node: ast.AST) -> str | None:
    """The name that `node` binds in the body of a class."""
    if isinstance(node, _Definition) and isinstance(text.parents[node], ast.ClassDef):
        return node.name
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        for above in text.above(node):
            if isinstance(above, ast.ClassDef):
                return node.id
            if isinstance(above, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
                return None
    return None


def _loaded(text: SourceText, name: str) -> bool:
    return any(isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Load) for n in ast.walk(text.tree))


def _edits(text: SourceText, attributes: Mapping[str, str], kept: set[str]) -> Iterator[Edit]:
    globals_ = _globals(text, kept)
    for node in ast.walk(text.tree):
        if isinstance(node, ast.Attribute) and node.attr in attributes:
            _, end = text.span(node)
            yield end - len(node.attr), end, attributes[node.attr].encode()
        elif isinstance(node, _Definition):
            inside = _class_level(text, node) is not None
            short = (attributes if inside else globals_).get(node.name)
            if short is not None:
                start = text.text.index(node.name.encode(), text.span(node)[0])
                yield start, start + len(node.name), short.encode()
        elif isinstance(node, ast.Name):
            inside = _class_level(text, node) is not None
            short = (attributes if inside else globals_).get(node.id)
            if short is not None:
                yield *text.span(node), short.encode()


def _globals(text: SourceText, kept: set[str]) -> dict[str, str]:
    """Private name of the module -> its short name."""
    bound = Counter(bindings(text.tree))
    mine = [
        name
        for statement in text.tree.body
        for name in _bound_by(statement)
        if _PRIVATE.fullmatch(name) and bound[name] == 1 and name not in kept
    ]
    used = set(bound) | {node.id for node in ast.walk(text.tree) if isinstance(node, ast.Name)}
    free = (short for short in _GLOBALS if short not in used)
    return {name: short for name, short in zip(mine, free, strict=False) if len(short) < len(name)}


def _bound_by(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, _Definition):
        yield statement.name
    elif isinstance(statement, ast.Assign):
        yield from (target.id for target in statement.targets if isinstance(target, ast.Name))
