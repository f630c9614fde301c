"""Agreements as they are shown: Markdown to sanitised HTML with numbered clauses."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token

from accounts.models import AgreementVersion

TAGS = {
    *("a", "abbr", "b", "blockquote", "br", "code", "em", "h2", "h3", "h4", "h5", "h6", "hr", "i", "li", "ol", "p"),
    *("pre", "span", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul"),
}
ATTRIBUTES = {"a": {"href", "title"}, "h2": {"id"}, "ol": {"start"}}
SCHEMES = {"http", "https", "mailto"}
READER = MarkdownIt("commonmark", {"html": False}).enable("table")


@dataclass(frozen=True)
class Clause:
    anchor: str
    number: str
    title: str


@dataclass(frozen=True)
class Rendered:
    """The HTML that is shown, its SHA-256, and its clauses for a table of contents."""

    html: str
    sha256: str
    clauses: tuple[Clause, ...]


def rendered(version: AgreementVersion) -> Rendered:
    """The same text gives the same bytes, so that a signature can name what was shown."""
    return render(version.text)


# The key is the whole text rather than its hash: a draft's hash is as old as its last save.
@lru_cache(maxsize=64)
def render(text: str) -> Rendered:
    tokens = READER.parse(text)
    clauses = tuple(number_clauses(tokens))
    raw = READER.renderer.render(tokens, READER.options, {})
    html = nh3.clean(raw, tags=TAGS, attributes=ATTRIBUTES, url_schemes=SCHEMES, link_rel="noopener noreferrer")
    return Rendered(html=html, sha256=hashlib.sha256(html.encode()).hexdigest(), clauses=clauses)


def number_clauses(tokens: Sequence[Token]) -> list[Clause]:
    """Turn the headings of the two upper levels into clauses. A first heading of level 1 is the title, no clause.

    The page itself has the one h1, so level 1 becomes h2. Who numbers the headings by hand is not numbered again.
    """
    clauses: list[Clause] = []
    for place, token in enumerate(tokens):
        if token.type not in {"heading_open", "heading_close"} or token.tag not in {"h1", "h2"}:
            continue
        is_title = place in {0, 2} and token.tag == "h1"
        token.tag = "h2"
        if token.type == "heading_close" or token.level > 0 or is_title:
            continue
        clauses.append(_clause(tokens[place + 1], len(clauses) + 1))
        token.attrSet("id", clauses[-1].anchor)
    return clauses


def _clause(heading: Token, count: int) -> Clause:
    title = "".join(" " if part.type == "softbreak" else part.content for part in heading.children or []).strip()
    number = "" if title[:1].isdigit() else str(count)
    if number and heading.children is not None:
        label = Token("text", "", 0, content=number)
        heading.children[:0] = [Token("span_open", "span", 1), label, Token("span_close", "span", -1)]
    return Clause(anchor=f"c{count}", number=number, title=title)
