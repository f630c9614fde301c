"""What can be wrong with a file. Each error's text is one sentence for a person, kept as the preview's reason."""

from typing import ClassVar


class KSpaceError(Exception):
    """A file cannot be read as k-space, or not be shown. Trying again will not help, unless the file changes."""


class NotAVolumeError(KSpaceError, ValueError):
    """No HDF5 file at all: empty, text, a web page, a truncated one."""


class UnsupportedLayoutError(KSpaceError, ValueError):
    """HDF5, but not of a kind that is known here: a key is missing, a shape or a number format is another one."""


class HeaderError(KSpaceError, ValueError):
    """The XML header cannot be read, or says what cannot be."""


class UnsafeFileError(KSpaceError):
    """The file wants other files to be read, or its parser to do what a header has no need of."""


class TooLargeError(KSpaceError, ValueError):
    """What the file declares is more than it holds, or more than is read here."""


class BadValuesError(KSpaceError, ValueError):
    """The numbers of a slice are not finite, or all zero where a picture is asked for."""


class BrokenArchiveError(KSpaceError, ValueError):
    """The archive around the file cannot be unpacked: its bytes are damaged, cut off or of another kind."""


class FileChangedError(KSpaceError):
    """The file is another one than when its reading began."""


class ReaderDiedError(KSpaceError):
    """The process that read the file came to its end: a crash of the HDF5 library, or a limit of memory."""


class ReaderTimeoutError(KSpaceError):
    """Reading took longer, or more of the processor, than any honest file needs."""


class SliceMissingError(KSpaceError, IndexError):
    """The volume has no slice of this number."""


def by_name(name: str, sentence: str) -> KSpaceError:
    """The error that a child process has told by its name; one of an unknown name is a plain KSpaceError."""
    return _Kinds.known.get(name, KSpaceError)(sentence)


class _Kinds:
    known: ClassVar[dict[str, type[KSpaceError]]] = {
        kind.__name__: kind
        for kind in (
            NotAVolumeError,
            UnsupportedLayoutError,
            HeaderError,
            UnsafeFileError,
            TooLargeError,
            BadValuesError,
            BrokenArchiveError,
            FileChangedError,
            ReaderDiedError,
            ReaderTimeoutError,
            SliceMissingError,
        )
    }
