"""What keeps the embedded stack from starting, in sentences for the person at the terminal."""


class StackError(Exception):
    """The stack cannot start; the message says why and what to do."""


class FolderInUseError(StackError):
    """Another run holds the folder."""


class PortInUseError(StackError):
    """Another program listens on the port that was asked for."""


class PartFailedError(StackError):
    """A part ended, or did not answer in time, while it was being started."""
