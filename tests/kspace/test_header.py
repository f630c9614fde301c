"""The XML header: what is read of it, and what it may not do."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets.kspace.errors import HeaderError, KSpaceError, UnsafeFileError
from datasets.kspace.header import Header
from tests.kspace.volumes import header

GOOD = header(640, 368, (320, 320), centre=180, maximum=359)


def around(body: str) -> bytes:
    return f'<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD">{body}</ismrmrdHeader>'.encode()


@pytest.mark.parametrize("text", [GOOD, GOOD.decode(), GOOD + b"\0\0", GOOD.decode().replace("utf-8", "utf-16")])
def test_matrices_limits_and_what_was_set(text: bytes | str) -> None:
    found = Header.parse(text)
    assert (found.encoded, found.recon) == ((640, 368, 1), (320, 320, 1))
    assert (found.centre, found.maximum, found.acquired(368)) == (180, 359, (4, 364))
    assert (found.trajectory, found.field_strength, found.slice_mm) == ("cartesian", 2.8936, 5)
    assert (found.repetition_ms, found.echo_ms, found.inversion_ms, found.flip_degrees) == (2800, 27.5, 100, 140)


@pytest.mark.parametrize(
    "text",
    [
        GOOD.replace(b' xmlns="http://www.ismrm.org/ISMRMRD"', b""),
        GOOD.replace(b"<", b"<m:").replace(b"<m:/", b"</m:").replace(b"<m:?", b"<?").replace(b"xmlns=", b"xmlns:m="),
        GOOD.decode().replace("utf-8", "utf-16").encode("utf-16"),
    ],
    ids=["no namespace", "a prefix", "UTF-16"],
)
def test_namespaces_and_encodings_change_nothing(text: bytes) -> None:
    assert Header.parse(text) == Header.parse(GOOD)


def test_first_of_several_encodings_counts_and_lends_nothing_from_the_others() -> None:
    space = "<encodedSpace><matrixSize><x>{0}</x><y>{0}</y></matrixSize></encodedSpace>"
    second = "<encoding>" + space.format(9) + "<trajectory>spiral</trajectory></encoding>"
    found = Header.parse(around("<encoding>" + space.format(64) + "</encoding>" + second))
    assert (found.encoded, found.trajectory) == ((64, 64, 1), "")


def test_unknown_is_none() -> None:
    assert Header.parse(around("")) == Header()
    assert Header().acquired(368) is None


def test_protocol_is_one_line_that_can_be_printed() -> None:
    name = "<protocolName>T2\n\taxial\u00ad\u202e </protocolName>"
    assert Header.parse(around(f"<measurementInformation>{name}</measurementInformation>")).protocol == "T2 axial"


@pytest.mark.parametrize("text", ["0", "unknown", "nan", "inf", "-3", "1e999", "1e300", ""])
def test_what_was_set_is_unknown_where_the_converter_did_not_know(text: str) -> None:
    found = Header.parse(around(f"<sequenceParameters><TR>{text}</TR></sequenceParameters>"))
    assert found.repetition_ms is None


@pytest.mark.parametrize(("centre", "maximum", "phase"), [(300, 10, 368), (184, 400, 368), (10, 359, 368)])
def test_limits_outside_of_the_columns_are_unknown(centre: int, maximum: int, phase: int) -> None:
    assert Header.parse(header(640, 368, (320, 320), centre=centre, maximum=maximum)).acquired(phase) is None


@pytest.mark.parametrize("x", ["0", "-320", "3.5", "many", "99999999", "9" * 5000, "३२०", "1e2"])
def test_matrix_that_cannot_be_is_an_error(x: str) -> None:
    body = f"<encoding><reconSpace><matrixSize><x>{x}</x><y>320</y></matrixSize></reconSpace></encoding>"
    with pytest.raises(HeaderError, match="matrixSize/x"):
        Header.parse(around(body))


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a0 "ha">'
    + "".join(f'<!ENTITY a{n + 1} "{f"&a{n};" * 10}">' for n in range(12))
    + "]><ismrmrdHeader>&a12;</ismrmrdHeader>"
)
EXTERNAL = '<!DOCTYPE b [<!ENTITY x SYSTEM "file:///etc/hostname">]><ismrmrdHeader>&x;</ismrmrdHeader>'
OUTSIDE = '<!DOCTYPE b SYSTEM "http://127.0.0.1/b.dtd"><ismrmrdHeader/>'
PARAMETER = '<!DOCTYPE b [<!ENTITY % p SYSTEM "http://127.0.0.1/p.dtd"> %p;]><ismrmrdHeader/>'


@pytest.mark.parametrize("text", [BOMB, EXTERNAL, OUTSIDE, PARAMETER])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_document_types_and_entities_are_refused_in_any_encoding(text: str, encoding: str) -> None:
    with pytest.raises(UnsafeFileError, match="document type"):
        Header.parse(text.encode(encoding))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"no XML",
        b"<html><body>Sign in</body></html>",
        GOOD[:300],
        b"<a>" * 100_000,
        around("<b>" * 50 + "</b>" * 50),
        around("x" * (1 << 20)),
        around("&nothing;"),
        around("\x01"),
        b'<?xml version="1.0" encoding="klingon"?><ismrmrdHeader/>',
        b'<?xml version="1.0" encoding="shift_jis"?><ismrmrdHeader/>',
        b"\xff\xfe\x00",
        "\udcff",
    ],
    ids=lambda text: repr(text[:24]),
)
def test_header_that_cannot_be_read_says_so_in_a_sentence(text: bytes | str) -> None:
    with pytest.raises(HeaderError, match=r"^The XML header .*\.$"):
        Header.parse(text)


@given(st.binary() | st.text())
def test_any_bytes_are_a_header_or_one_of_our_errors(text: bytes | str) -> None:
    with pytest.raises(KSpaceError):
        Header.parse(text)


@given(st.integers(0, len(GOOD) - 1), st.binary(max_size=12), st.integers(0, 12))
def test_any_change_of_a_good_header_gives_a_header_or_one_of_our_errors(at: int, new: bytes, drop: int) -> None:
    changed = GOOD[:at] + new + GOOD[at + drop :]
    with suppress(KSpaceError):
        assert isinstance(Header.parse(changed), Header)
