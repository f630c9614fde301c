"""The one place from which mail leaves."""

from accounts.exceptions import Obsolete
from accounts.mail.account import CODE_LIFETIME
from accounts.mail.bounces import bounce_of, note_arrival, whose_mail_comes_back
from accounts.mail.codes import code_of, mint_code
from accounts.mail.courier import Courier
from accounts.mail.delivery import deliver_due, deliver_next
from accounts.mail.outbox import Attachment, Content, queue, queue_all, renders, renders_together
from accounts.mail.receipts import receipt

__all__ = [
    "CODE_LIFETIME",
    "Attachment",
    "Content",
    "Courier",
    "Obsolete",
    "bounce_of",
    "code_of",
    "deliver_due",
    "deliver_next",
    "mint_code",
    "note_arrival",
    "queue",
    "queue_all",
    "receipt",
    "renders",
    "renders_together",
    "whose_mail_comes_back",
]
