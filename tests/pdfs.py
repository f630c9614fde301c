"""What a reader sees of a PDF that reportlab made: the words of each page, by way of the fonts' own tables."""

import base64
import re
import zlib

OBJECT = re.compile(rb"(\d+) 0 obj\s(.*?)endobj", re.DOTALL)
SHOWN = re.compile(rb"/(F\d+\+\d+) [\d.]+ Tf|\(((?:[^()\\]|\\.)*)\) Tj|(T\*|ET\b)", re.DOTALL)


def pages_of(pdf: bytes) -> list[str]:
    """The text of each page, with one blank where a line ends."""
    objects = {int(number): body for number, body in OBJECT.findall(pdf)}
    fonts = {name: _letters(objects, int(place)) for name, place in re.findall(rb"/(F\d+\+\d+) (\d+) 0 R", pdf)}
    contents = [int(place) for place in re.findall(rb"/Contents (\d+) 0 R", pdf)]
    return [" ".join(_text(_stream(objects[place]), fonts).split()) for place in contents]


def text_of(pdf: bytes) -> str:
    return " ".join(pages_of(pdf))


def _stream(body: bytes) -> bytes:
    head, _, rest = body.partition(b"stream\n")
    length = re.search(rb"/Length (\d+)", head)
    assert length
    content = rest[: int(length[1])]
    if b"/ASCII85Decode" in body:
        content = base64.a85decode(content.strip().removesuffix(b"~>"))
    return zlib.decompress(content)


def _letters(objects: dict[int, bytes], place: int) -> dict[int, str]:
    found = re.search(rb"/ToUnicode (\d+) 0 R", objects[place])
    assert found, "A font without a table of its letters cannot be searched or copied from."
    table = _stream(objects[int(found[1])]).partition(b"beginbfchar")[2]
    rows = re.findall(rb"<(\w+)> <(\w+)>", table)
    return {int(code, 16): bytes.fromhex(letter.decode()).decode("utf-16-be") for code, letter in rows}


def _text(content: bytes, fonts: dict[bytes, dict[int, str]]) -> str:
    said, letters = [], {}
    for font, shown, line_end in SHOWN.findall(content):
        if font:
            letters = fonts[font]
        elif line_end:
            said.append(" ")
        else:
            said.append("".join(letters[code] for code in _unescaped(shown)))
    return "".join(said)


def _unescaped(text: bytes) -> bytes:
    signs = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}
    return re.sub(
        rb"\\([0-7]{1,3}|.)",
        lambda found: bytes([int(found[1], 8)]) if found[1].isdigit() else signs.get(found[1], found[1]),
        text,
        flags=re.DOTALL,
    )
