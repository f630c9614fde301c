"""People, agreements and mail."""

from accounts.models.agreements import Agreement, AgreementVersion, Signature
from accounts.models.bounces import Bounce
from accounts.models.deletions import Deletion, Forgetting
from accounts.models.leases import Lease
from accounts.models.mails import OutgoingMail
from accounts.models.maintainers import Account, GroupMember, GroupRight, MaintainerGroup
from accounts.models.receipts import Receipt, ReceiptDocument
from accounts.models.users import User
from accounts.models.work import Work

__all__ = [
    "Account",
    "Agreement",
    "AgreementVersion",
    "Bounce",
    "Deletion",
    "Forgetting",
    "GroupMember",
    "GroupRight",
    "Lease",
    "MaintainerGroup",
    "OutgoingMail",
    "Receipt",
    "ReceiptDocument",
    "Signature",
    "User",
    "Work",
]
