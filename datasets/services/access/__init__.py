"""Access: how it is asked for, decided and ended; where a person stands; what is mailed about it."""

from datasets.services.access.grants import (
    Outcome,
    approve_request,
    ask_for_access,
    decline_request,
    missing_profile,
    renew_grant,
    require_reason,
    revoke_grant,
    set_daily_cap,
    sign_for_access,
    withdraw_request,
)
from datasets.services.access.reminders import mail_link, remind_of_ends, resend_links
from datasets.services.access.standings import AccessStanding, WaitingTimes, standing_of, standings_of, waiting_times

__all__ = [
    "AccessStanding",
    "Outcome",
    "WaitingTimes",
    "approve_request",
    "ask_for_access",
    "decline_request",
    "mail_link",
    "missing_profile",
    "remind_of_ends",
    "renew_grant",
    "require_reason",
    "resend_links",
    "revoke_grant",
    "set_daily_cap",
    "sign_for_access",
    "standing_of",
    "standings_of",
    "waiting_times",
    "withdraw_request",
]
