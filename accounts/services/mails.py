"""What is done about mails that are old."""

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from accounts.models import OutgoingMail

# From where and with what something about an account was changed: its mail said so.
WHENCE = ("address", "agent")
BLANKED_AT_ONCE = 1_000


def blank_addresses() -> int:
    """Forget the network addresses and browsers in mails older than ADDRESS_DAYS, batch by batch; their number is
    returned. A mail that is still to be sent needs them."""
    old = OutgoingMail.objects.filter(
        state__in=(OutgoingMail.State.DONE, OutgoingMail.State.FAILED),
        created_at__lt=timezone.now() - timedelta(days=settings.ADDRESS_DAYS),
        keys__has_any_keys=WHENCE,
    )
    blanked = 0
    while batch := list(old.order_by("created_at").values_list("pk", "keys")[:BLANKED_AT_ONCE]):
        for pk, keys in batch:
            rest = {name: value for name, value in keys.items() if name not in WHENCE}
            blanked += old.filter(pk=pk).update(keys=rest)
    return blanked
