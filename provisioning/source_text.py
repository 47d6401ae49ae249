"""Text of a device module that is changed in place: what the steps before the compiler share.

Positions come from the syntax tree, in bytes. No line moves, so tracebacks stay right.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator

Edit = tuple[int, int, bytes]
"""From, to, and what stands there instead."""


class SourceText:
    """The text of one module, its tree, and what is around each node of it."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.tree = ast.parse(text)
        self._starts = [0]
        for line in text.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))
        self.parents: dict[ast.AST, ast.AST] = {}
        for parent in ast.walk(self.tree):
            self.parents.update((child, parent) for child in ast.iter_child_nodes(parent))

    def span(self, node: ast.stmt | ast.expr | ast.arg) -> tuple[int, int]:
        """Where `node` stands in the text."""
        end_line, end_column = node.end_lineno or node.lineno, node.end_col_offset or 0  # ast.parse gives both
        return self._starts[node.lineno - 1] + node.col_offset, self._starts[end_line - 1] + end_column

    def above(self, node: ast.AST) -> Iterator[ast.AST]:
        """`node` itself and all that it is part of."""
        around: ast.AST | None = node
        while around is not None:
            yield around
            around = self.parents.get(around)

    def inside(self, node: ast.AST, outer: Collection[ast.AST]) -> bool:
        """Whether `node` is one of `outer` or part of one."""
        return any(around in outer for around in self.above(node))

    def in_format(self, node: ast.AST) -> bool:
        """Whether `node` is part of an f-string, where positions are not exact."""
        return any(isinstance(around, ast.JoinedStr) for around in self.above(node))

    def blanked(self, start: int, end: int, instead: bytes = b"pass") -> bytes:
        """What may stand in place of a statement: `instead`, and as many lines as there were."""
        return instead + b"\n" * self.text[start:end].count(b"\n")

    def edited(self, edits: Iterable[Edit]) -> bytes:
        """The text with all `edits`, none of which may overlap."""
        text = self.text
        for start, end, new in sorted(edits, reverse=True):
            text = text[:start] + new + text[end:]
        return text


def smaller_import(node: ast.Import | ast.ImportFrom, left: list[ast.alias]) -> bytes:
    """The statement that imports only `left`."""
    if not left:
        return b"pass"
    if isinstance(node, ast.ImportFrom):
        return ast.unparse(ast.ImportFrom(node.module, left, node.level)).encode()
    return ast.unparse(ast.Import(left)).encode()


def bindings(tree: ast.AST) -> Iterator[str]:
    """Every binding of every name in any scope."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            yield from node.names
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from ((alias.asname or alias.name).partition(".")[0] for alias in node.names)
        elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
            yield node.name
        elif isinstance(node, ast.MatchMapping) and node.rest:
            yield node.rest
