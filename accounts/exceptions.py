"""What the accounts' domain refuses, and why."""


class VersionReplaced(Exception):
    """A newer version of the agreement was published while this one was read. str() is the sentence for a person."""


class StatementsMissing(Exception):
    """Not every statement was ticked."""


class NameUnusable(Exception):
    """The typed name is empty or holds what no name holds. str() is the sentence for a person."""


class MoveNotAllowed(Exception):
    """A state may not follow this one. str() is the sentence for a person."""


class MailRefused(Exception):
    """The mail server refused this mail for good (5xx), or it cannot be rendered any more."""


class AddressRefused(MailRefused):
    """The server says that there is no such address, or that it takes no mail any more."""


class MailDelayed(Exception):
    """The mail server does not answer, or asks to come back later (4xx)."""


class ServerDown(MailDelayed):
    """The server would take no other mail either."""


class Obsolete(Exception):
    """A mail has nothing to say any more: its row is done without being sent. str() says why."""


class AnchorUnreadable(Exception):
    """What was given as an anchor of the chain is none. str() says what is wrong with it."""


class EventRefused(Exception):
    """What came to the address for events is none of ours. str() says why, for the log."""


class CertificateAway(Exception):
    """Amazon could not be asked just now: the event is to come again."""
