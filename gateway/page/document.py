"""The page around the sections. Pure.

Every section is whole without the script. What the script may replace is marked with `data-part`; headings, links and
buttons are outside of it, so that the keyboard's place is never lost.
"""

from __future__ import annotations

import zlib
from typing import Literal

from gateway.page import sections, traffic
from gateway.page.look import Picture
from gateway.page.markup import Content, Markup, element
from gateway.page.words import Words, languages

_SECTIONS = (
    ("figures", sections.figures),
    ("destinations", sections.destinations),
    ("buffer", sections.buffer),
    ("frames", traffic.live),
    ("nodes", traffic.nodes),
    ("downlinks", traffic.downlinks),
    ("airtime", sections.airtime),
    ("concentrators", sections.concentrators),
    ("refusals", sections.refusals),
)


def page(picture: Picture, words: Words) -> str:
    """The whole page."""
    names = ", ".join(one.gateway_id for one in picture.concentrators)
    body = (
        element("a", words["skip"], href="#state", class_="skip"),
        element(
            "header",
            element("div", _logo(), element("h1", "Spatz ", words["title"]), class_="brand"),
            element("p", element("code", names), class_="names") if names else "",
            element("nav", _switch(words), class_="languages", aria_label=words["language"]),
            # Without the script there is nothing to pause, but something to ask for.
            element("button", words["pause"], type="button", id="pause", hidden=True, data_resume=words["resume"]),
            element("noscript", element("a", words["again"], href=f"?lang={words.language}", class_="again")),
        ),
        element(
            "main",
            element(
                "p", id="message", role="status", hidden=True, data_gone=words["gone"], data_paused=words["paused"]
            ),
            _part("headline", sections.headline(picture, words), role="status"),
            element("nav", [_jump(name, words) for name, _ in _SECTIONS[1:]], class_="jump", aria_label=words["jump"]),
            [_section(name, words, draw(picture, words)) for name, draw in _SECTIONS],
            id="state",
            tabindex="-1",
        ),
        element("footer", sections.foot(picture, words)),
    )
    head = (
        Markup('<meta charset="utf-8">'),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"Spatz {words['title']}"),
        element("link", rel="icon", href="icon.svg", type="image/svg+xml"),
        element("link", rel="stylesheet", href="page.css"),
        element("script", src="page.js", defer=True),
    )
    return f"<!doctype html>\n{element('html', element('head', *head), element('body', *body), lang=words.language)}\n"


def _section(name: str, words: Words, content: Content) -> Markup:
    return element(
        "section",
        element("h2", words[name], id=f"h-{name}"),
        _part(name, content),
        aria_labelledby=f"h-{name}",
        class_=f"part-{name}",
    )


def _part(name: str, content: Content, role: str | None = None) -> Markup:
    inner = element("div", content, class_="part").text
    # The script compares this, not the text: cheap, and the same for everybody.
    mark = f"{zlib.crc32(inner.encode()):08x}"
    return element("div", content, class_="part", data_part=name, data_mark=mark, role=role)


def _jump(name: str, words: Words) -> Markup:
    return element("a", words[name], href=f"#h-{name}")


def _switch(words: Words) -> Content:
    links = []
    for language, name in languages().items():
        current: Literal["true"] | None = "true" if language == words.language else None
        links.append(
            element("a", name, href=f"?lang={language}", lang=language, hreflang=language, aria_current=current)
        )
    return links


def _logo() -> Markup:
    """A sparrow, roughly."""
    return Markup(
        '<svg class="logo" viewBox="0 0 32 32" aria-hidden="true"><path d="M6 19c0-6 5-10 10-10 4 0 6 2 6.6 4.2L28 15l'
        '-5 1.6C22.6 22 18 25 13 25H4l4-2.4C6.7 21.6 6 20.4 6 19z"/><circle cx="19" cy="13.2" r="1.2"/></svg>'
    )
