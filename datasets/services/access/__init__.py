"""Access: how it is asked for, decided and ended; where a person stands; what is mailed about it."""

from datasets.services.access.digests import reviewers, tell_reviewers, waiting_by_dataset, wants_digest
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
from datasets.services.access.hints import (
    LONG,
    Hints,
    has_waited_long,
    hints_for,
    of_the_same_domain,
    of_the_same_name,
)
from datasets.services.access.reminders import mail_link, remind_of_ends, resend_links
from datasets.services.access.standings import AccessStanding, WaitingTimes, standing_of, standings_of, waiting_times

__all__ = [
    "LONG",
    "AccessStanding",
    "Hints",
    "Outcome",
    "WaitingTimes",
    "approve_request",
    "ask_for_access",
    "decline_request",
    "has_waited_long",
    "hints_for",
    "mail_link",
    "missing_profile",
    "of_the_same_domain",
    "of_the_same_name",
    "remind_of_ends",
    "renew_grant",
    "require_reason",
    "resend_links",
    "reviewers",
    "revoke_grant",
    "set_daily_cap",
    "sign_for_access",
    "standing_of",
    "standings_of",
    "tell_reviewers",
    "waiting_by_dataset",
    "waiting_times",
    "wants_digest",
    "withdraw_request",
]
