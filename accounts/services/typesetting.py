"""Print: sanitised HTML as the paragraphs and tables of a PDF.

The letters are Bitstream Vera, which come with reportlab and may be embedded. They know the languages of western and
central Europe in part; whatever they have no shape for is written as its Unicode number, so that nothing is dropped or
shown as an empty box. Nothing here depends on the machine, on its fonts or on the moment: the same HTML gives the same
bytes.
"""

import re
import unicodedata
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from xml.sax.saxutils import escape

import reportlab
from reportlab.lib.colors import HexColor
from reportlab.lib.fonts import addMapping
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import CondPageBreak, Flowable, HRFlowable, Paragraph, Table, TableStyle

INK, RULE = HexColor("#1a1a1a"), HexColor("#b8b8b8")
FACES = (("Vera", 0, 0), ("VeraBd", 1, 0), ("VeraIt", 0, 1), ("VeraBI", 1, 1))
FOLDER = Path(reportlab.__file__).parent / "fonts"
# Deeper than this, lists stand no further to the right, or nothing would be left of the line.
INDENT, DEEPEST = 18, 8
# A table with more columns is set as lines of text: no letter would fit into one.
COLUMNS = 8
# A heading begins the next page when less than this is left of one.
ROOM = 60
HEADINGS = {"h2": 13, "h3": 11, "h4": 10, "h5": 9.5, "h6": 9.5}
WITHIN_LINES = {"abbr", "br", "code", "span"}
INLINE = {"b": "b", "strong": "b", "i": "i", "em": "i"}


def _register_faces() -> set[int]:
    """The faces, known to reportlab; the characters that all of them can show."""
    known: set[int] | None = None
    for name, bold, italic in FACES:
        font = TTFont(name, str(FOLDER / f"{name}.ttf"))
        pdfmetrics.registerFont(font)
        addMapping("Vera", bold, italic, name)
        glyphs = {code for code in font.face.charToGlyph if unicodedata.category(chr(code)) not in ("Cc", "Cf", "Cn")}
        known = glyphs if known is None else known & glyphs
    return known or set()


SHOWN = _register_faces()
BODY = ParagraphStyle("body", fontName="Vera", fontSize=9.5, leading=14, textColor=INK, bulletFontName="Vera")
BODY.spaceAfter, BODY.bulletFontSize = 5, 9.5
SMALL = ParagraphStyle("small", BODY, fontSize=8, leading=11.5, spaceAfter=0)


def printable(text: str) -> str:
    """The text on one line, with the Unicode numbers of what the faces cannot show: [U+5C71 U+7530]."""
    composed = unicodedata.normalize("NFC", re.sub(r"[ \t\r\n]+", " ", text))
    return re.sub(UNSHOWN, lambda run: f"[{' '.join(f'U+{ord(sign):04X}' for sign in run[0])}]", composed)


UNSHOWN = re.compile(f"[^{re.escape(''.join(map(chr, sorted(SHOWN))))}]+")


def is_shown(text: str) -> bool:
    return UNSHOWN.search(unicodedata.normalize("NFC", re.sub(r"[ \t\r\n]+", " ", text))) is None


def paragraph(text: str, style: ParagraphStyle = BODY) -> Paragraph:
    """Plain text as a paragraph."""
    return Paragraph(escape(printable(text)), style)


def heading(text: str, tag: str = "h2") -> Paragraph:
    return Paragraph(escape(printable(text)), heading_style(tag))


def heading_style(tag: str) -> ParagraphStyle:
    size = HEADINGS[tag]
    return ParagraphStyle(tag, BODY, fontName="VeraBd", fontSize=size, leading=size * 1.35, spaceBefore=size * 0.8)


def table(rows: Sequence[Sequence[Flowable]], widths: Sequence[float], *, head: bool = False) -> Table:
    """A table that goes on over pages, also inside of a row."""
    rules = TableStyle(
        [
            ("FONTNAME", (0, 0), (-1, -1), "Vera"),
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("LINEBELOW", (0, 0), (-1, -1), 0.4, RULE),
            ("LEFTPADDING", (0, 0), (-1, -1), 0),
            ("TOPPADDING", (0, 0), (-1, -1), 3),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 4),
        ]
    )
    repeated = 1 if head and len(rows) > 1 else 0
    return Table(
        rows, widths, style=rules, repeatRows=repeated, splitInRow=1, hAlign="LEFT", spaceBefore=4, spaceAfter=10
    )


class Setter(HTMLParser):
    """Reads what accounts.services.rendering has made and sets it, block by block."""

    def __init__(self, width: float) -> None:
        super().__init__(convert_charrefs=True)
        self.width = width
        self.flow: list[Flowable] = []
        self._markup: list[str] = []
        self._links: list[str] = []
        # For each list around us, the number of its next entry; None where entries have none.
        self._lists: list[int | None] = []
        self._quotes = 0
        self._bullet = ""
        self._verbatim = False
        self._heading = ""
        self._rows: list[list[str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in INLINE:
            self._markup.append(f"<{INLINE[tag]}>")
        elif tag == "a":
            self._links.append(dict(attrs).get("href") or "")
            self._markup.append("<u>")
        elif tag == "br":
            self._markup.append("<br/>")
        elif tag not in WITHIN_LINES:
            self._open_block(tag, dict(attrs))

    def _open_block(self, tag: str, attributes: dict[str, str | None]) -> None:
        if tag in ("td", "th"):
            self._markup = []
            return
        self._set()
        if tag in ("ol", "ul"):
            self._lists.append(int(attributes.get("start") or 1) if tag == "ol" else None)
        elif tag == "li":
            self._number_entry()
        elif tag == "blockquote":
            self._quotes += 1
        elif tag == "tr":
            self._rows.append([])
        elif tag == "hr":
            self.flow.append(HRFlowable(width="100%", thickness=0.4, color=RULE, spaceBefore=6, spaceAfter=8))
        self._verbatim = tag == "pre"
        self._heading = tag if tag in HEADINGS else self._heading

    def _number_entry(self) -> None:
        number = self._lists[-1] if self._lists else None
        self._bullet = "•" if number is None else f"{number}."
        if number is not None:
            self._lists[-1] = number + 1

    def handle_endtag(self, tag: str) -> None:
        if tag in INLINE:
            self._markup.append(f"</{INLINE[tag]}>")
        elif tag == "a":
            self._close_link()
        elif tag == "span":
            # The number of a clause, which stands apart from its title.
            self._markup.append("\u00a0\u00a0")
        elif tag in ("td", "th"):
            self._rows[-1].append("".join(self._markup).strip())
            self._markup = []
        elif tag == "table":
            self._set_table()
        elif tag not in WITHIN_LINES:
            self._close_block(tag)

    def _close_link(self) -> None:
        self._markup.append("</u>")
        address = escape(printable(self._links.pop()))
        if address and address not in "".join(self._markup):
            self._markup.append(f" ({address})")

    def _close_block(self, tag: str) -> None:
        self._set()
        if tag in ("ol", "ul") and self._lists:
            self._lists.pop()
        elif tag == "li":
            self._bullet = ""
        elif tag == "blockquote":
            self._quotes -= 1
        elif tag == "pre":
            self._verbatim = False
        elif tag in HEADINGS:
            self._heading = ""

    def handle_data(self, data: str) -> None:
        if self._verbatim:
            for number, line in enumerate(data.splitlines()):
                self._markup.append("<br/>" if number else "")
                self._markup.append(escape(printable(line.expandtabs(4).replace(" ", "\u00a0"))))
        else:
            self._markup.append(escape(printable(data)))

    @property
    def _indent(self) -> int:
        return INDENT * min(len(self._lists) + self._quotes, DEEPEST)

    def _set(self) -> None:
        """What was read since the last block, as a paragraph."""
        markup, self._markup = "".join(self._markup).strip(), []
        if not markup:
            return
        style = heading_style(self._heading) if self._heading else BODY
        placed = ParagraphStyle("placed", style, leftIndent=self._indent, bulletIndent=max(self._indent - INDENT, 0))
        if self._heading:
            # Not by keepWithNext, with which a heading that is longer than a page is tried for ever.
            self.flow.append(CondPageBreak(ROOM))
        self.flow.append(Paragraph(markup, placed, bulletText=self._bullet or None))
        self._bullet = ""

    def _set_table(self) -> None:
        rows, self._rows = [row for row in self._rows if row], []
        columns = max((len(row) for row in rows), default=0)
        if columns > COLUMNS:
            self.flow += [Paragraph(" | ".join(row), SMALL) for row in rows]
        elif columns:
            # Wide columns for long texts, but a readable one for short ones.
            longest = [max(min(max(len(row[place]) for row in rows), 60), 8) for place in range(columns)]
            widths = [self.width * length / sum(longest) for length in longest]
            cells = [[Paragraph(f"<b>{cell}</b>" if not place else cell, SMALL) for cell in row]
                     for place, row in enumerate(rows)]  # fmt: skip
            self.flow.append(table(cells, widths, head=True))


def set_html(html: str, *, width: float) -> list[Flowable]:
    setter = Setter(width)
    setter.feed(html)
    setter.close()
    setter._set()
    return setter.flow
