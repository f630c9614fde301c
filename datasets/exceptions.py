"""What the domain refuses, and why. Views turn these into answers; nothing here knows of HTTP.

Every sentence says what happened and what to do next, for it is all that a person at a terminal sees.
"""


class Refusal(Exception):
    """A download is refused. str() is the sentence for the person who asked."""


class LinkUnknown(Refusal):
    """No such link: mistyped, cut short, tampered with or foreign."""


class FileUnknown(Refusal):
    """The link lives, but its release has no such file."""


class LinkReplaced(Refusal):
    """The owner or a maintainer replaced or revoked this link."""


class AccountDisabled(Refusal):
    """The owner's account was disabled."""


class GrantRevoked(Refusal):
    """A maintainer revoked the grant."""


class GrantMissing(Refusal):
    """There is no grant (never was, or not for this dataset)."""


class GrantEnded(Refusal):
    """The grant's end is in the past."""


class AgreementUnsigned(Refusal):
    """A version of the agreement is required that the owner has not signed."""


class ReleaseWithdrawn(Refusal):
    """The release was withdrawn."""


class ReleaseUnpublished(Refusal):
    """The release is not published (yet)."""


class TooManyRequests(Refusal):
    """The link is asked too often. retry_after: seconds until it may be asked again."""

    def __init__(self, sentence: str, *, retry_after: int) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after


class DailyCapReached(Refusal):
    """As much as a day allows was asked for through the grant. retry_after: seconds until the next day of UTC."""

    def __init__(self, sentence: str, *, retry_after: int) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after


class PartDown(Exception):
    """A part that is needed does not answer (bucket, database). Try again later."""


class BucketDown(PartDown):
    """The bucket does not answer."""


class BucketRefused(BucketDown):
    """The bucket answers, and does not let us: asking again at once would change nothing."""


class NoRoomLeft(PartDown):
    """There is no room on the disk for what has to lie there for a while."""


class ObjectMissing(Exception):
    """The bucket has no such key."""


class ObjectRefused(ObjectMissing):
    """The bucket answers, but this site may not read the object of that key: for us it is not there."""


class ObjectChanged(Exception):
    """The object is another one than when its reading began, or than was asked for."""


class MoveNotAllowed(Exception):
    """A state may not follow this one, such as approving a declined request. str() is the sentence for a person."""


class SourceRefused(Exception):
    """What was given as the place of a release's archives is none that is read here. str() is the sentence."""


class ListChanged(Exception):
    """The bucket's list is another one than the one that was agreed to. str() is the sentence."""


class SignatureNeeded(Exception):
    """Access cannot be asked for or renewed before the agreement's version is signed."""


class ProfileIncomplete(Exception):
    """The profile lacks what the agreement needs; str() says what."""
