"""What a node's program never mentions is left out before the compiler: functions, classes, methods, imports.

A library serves many profiles and the host too; a node of one profile uses a part of it. Whether a definition is
needed is decided by its name alone: it stays if any code that stays mentions that name, as a name, as an attribute of
whatever object, or as a word of a string (for `getattr`). So nothing is lost that could be reached, and some is kept
that could not.

Always kept: what runs at import, `__special__` methods, and everything in classes whose base the program does not
define (the interpreter may call those). No line moves, so tracebacks stay right.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from provisioning.source_text import Edit, SourceText, smaller_import

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_OWN_BASES = ("object", "Exception")


def prune(program: Mapping[str, bytes], keep: Collection[str] = ()) -> dict[str, bytes]:
    """Module name -> its text without what is never mentioned. `keep`: names that are used from outside."""
    texts = {name: SourceText(text) for name, text in program.items()}
    known = {
        node.name for text in texts.values() for node in ast.walk(text.tree) if isinstance(node, ast.ClassDef)
    } | set(_OWN_BASES)
    mentioned = set(keep)
    waiting: list[_Definition] = []
    for text in texts.values():
        waiting += _take(text.tree.body, mentioned)
    while living := [each for each in waiting if _lives(each, mentioned)]:
        waiting = [each for each in waiting if each not in living]
        for each in living:
            if isinstance(each, ast.ClassDef):
                mentioned.update(_mentions([*each.bases, *each.decorator_list]))
                if _keeps_all(each, known):
                    mentioned.update(_mentions(each.body))
                else:
                    waiting += _take(each.body, mentioned)
            else:
                mentioned.update(_mentions([each]))
    dead = set(waiting)
    return {name: text.edited(_edits(text, dead, mentioned)) for name, text in texts.items()}


def _take(body: list[ast.stmt], mentioned: set[str]) -> list[_Definition]:
    """Note what the statements mention; give the definitions among them, which are not entered yet."""
    definitions = [each for each in body if isinstance(each, _Definition)]
    mentioned.update(_mentions([each for each in body if each not in definitions]))
    return definitions


def _lives(definition: _Definition, mentioned: set[str]) -> bool:
    return definition.name in mentioned or definition.name.startswith("__")


def _keeps_all(node: ast.ClassDef, known: set[str]) -> bool:
    return not all(isinstance(base, ast.Name) and base.id in known for base in node.bases)


def _mentions(nodes: Sequence[ast.AST]) -> Iterator[str]:
    for top in nodes:
        silent = {
            node.value for node in ast.walk(top) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        }
        for node in ast.walk(top):
            if isinstance(node, ast.Name):
                yield node.id
            elif isinstance(node, ast.Attribute):
                yield node.attr
            elif isinstance(node, ast.alias) and (node.asname or "." in node.name or node.name == "*"):
                yield from node.name.split(".")
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in silent:
                yield from _WORD.findall(node.value)


def _edits(text: SourceText, dead: set[_Definition], mentioned: set[str]) -> Iterator[Edit]:
    for node in ast.walk(text.tree):
        if isinstance(node, _Definition) and node in dead:
            start, end = text.span(node)
            if node.decorator_list:
                start = text.text.rindex(b"@", 0, text.span(node.decorator_list[0])[0])
            yield start, end, text.blanked(start, end)
        elif isinstance(node, (ast.Import, ast.ImportFrom)) and not text.inside(node, dead):
            left = [alias for alias in node.names if alias.asname or alias.name in mentioned or "." in alias.name]
            if len(left) < len(node.names) and not (isinstance(node, ast.ImportFrom) and node.module == "__future__"):
                start, end = text.span(node)
                yield start, end, text.blanked(start, end, smaller_import(node, left))
