"""Notices: which are due, whom they reach, and how they get through to all of them."""

from datasets.services.notices.agreements import (
    announce_versions,
    concern_of,
    is_past,
    people_to_reach,
    reminder_day,
    unannounced,
)
from datasets.services.notices.errata import publish_erratum
from datasets.services.notices.releases import (
    affected_archives,
    grants_to_tell,
    names_to_tell,
    out_of_reach,
    people_told,
    plan_release_notice,
    send_test,
    why_untrue,
)
from datasets.services.notices.sending import MAILS, notice_of, people_of, send_due_notices, why_over

__all__ = [
    "MAILS",
    "affected_archives",
    "announce_versions",
    "concern_of",
    "grants_to_tell",
    "is_past",
    "names_to_tell",
    "notice_of",
    "out_of_reach",
    "people_of",
    "people_to_reach",
    "people_told",
    "plan_release_notice",
    "publish_erratum",
    "reminder_day",
    "send_due_notices",
    "send_test",
    "unannounced",
    "why_over",
    "why_untrue",
]
