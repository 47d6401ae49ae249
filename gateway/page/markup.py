"""HTML as values: text is always escaped, markup is only what was made here.

>>> str(element("td", "a < b", class_="name"))
'<td class="name">a &lt; b</td>'
"""

from __future__ import annotations

import html
from collections.abc import Iterable

# Elements without an end tag (HTML Living Standard, section 13.1.2).
_VOID = frozenset(("meta", "link", "br"))


class Markup:
    """A finished piece of HTML."""

    __slots__ = ("text",)

    def __init__(self, trusted: str) -> None:
        self.text = trusted

    def __str__(self) -> str:
        return self.text


Content = str | Markup | Iterable["Content"]


def join(content: Content) -> str:
    """The HTML of a text (escaped), of markup (as it is), or of several of both."""
    if isinstance(content, Markup):
        return content.text
    if isinstance(content, str):
        return html.escape(_visible(content))
    return "".join(join(one) for one in content)


def element(tag: str, *content: Content, **attributes: str | bool | None) -> Markup:
    """One element. An attribute is left out if it is None or False; `class_` and `data_key` become class, data-key."""
    pairs = []
    for name, value in attributes.items():
        if value is None or value is False:
            continue
        written = name.rstrip("_").replace("_", "-")
        pairs.append(f" {written}" if value is True else f' {written}="{html.escape(_visible(value))}"')
    begin = f"<{tag}{''.join(pairs)}>"
    return Markup(begin if tag in _VOID else f"{begin}{join(content)}</{tag}>")


def _visible(text: str) -> str:
    """The text without control characters and without those that turn the direction of writing round."""
    if text.isprintable():
        return text
    return "".join(
        sign if sign.isprintable() or sign == "\N{NO-BREAK SPACE}" else "\N{REPLACEMENT CHARACTER}" for sign in text
    )
