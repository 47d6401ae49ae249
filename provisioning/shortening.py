"""Names of parameters, shortened before the compiler.

A compiled function carries the names of its parameters, because it might be called with keywords; its other local
names it does not. Where no call of the whole program names a parameter so, the name serves people only. Those are
replaced by a few short ones that all functions share: `_1`, `_2`, by position.

Left as they are: `self` and `cls` (every interpreter has them in ROM); parameters of any function when the name is
used as a keyword anywhere; all of them when a call spreads a dictionary (`**`), unless its keys are known; keyword-only
ones; and functions in which the name has any other meaning or stands in an f-string.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping

from provisioning.source_text import Edit, SourceText, bindings

_KNOWN_ANYWHERE = ("self", "cls")
_Function = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def shorten(program: Mapping[str, bytes], keywords: Collection[str] | None = None) -> dict[str, bytes]:
    """Module name -> its text with short parameters.

    `keywords`: names by which callers outside the program, or its own calls with `**`, may pass arguments.
    """
    texts = {name: SourceText(text) for name, text in program.items()}
    named = {node.arg for text in texts.values() for node in ast.walk(text.tree) if isinstance(node, ast.keyword)}
    if None in named and keywords is None:  # f(**options): any name may be meant
        return dict(program)
    kept = {*_KNOWN_ANYWHERE, *named, *(keywords or ())}
    return {name: text.edited(_edits(text, kept)) for name, text in texts.items()}


def _edits(text: SourceText, kept: set[str | None]) -> list[Edit]:
    edits: list[Edit] = []
    for function in ast.walk(text.tree):
        if not isinstance(function, _Function):
            continue
        names = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)} | set(bindings(function))
        for place, parameter in enumerate((*function.args.posonlyargs, *function.args.args)):
            short = f"_{place}"
            if parameter.arg in kept or short in names or len(short) >= len(parameter.arg):
                continue
            uses = [node for node in ast.walk(function) if isinstance(node, ast.Name) and node.id == parameter.arg]
            if _elsewhere(function, parameter.arg) or any(text.in_format(use) for use in uses):
                continue
            edits.append((*text.span(parameter), short.encode()))
            edits.extend((*text.span(use), short.encode()) for use in uses)
    return edits


def _elsewhere(function: ast.AST, name: str) -> bool:
    """Whether `name` means something else too: a parameter, function or class inside, or an outer variable.

    Defaults and decorators are outside of the function's scope, so a use there is another variable as well.
    """
    assert isinstance(function, _Function)  # noqa: S101
    outside: list[ast.AST] = [*function.args.defaults, *(each for each in function.args.kw_defaults if each)]
    if not isinstance(function, ast.Lambda):
        outside += function.decorator_list
    if any(isinstance(node, ast.Name) and node.id == name for part in outside for node in ast.walk(part)):
        return True
    body = function.body if isinstance(function.body, list) else [function.body]
    return any(
        isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.Global, ast.Nonlocal))
        or (isinstance(node, (ast.Import, ast.ImportFrom, ast.ExceptHandler)) and name in set(bindings(node)))
        or (isinstance(node, ast.comprehension) and name in set(bindings(node.target)))
        for part in body
        for node in ast.walk(part)
    )
