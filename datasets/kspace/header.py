"""The ISMRMRD header: XML that scanners' converters write, read with expat and without anything that reaches outside.

No document type, hence no entities; no more than a MiB, 40 elements deep. Expat itself sees these, in whatever
encoding the text is, so that nothing can be hidden from a search for words.
"""

from dataclasses import dataclass
from typing import Self
from xml.parsers import expat

from datasets.kspace.errors import HeaderError, KSpaceError, UnsafeFileError
from datasets.kspace.report import LONGEST_AXIS
from datasets.kspace.wording import one_line

LONGEST = 1 << 20
DEEPEST = 40
LONGEST_VALUE = 200
LARGEST_MEASURE = 1e9
Matrix = tuple[int, int, int]


@dataclass(frozen=True)
class Header:
    """What a picture and its facts need. Unknown is None. Times in ms, lengths in mm."""

    encoded: Matrix | None = None
    recon: Matrix | None = None
    centre: int | None = None
    """the phase-encoding step at the middle of k-space"""
    maximum: int | None = None
    """the last phase-encoding step that was acquired; the first is 0"""
    trajectory: str = ""
    protocol: str = ""
    field_strength: float | None = None
    slice_mm: float | None = None
    repetition_ms: float | None = None
    echo_ms: float | None = None
    inversion_ms: float | None = None
    flip_degrees: float | None = None

    def acquired(self, phase: int) -> tuple[int, int] | None:
        """Phase columns that were acquired, from and to (exclusive); those around them are padded with zeros."""
        if self.encoded is None or self.centre is None or self.maximum is None:
            return None
        first = self.encoded[1] // 2 - self.centre
        last = first + self.maximum + 1
        return (first, last) if 0 <= first < last <= phase else None

    @classmethod
    def parse(cls, text: bytes | str) -> Self:
        """Raises HeaderError for what cannot be read, UnsafeFileError for what a header has no need of."""
        values = _Elements.of(text)
        limits = "encoding/encodingLimits/kspace_encoding_step_1"
        return cls(
            encoded=_matrix(values, "encoding/encodedSpace/matrixSize"),
            recon=_matrix(values, "encoding/reconSpace/matrixSize"),
            centre=_count(values, f"{limits}/center", least=0),
            maximum=_count(values, f"{limits}/maximum", least=0),
            trajectory=values.get("encoding/trajectory", ""),
            protocol=one_line(values.get("measurementInformation/protocolName", "")),
            field_strength=_measure(values, "acquisitionSystemInformation/systemFieldStrength_T"),
            slice_mm=_measure(values, "encoding/reconSpace/fieldOfView_mm/z"),
            repetition_ms=_measure(values, "sequenceParameters/TR"),
            echo_ms=_measure(values, "sequenceParameters/TE"),
            inversion_ms=_measure(values, "sequenceParameters/TI"),
            flip_degrees=_measure(values, "sequenceParameters/flipAngle_deg"),
        )


class _Elements:
    """Collects the text of elements by their paths below the root, without namespaces: the first of each path, and
    of several encodings only the first."""

    def __init__(self, parser: expat.XMLParserType) -> None:
        self.parser = parser
        self.path: list[str] = []
        self.text: list[str] = []
        self.values: dict[str, str] = {}
        self.encodings = 0
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self.doctype
        parser.StartElementHandler = self.start
        parser.EndElementHandler = self.end
        parser.CharacterDataHandler = self.text.append

    @classmethod
    def of(cls, text: bytes | str) -> dict[str, str]:
        # A str has been decoded already, whatever encoding it names.
        raw, encoding = (text, None) if isinstance(text, bytes) else (text.encode("utf-8", "replace"), "utf-8")
        # HDF5 fills up fixed lengths with zeros; in UTF-16 they are halves of letters.
        raw = raw if b"\0" in raw[:4] else raw.rstrip(b"\0")
        if len(raw) > LONGEST:
            raise HeaderError(f"The XML header has {len(raw):,} bytes; at most {LONGEST:,} are read.")
        elements = cls(expat.ParserCreate(encoding, namespace_separator=" "))
        try:
            elements.parser.Parse(raw, True)
        except KSpaceError:
            raise
        except (expat.ExpatError, LookupError, ValueError) as error:
            raise HeaderError(f"The XML header cannot be read: {error}.") from error
        return elements.values

    def doctype(self, *declaration: object) -> None:
        raise UnsafeFileError("The XML header declares a document type, which could name entities or other files.")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.path.append(name.rpartition(" ")[2])
        if len(self.path) > DEEPEST:
            raise HeaderError(f"The XML header is nested more than {DEEPEST} elements deep.")
        if len(self.path) == 1 and self.path[0] != "ismrmrdHeader":
            raise HeaderError(f"The XML header is a {self.path[0][:LONGEST_VALUE]}, not an ismrmrdHeader.")
        self.encodings += self.path[1:] == ["encoding"]
        self.text.clear()

    def end(self, name: str) -> None:
        path = "/".join(self.path[1:])
        if not (self.path[1:2] == ["encoding"] and self.encodings > 1):
            self.values.setdefault(path, "".join(self.text).strip()[:LONGEST_VALUE])
        self.text.clear()
        self.path.pop()


def _matrix(values: dict[str, str], path: str) -> Matrix | None:
    x, y, z = (_count(values, f"{path}/{axis}", least=1) for axis in "xyz")
    if x is None or y is None:
        return None
    return x, y, 1 if z is None else z


def _count(values: dict[str, str], path: str, *, least: int) -> int | None:
    """Pictures depend on these, so one that cannot be is an error."""
    text = values.get(path)
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= LONGEST_AXIS):
        raise HeaderError(f"The XML header gives {text!r} as {path}, not a number from {least} to {LONGEST_AXIS:,}.")
    return int(text)


def _measure(values: dict[str, str], path: str) -> float | None:
    """What was set on the scanner. Converters write 0 or words where they do not know, which is unknown here too; and
    nothing that was ever set is as large as LARGEST_MEASURE."""
    try:
        value = float(values.get(path, ""))
    except ValueError:
        return None
    return value if 0 < value < LARGEST_MEASURE else None
