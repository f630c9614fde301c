"""Queueing: a mail is a row, written in the transaction of what caused it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from accounts.models import OutgoingMail, User


class Attachment(NamedTuple):
    """A file that travels along: text, or bytes of a type that is named."""

    name: str
    content: str | bytes
    type: str = "text/plain"


@dataclass(frozen=True)
class Content:
    """What a mail says: its templates' context, the files with it, and headers beyond those that every mail has."""

    context: Mapping[str, Any] = field(default_factory=dict)
    attachments: Sequence[Attachment] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


Renderer = Callable[[OutgoingMail], Content]
RENDERERS: dict[str, Renderer] = {}
# Of mails to many, what asks the database once for several of a notice, and then renders each.
Asker = Callable[[Sequence[OutgoingMail]], Renderer]
ASKERS: dict[str, Asker] = {}


def renders(template: str) -> Callable[[Renderer], Renderer]:
    """Register what fills templates/mails/<template>/. It runs when the mail is sent, and again at every attempt."""

    def register(renderer: Renderer) -> Renderer:
        if RENDERERS.get(template, renderer) is not renderer:
            raise ValueError(f"Two functions render {template}.")
        RENDERERS[template] = renderer
        return renderer

    return register


def renders_together(template: str) -> Callable[[Asker], Asker]:
    """Register what fills templates/mails/<template>/ for several mails of one notice at a time."""

    def register(asker: Asker) -> Asker:
        renders(template)(lambda mail: asker([mail])(mail))
        ASKERS[template] = asker
        return asker

    return register


def renderer_of(mails: Sequence[OutgoingMail]) -> Renderer:
    """What renders each of these mails of one notice, from what is so now."""
    template = mails[0].template
    return ASKERS[template](mails) if template in ASKERS else RENDERERS[template]


def queue(
    template: str, *, to: str = "", user: User | None = None, once: str | None = None, **keys: Any
) -> OutgoingMail | None:
    """Write a mail into the outbox, in the caller's transaction.

    None when a mail with the same `once` was queued before. Keys are row numbers and nonces: links and codes
    are made when the mail is sent. The edge that caused it calls accounts.tasks.hint(send_mails).
    """
    if template not in RENDERERS:
        raise ValueError(f"No mail is named {template}: register it with @renders.")
    address = to or (user.email if user else "")
    if not address:
        raise ValueError(f"The mail {template} has no recipient.")
    facts = {"template": template, "to": address, "user": user, "keys": keys}
    if once is None:
        return OutgoingMail.objects.create(**facts)
    mail, created = OutgoingMail.objects.get_or_create(once=once, defaults=facts)
    return mail if created else None


def queue_all(template: str, *, to: Mapping[User, str], **keys: Any) -> None:
    """The same mail to many, each with a word of its own for `once`: one statement, however many they are.

    Who was sent that mail before is passed over. They leave after whatever concerns one person alone.
    """
    if template not in RENDERERS:
        raise ValueError(f"No mail is named {template}: register it with @renders.")
    mails = [
        OutgoingMail(template=template, to=user.email, user=user, keys=keys, once=once, to_many=True)
        for user, once in to.items()
    ]
    OutgoingMail.objects.bulk_create(mails, ignore_conflicts=True)
