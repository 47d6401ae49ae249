"""Constants as literals: a build step before the compiler, for all modules of a node together.

    RETRY_MS = 60_000                     pass
    wait(link.RETRY_MS)            ->     wait(60000)

On a node every name of a module costs memory, in the table of names and in the module's dictionary; constants are
half of them. `mpy-cross` folds `_NAME = const(3)` inside one module. This folds `NAME = 3` too, and across modules.

A constant is a name in capitals that a module binds once, at its top level, to an integer expression of literals and
other constants, with or without `const(...)`; or to a string, bytes or a tuple of such, if repeating it costs nothing:
it is a short string, which is stored once however often it stands there, or it is used only once.

What is replaced: the name in its own module, `from module import NAME`, and `alias.NAME` where `alias` is bound once,
by an import of that module. Anything else that could reach a constant keeps its definition: any other `.NAME` in any
module of the program, its name as a word of a string (for `getattr`), an import by a module not in the program
(`keep`). A `getattr` with an expression for the name keeps all of them.

The text is changed in place and no line moves, so tracebacks stay right. Only modules without effects at import may
be given: an import of which nothing is left is left out.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field

from provisioning.source_text import Edit, SourceText, bindings, smaller_import

INTERNED_CHARACTERS = 10
"""Strings up to this length are names to the compiler (MICROPY_ALLOC_PARSE_INTERN_STRING_LEN), so each exists once."""

Value = int | str | bytes | tuple[object, ...]
Key = tuple[str, str]
"""A module and a name in it."""

_CAPITALS = re.compile(r"_?[A-Z][A-Z0-9_]*")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BY_NAME = ("getattr", "setattr", "hasattr", "delattr")
_WHOLE_NAMESPACE = ("globals", "locals", "vars", "dir", "eval", "exec", "execfile")
_OPERATORS: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.FloorDiv: lambda a, b: a // b,
    ast.Mod: lambda a, b: a % b,
    ast.LShift: lambda a, b: a << b,
    ast.RShift: lambda a, b: a >> b,
    ast.BitOr: lambda a, b: a | b,
    ast.BitAnd: lambda a, b: a & b,
    ast.BitXor: lambda a, b: a ^ b,
    ast.Pow: lambda a, b: a**b,
}
_UNARY: dict[type[ast.unaryop], Callable[[int], int]] = {
    ast.USub: lambda a: -a,
    ast.UAdd: lambda a: a,
    ast.Invert: lambda a: ~a,
}


@dataclass(frozen=True, slots=True)
class Source:
    """One module: its text, and whether it is the `__init__` of a package (relative imports count from there)."""

    text: bytes
    is_package: bool = False


def fold(program: Mapping[str, Source], keep: Collection[str] = ()) -> dict[str, bytes]:
    """Module name -> its text with constants folded. `keep`: `module.NAME` that someone outside the program reads."""
    modules = {name: _Module(name, source, program) for name, source in program.items()}
    constants = _Constants(modules)
    reached = _reached(modules, constants)
    for dotted in keep:
        module, _, name = dotted.rpartition(".")
        reached.exact.add((module, name))
    return {name: _rewritten(module, constants, reached) for name, module in modules.items()}


@dataclass(slots=True)
class _Reached:
    """What can be read at run time other than by a use that is replaced."""

    exact: set[tuple[str, str]] = field(default_factory=set)
    words: set[str] = field(default_factory=set)
    whole: set[str] = field(default_factory=set)
    everything: bool = False

    def has(self, module: str, name: str) -> bool:
        return self.everything or name in self.words or module in self.whole or (module, name) in self.exact


class _Module(SourceText):
    """A parsed module and what its names are bound to."""

    def __init__(self, name: str, source: Source, program: Mapping[str, Source]) -> None:
        super().__init__(source.text)
        self.name = name
        self.bindings = Counter(bindings(self.tree))
        self.const_try: ast.stmt | None = next(filter(_is_const_try, self.tree.body), None)
        self.definitions: dict[str, ast.Assign] = {}
        self.module_of: dict[str, str] = {}
        """Alias -> the module of the program it names."""
        self.imported: dict[str, tuple[str, str]] = {}
        """Alias -> (module, name) of a name taken from a module of the program."""
        self.star = False
        for statement in self.tree.body:
            if (
                isinstance(statement, ast.Assign)
                and len(statement.targets) == 1
                and isinstance(statement.targets[0], ast.Name)
            ):
                target = statement.targets[0].id
                if _CAPITALS.fullmatch(target) and self.bindings[target] == 1:
                    self.definitions[target] = statement
        for node in ast.walk(self.tree):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                self._take_import(node, source.is_package, program)
        self.objects = _objects(self.tree)

    def _take_import(self, node: ast.Import | ast.ImportFrom, is_package: bool, program: Mapping[str, Source]) -> None:
        for alias in node.names:
            bound = alias.asname or alias.name
            if alias.name == "*":
                self.star = True
            elif self.bindings[bound.partition(".")[0]] != 1:
                continue
            elif isinstance(node, ast.Import):
                if alias.name in program and (alias.asname or "." not in alias.name):
                    self.module_of[bound] = alias.name
            else:
                base = _base(self.name, is_package, node)
                if f"{base}.{alias.name}" in program:
                    self.module_of[bound] = f"{base}.{alias.name}"
                elif base in program:
                    self.imported[bound] = (base, alias.name)


class _Constants:
    """The values of all constants of the program, found when asked for."""

    def __init__(self, modules: Mapping[str, _Module]) -> None:
        self._modules = modules
        self._known: dict[Key, Value | None] = {}
        self._changed = {
            node.attr
            for module in modules.values()
            for node in ast.walk(module.tree)
            if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load)
            if not (isinstance(node.value, ast.Name) and node.value.id in module.objects)
        }

        self._uses: Counter[Key] = Counter()
        for module in modules.values():
            for node in ast.walk(module.tree):
                key = self._key(module, node)
                if key is not None:
                    self._uses[key] += 1

    def value(self, module: str, name: str) -> Value | None:
        """What `name` of `module` stands for if it is a constant and is to be replaced, else None."""
        key = self._home(module, name)
        value = self._value(key)
        if value is None or isinstance(value, int):
            return value
        short = isinstance(value, str) and len(value) <= INTERNED_CHARACTERS
        return value if short or self._uses[key] <= 1 else None

    def of(self, module: _Module, node: ast.AST) -> Value | None:
        """What a name or an attribute in `module` stands for, if that is to be replaced."""
        key = self._key(module, node)
        return None if key is None else self.value(*key)

    def _key(self, module: _Module, node: ast.AST) -> Key | None:
        """Where a name or an attribute that is read in `module` is defined, as far as that is known."""
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            if node.id in module.definitions:
                return module.name, node.id
            if node.id in module.imported:
                return self._home(*module.imported[node.id])
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load) and isinstance(node.value, ast.Name):
            base = module.module_of.get(node.value.id)
            if base is not None:
                return self._home(base, node.attr)
        return None

    def _home(self, module: str, name: str) -> Key:
        """Where a name that is passed on from module to module is defined."""
        seen = set()
        while module in self._modules and (module, name) not in seen:
            seen.add((module, name))
            passed_on = self._modules[module].imported.get(name)
            if passed_on is None:
                break
            module, name = passed_on
        return module, name

    def _value(self, key: Key) -> Value | None:
        if key not in self._known:
            self._known[key] = None  # a definition by itself is none
            module, name = self._modules.get(key[0]), key[1]
            if module is not None and not module.star and name in module.definitions and name not in self._changed:
                self._known[key] = self._evaluated(module, module.definitions[name].value)
        return self._known[key]

    def _evaluated(self, module: _Module, node: ast.expr) -> Value | None:
        if isinstance(node, ast.Constant):
            return node.value if type(node.value) in (int, str, bytes) else None  # type: ignore[return-value]
        if isinstance(node, ast.Call):
            called = isinstance(node.func, ast.Name) and node.func.id == "const"
            return self._evaluated(module, node.args[0]) if called and len(node.args) == 1 else None
        if isinstance(node, ast.Tuple):
            items = tuple(self._evaluated(module, item) for item in node.elts)
            return None if None in items else items
        if isinstance(node, ast.UnaryOp) and type(node.op) in _UNARY:
            operand = self._evaluated(module, node.operand)
            return _UNARY[type(node.op)](operand) if isinstance(operand, int) else None
        if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
            left, right = self._evaluated(module, node.left), self._evaluated(module, node.right)
            if not isinstance(left, int) or not isinstance(right, int):
                return None
            try:
                result = _OPERATORS[type(node.op)](left, right)
            except (ValueError, ZeroDivisionError):  # the node shall raise it, not the build
                return None
            return result if type(result) is int else None
        key = self._key(module, node)
        return None if key is None else self._value(key)


def _reached(modules: Mapping[str, _Module], constants: _Constants) -> _Reached:
    reached = _Reached()
    for module in modules.values():
        docstrings = set(_docstrings(module.tree))
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Attribute):
                if constants.of(module, node) is None or module.in_format(node):
                    reached.words.add(node.attr)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                if node.id in _WHOLE_NAMESPACE:
                    reached.whole.add(module.name)
                elif module.in_format(node):
                    reached.exact.add(module.imported.get(node.id, (module.name, node.id)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in docstrings:
                reached.words.update(_WORD.findall(node.value))
            elif isinstance(node, ast.ImportFrom):
                _reach_imports(module, node, constants, reached)
            elif isinstance(node, ast.Call) and _by_expression(node):
                reached.everything = True
        if module.star:
            reached.everything = True
    return reached


def _reach_imports(module: _Module, node: ast.ImportFrom, constants: _Constants, reached: _Reached) -> None:
    """What is imported and is no constant here must be there, also under a name that has other bindings too."""
    for alias in node.names:
        bound = alias.asname or alias.name
        if bound in module.imported:
            if constants.value(*module.imported[bound]) is None:
                reached.exact.add(module.imported[bound])
        elif bound not in module.module_of:
            reached.words.add(alias.name)


def _by_expression(call: ast.Call) -> bool:
    """Whether an attribute is looked up under a name that is put together, and so stands in no string."""
    if not isinstance(call.func, ast.Name) or call.func.id not in _BY_NAME or len(call.args) < 2:
        return False
    return not isinstance(call.args[1], (ast.Constant, ast.Name))


def _rewritten(module: _Module, constants: _Constants, reached: _Reached) -> bytes:
    edits: list[Edit] = []
    gone: set[ast.AST] = set()

    def blank(node: ast.stmt, left: bytes = b"pass") -> None:
        start, end = module.span(node)
        edits.append((start, end, module.blanked(start, end, left)))
        gone.add(node)

    for name, definition in module.definitions.items():
        value = constants.value(module.name, name)
        if value is None:
            continue
        if not reached.has(module.name, name):
            blank(definition)
        elif isinstance(definition.value, ast.Call):
            start, end = module.span(definition.value)
            edits.append((start, end, _literal(value) + _line_ends(module.text[start:end])))
            gone.add(definition.value)
    if module.const_try is not None:
        _drop_const(module, module.const_try, gone, blank)
    used = Counter(
        node.id
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
        if not module.inside(node, gone) and not _replaced(module, node, constants)
    )
    for node in ast.walk(module.tree):
        if module.inside(node, gone):
            continue
        if isinstance(node, (ast.Name, ast.Attribute)) and _replaced(module, node, constants):
            value = constants.of(module, node)
            above = module.parents[node]
            if value is None or (isinstance(above, ast.Attribute) and _replaced(module, above, constants)):
                continue
            start, end = module.span(node)
            text = _literal(value) + _line_ends(module.text[start:end])
            if (isinstance(value, int) and value < 0) or isinstance(above, ast.Attribute):
                text = b"(" + text + b")"
            edits.append((start, end, text))
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            _trim_import(module, node, constants, used, reached, blank)
    return module.edited(edits)


def _replaced(module: _Module, node: ast.AST, constants: _Constants) -> bool:
    """Whether this use is replaced: itself, or the name of a module as part of `module.NAME`."""
    if constants.of(module, node) is not None:
        return not module.in_format(node)
    above = module.parents.get(node)
    return (
        isinstance(node, ast.Name)
        and isinstance(above, ast.Attribute)
        and constants.of(module, above) is not None
        and not module.in_format(node)
    )


def _trim_import(
    module: _Module,
    node: ast.Import | ast.ImportFrom,
    constants: _Constants,
    used: Counter[str],
    reached: _Reached,
    blank: Callable[[ast.stmt, bytes], None],
) -> None:
    """Leave out of an import what only brought constants."""
    left = []
    for alias in node.names:
        bound = alias.asname or alias.name
        constant = bound in module.imported and constants.value(*module.imported[bound]) is not None
        of_module = bound in module.module_of and _only_constants(module, bound, constants)
        if used[bound] or reached.has(module.name, bound) or not (constant or of_module):
            left.append(alias)
    if len(left) < len(node.names):
        blank(node, smaller_import(node, left))


def _only_constants(module: _Module, alias: str, constants: _Constants) -> bool:
    """Whether a module is used, and for nothing but constants (an import for its own sake stays)."""
    uses = [node for node in ast.walk(module.tree) if isinstance(node, ast.Name) and node.id == alias]
    return bool(uses) and all(constants.of(module, module.parents[use]) is not None for use in uses)


def _drop_const(module: _Module, const_try: ast.stmt, gone: set[ast.AST], blank: Callable[[ast.stmt], None]) -> None:
    """Without a use of `const` left, its import goes too."""
    outside = {*gone, const_try}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Name) and node.id == "const" and not module.inside(node, outside):
            return
    blank(const_try)


def _is_const_try(node: ast.stmt) -> bool:
    """`try: from micropython import const`, `except ImportError:` a stand-in, and nothing else."""
    if not isinstance(node, ast.Try) or len(node.body) != 1 or len(node.handlers) != 1 or node.orelse or node.finalbody:
        return False
    first = node.body[0]
    if not isinstance(first, ast.ImportFrom) or first.module != "micropython":
        return False
    if [(alias.name, alias.asname) for alias in first.names] != [("const", None)] or len(node.handlers[0].body) != 1:
        return False
    return set(bindings(node)) == {"const", *_arguments(node)}


def _arguments(node: ast.AST) -> set[str]:
    return {each.arg for each in ast.walk(node) if isinstance(each, ast.arg)}


def _base(name: str, is_package: bool, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = name.split(".")
    above = parts[: len(parts) - node.level + (1 if is_package else 0)]
    return ".".join([*above, *([node.module] if node.module else [])])


def _objects(tree: ast.AST) -> set[str]:
    """Names that only ever stand for what a call made: an object, no module."""
    made = Counter(
        node.targets[0].id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name)
        if isinstance(node.value, ast.Call)
        if not (isinstance(node.value.func, ast.Name) and node.value.func.id == "__import__")
    )
    bound = Counter(bindings(tree))
    return {name for name in bound if made[name] == bound[name]} | {"self", "cls"}


def _docstrings(tree: ast.AST) -> Iterator[ast.AST]:
    """Strings that stand alone: the compiler drops them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value


def _literal(value: Value) -> bytes:
    return repr(value).encode()


def _line_ends(text: bytes) -> bytes:
    ends = text.count(b"\n")
    return b" \\\n" * ends if ends else b""
