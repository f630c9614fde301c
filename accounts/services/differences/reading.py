"""The text of an agreement as a sequence of clauses and, in each, of paragraphs, list items and table rows."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from markdown_it.token import Token

from accounts.services.rendering import READER, number_clauses

# A number that somebody wrote before a heading. It changes when another clause comes or goes, and says nothing more.
BY_HAND = re.compile(r"(?:§\s*|(?:article|section|clause)\s+)?\d+(?:\.\d+)*\s*[.):–-]?\s+", re.IGNORECASE)
# No agreement has so many; one that does is compared as plain paragraphs, because reading Markdown takes its time.
MOST_LINES = 10_000


@dataclass(frozen=True)
class Block:
    """The smallest part that is shown as one: a paragraph, a heading inside a clause, a list item, a row of a table."""

    shape: str
    """paragraph, heading, quote, code, item or row."""
    cells: tuple[str, ...]
    """Its words without markup; a row has several."""
    marker: str = ""
    """The number of an item in a numbered list."""
    depth: int = 0
    is_head: bool = False

    @property
    def key(self) -> tuple[str, ...]:
        """What must be equal for a block to be the same: neither the number of an item nor that of a heading."""
        return (without_number(self.cells[0]).casefold(),) if self.shape == "heading" else self.cells


@dataclass(frozen=True)
class Clause:
    number: str
    title: str
    """Without its number; empty for what stands before the first clause."""
    anchor: str = ""
    blocks: tuple[Block, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.number} {self.title}".strip() or "What stands before the first clause"

    @property
    def key(self) -> str:
        return without_number(self.title).casefold()

    @property
    def content(self) -> tuple[tuple[str, ...], ...]:
        return tuple(block.key for block in self.blocks)


def without_number(title: str) -> str:
    return title[len(number_of(title)) :].strip()


def number_of(title: str) -> str:
    """What a heading begins with by hand, with its blanks."""
    found = BY_HAND.match(title)
    return found[0] if found and found.end() < len(title) else ""


def clauses_of(text: str) -> list[Clause]:
    """The clauses as rendering numbers them; before them, always, what stands before the first."""
    if text.count("\n") > MOST_LINES:
        parts = (" ".join(part.split()) for part in text.split("\n\n"))
        return [Clause("", "", "", tuple(Block("paragraph", (part,)) for part in parts if part))]
    tokens = READER.parse(text)
    known = {clause.anchor: clause for clause in number_clauses(tokens)}
    found: list[tuple[str, list[Token]]] = [("", [])]
    for token in tokens:
        anchor = str(token.attrGet("id") or "") if token.type == "heading_open" else ""
        if anchor in known:
            found.append((anchor, []))
        found[-1][1].append(token)
    clauses = [Clause("", "", "", tuple(_blocks(found[0][1])))]
    for anchor, part in found[1:]:
        shown = known[anchor]
        # What rendering does not number has its number before the title.
        written = "" if shown.number else number_of(shown.title)
        title = shown.title[len(written) :].strip()
        # The heading itself is open, inline, close.
        clauses.append(Clause(shown.number or written.strip(), title, anchor, tuple(_blocks(part[3:]))))
    return clauses


def in_words(text: str) -> list[Block]:
    """Any Markdown as blocks of words, for mails, where neither markup nor links have a place."""
    return list(_blocks(READER.parse(text), with_addresses=False))


@dataclass
class _Around:
    """What stands around the token that is read."""

    shapes: list[str] = field(default_factory=list)
    markers: list[str] = field(default_factory=list)
    """One for each list item around; empty once it stands before a paragraph."""
    cells: list[str] = field(default_factory=list)
    is_head: bool = False

    def enter(self, token: Token) -> None:
        if token.type == "list_item_open":
            self.markers.append(f"{token.info}{token.markup}" if token.info else "")
        elif token.type in {"thead_open", "tbody_open"}:
            self.is_head = token.type == "thead_open"
        elif token.type == "tr_open":
            self.cells = []
        elif token.type in {"heading_open", "blockquote_open"}:
            self.shapes.append("heading" if token.type == "heading_open" else "quote")

    def leave(self, token: Token) -> None:
        if token.type == "list_item_close":
            self.markers.pop()
        elif token.type in {"heading_close", "blockquote_close"}:
            self.shapes.pop()

    def block(self, words: str, shape: str = "") -> Block:
        depth = len(self.markers)
        shape = shape or (self.shapes[-1] if self.shapes else "item" if depth else "paragraph")
        marker = ""
        if depth:
            marker, self.markers[-1] = self.markers[-1], ""
        return Block(shape, (words,), marker, depth)


def _blocks(tokens: Sequence[Token], *, with_addresses: bool = True) -> Iterator[Block]:
    around = _Around()
    in_row = False
    for token in tokens:
        if token.type == "tr_close":
            in_row = False
            yield Block("row", tuple(around.cells), is_head=around.is_head)
        elif token.type in {"fence", "code_block"}:
            yield around.block(token.content.rstrip(), "code")
        elif token.type == "inline" and in_row:
            around.cells.append(_words(token, with_addresses))
        elif token.type == "inline":
            if words := _words(token, with_addresses):
                yield around.block(words)
        elif token.nesting == 1:
            in_row = in_row or token.type == "tr_open"
            around.enter(token)
        elif token.nesting == -1:
            around.leave(token)


def _words(inline: Token, with_addresses: bool) -> str:
    """What is read, and where links lead: another address under the same words is another text."""
    parts: list[str] = []
    begun: list[tuple[str, int]] = []
    for token in inline.children or []:
        if token.type in {"softbreak", "hardbreak"}:
            parts.append(" ")
        elif token.type == "link_open":
            begun.append((str(token.attrGet("href") or ""), len(parts)))
        elif token.type == "link_close" and begun:
            address, since = begun.pop()
            if with_addresses and address.removeprefix("mailto:") != "".join(parts[since:]):
                parts.append(f" ({address})")
        elif token.type in {"text", "text_special", "code_inline"}:
            parts.append(token.content)
    return " ".join("".join(parts).split())
