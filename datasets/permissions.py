"""The only gate. Pages, links, scripts and the API all ask here whether somebody may download a release, or see
previews.

The facts come from one SQL statement, so that they are of one moment; `judge` compares dates and never trusts a
status alone. What is refused carries the sentence that the person at the terminal reads.
"""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from datasets.exceptions import (
    AccountDisabled,
    AgreementUnsigned,
    DailyCapReached,
    GrantEnded,
    GrantMissing,
    GrantRevoked,
    LinkReplaced,
    Refusal,
    ReleaseUnpublished,
    ReleaseWithdrawn,
)
from datasets.models import Dataset, Release

# A grant given a moment ago by a server whose clock is ahead begins here, too.
CLOCKS_DIFFER = timedelta(minutes=15)


class Standing(NamedTuple):
    """What the gate must know about a person, a release and, where one was used, a link. Unknown is None."""

    account_is_active: bool
    grant_id: int | None
    grant_status: str | None
    grant_starts_at: datetime | None
    grant_ends_at: datetime | None
    grant_reason: str | None
    grant_revoked_at: datetime | None
    dataset_slug: str
    dataset_name: str
    release_version: str
    release_status: str
    release_reason: str
    release_withdrawn_at: datetime | None
    # The newest published release of the dataset, looked up only when this one was withdrawn.
    newest_version: str | None
    # The agreement's version that must be signed by now, and the latest that the person has signed.
    required_number: int | None
    signed_number: int | None
    # Of the link through which the release is asked for; None on pages.
    link_status: str | None = None
    link_ended_at: datetime | None = None
    # What the grant may ask for a day where it has a cap of its own, and what was asked for today; only with a link.
    grant_daily_bytes: int | None = None
    asked_today: int = 0

    @property
    def daily_cap(self) -> int:
        return settings.DAILY_BYTES if self.grant_daily_bytes is None else self.grant_daily_bytes


# The agreement's version that must be signed by now, and the latest that the person has signed, over u and d.
SIGNED_COLUMNS = """
    (SELECT max(v.number) FROM accounts_agreementversion v
        WHERE v.agreement_id = d.agreement_id AND v.status <> 'draft' AND NOT v.editorial
        AND v.required_from <= %(now)s),
    (SELECT max(v.number) FROM accounts_signature s JOIN accounts_agreementversion v ON v.id = s.version_id
        WHERE s.user_id = u.id AND v.agreement_id = d.agreement_id)
"""
# The columns of Standing up to the link, over u (user), g (grant), d (dataset) and r (release). It needs %(now)s.
STANDING_COLUMNS = f"""
    u.is_active, g.id, g.status, g.starts_at, g.ends_at, g.reason, g.revoked_at,
    d.slug, d.name, r.version, r.status, r.reason, r.withdrawn_at,
    CASE WHEN r.status = 'withdrawn' THEN (
        SELECT n.version FROM datasets_release n WHERE n.dataset_id = d.id AND n.status = 'published'
        ORDER BY n.published_at DESC, n.id DESC LIMIT 1) END,
    {SIGNED_COLUMNS}
"""  # noqa: S608 - constants of this module
# An active grant before revoked ones, and the newest of those, because it has the reason that is told.
STANDING_BY_USER = f"""
    SELECT {STANDING_COLUMNS}
    FROM accounts_user u
    JOIN datasets_release r ON r.id = %(release)s
    JOIN datasets_dataset d ON d.id = r.dataset_id
    LEFT JOIN LATERAL (
        SELECT * FROM datasets_accessgrant
        WHERE user_id = u.id AND dataset_id = d.id
        ORDER BY status = 'active' DESC, id DESC LIMIT 1) g ON true
    WHERE u.id = %(user)s
"""  # noqa: S608 - constants of this module
SIGNED_BY_USER = f"""
    SELECT u.is_active, {SIGNED_COLUMNS} FROM accounts_user u, datasets_dataset d
    WHERE u.id = %(user)s AND d.id = %(dataset)s
"""  # noqa: S608 - constants of this module


def may_download(user: User | AnonymousUser, release: Release) -> bool:
    try:
        require_download(user, release)
    except Refusal:
        return False
    return True


def require_download(user: User | AnonymousUser, release: Release) -> None:
    """Return when this person may download this release now; otherwise raise the Refusal that says why."""
    now = timezone.now()
    if user.pk is None:
        raise GrantMissing(f"Sign in at {site_address('account_login')} to see what you may download.")
    with connection.cursor() as cursor:
        cursor.execute(STANDING_BY_USER, {"user": user.pk, "release": release.pk, "now": now})
        row = cursor.fetchone()
    if row is None:
        raise GrantMissing(f"This account or this release is gone. Sign in again at {site_address('account_login')}.")
    judge(Standing(*row), now)


def judge(standing: Standing, now: datetime) -> None:
    """The rules, in the order in which a person can do something about them."""
    if standing.link_status == "replaced":
        raise LinkReplaced(link_replaced(standing))
    if not standing.account_is_active:
        raise AccountDisabled(account_disabled())
    _judge_grant(standing, now)
    if standing.link_status not in (None, "live"):
        raise LinkReplaced(link_revoked(standing))
    if standing.release_status == "withdrawn":
        raise ReleaseWithdrawn(release_withdrawn(standing))
    if standing.release_status != "published":
        raise ReleaseUnpublished(release_unpublished(standing))
    if not suffices(standing.signed_number, standing.required_number):
        raise AgreementUnsigned(agreement_unsigned(standing))


def suffices(signed: int | None, required: int | None) -> bool:
    """Whether the latest version that somebody signed is as new as the one that must be signed by now."""
    return required is None or (signed or 0) >= required


def may_see_previews(user: User | AnonymousUser, dataset: Dataset) -> bool:
    """Whether the pictures of a dataset's volumes are for this person: its audience, and maintainers of previews.

    Who has signed need not hold access: pictures show what one asks for. A signature that no longer suffices for
    downloads does not suffice here."""
    if dataset.preview_audience == Dataset.Audience.EVERYONE:
        return True
    if user.pk is None or not user.is_active:
        return False
    if dataset.preview_audience == Dataset.Audience.SIGNED_IN:
        return True
    return _has_signed(user.pk, dataset) or may_see_all_previews(user)


def may_see_all_previews(user: User | AnonymousUser) -> bool:
    """Whether a maintainer sees pictures also of what is not published."""
    return user.is_staff and user.has_perm("datasets.view_preview")


def _has_signed(user: int, dataset: Dataset) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(SIGNED_BY_USER, {"user": user, "dataset": dataset.pk, "now": timezone.now()})
        row = cursor.fetchone()
    if row is None:
        return False
    is_active, required, signed = row
    return is_active and signed is not None and suffices(signed, required)


def require_allowance(standing: Standing, now: datetime) -> None:
    """Return unless as much as a day allows was asked for already. It is asked before an archive is handed out, and not
    before a list: so the last archive of a day may exceed the cap, by what it and others on their way then are long."""
    if standing.asked_today >= standing.daily_cap:
        raise DailyCapReached(daily_cap_reached(standing), retry_after=seconds_left(now))


def seconds_left(now: datetime) -> int:
    """Until 00:00 UTC, and never 0."""
    midnight = datetime.combine(now.astimezone(UTC).date() + timedelta(days=1), datetime.min.time(), UTC)
    return int((midnight - now).total_seconds()) + 1


def _judge_grant(standing: Standing, now: datetime) -> None:
    starts_at, ends_at = standing.grant_starts_at, standing.grant_ends_at
    if starts_at is None or ends_at is None:
        raise GrantMissing(grant_missing(standing))
    if standing.grant_status != "active":
        raise GrantRevoked(grant_revoked(standing))
    if now + CLOCKS_DIFFER < starts_at:
        raise GrantMissing(f"Your access to {standing.dataset_name} begins on {day_long(starts_at)}.")
    if ends_at <= now:
        raise GrantEnded(grant_ended(standing, ends_at))


def link_replaced(standing: Standing) -> str:
    when = f" on {day_long(standing.link_ended_at)}" if standing.link_ended_at else ""
    return f"This link was replaced{when}. Copy the new one from {site_address('downloads')}"


def link_revoked(standing: Standing) -> str:
    when = f" on {day_long(standing.link_ended_at)}" if standing.link_ended_at else ""
    return (
        f"This link was revoked{when}. Your access to {standing.dataset_name} goes on: "
        f"get a new link at {site_address('downloads')}"
    )


def account_disabled() -> str:
    return f"This account was disabled, by its owner or by the maintainers. Questions: {settings.SITE_CONTACT}."


def grant_missing(standing: Standing) -> str:
    address = site_address("dataset", standing.dataset_slug)
    return f"You have no access to {standing.dataset_name} yet. Ask for it at {address}"


def grant_revoked(standing: Standing) -> str:
    when = f" on {day_long(standing.grant_revoked_at)}" if standing.grant_revoked_at else ""
    return (
        f"Your access to {standing.dataset_name} was ended by its maintainers{when}: "
        f"{as_clause(standing.grant_reason)}. Questions: {settings.SITE_CONTACT}, grant {standing.grant_id}."
    )


def grant_ended(standing: Standing, ends_at: datetime) -> str:
    return (
        f"Your access to {standing.dataset_name} ended on {day_long(ends_at)}. "
        f"Renew it at {site_address('downloads')} and run the same command again: it will resume."
    )


def daily_cap_reached(standing: Standing) -> str:
    return (
        f"All that may be asked for in a day through your access to {standing.dataset_name} was asked for today. "
        f"Run the same command again after 00:00 UTC: it will resume. For more a day write to {settings.SITE_CONTACT}, "
        f"grant {standing.grant_id}. If it was not you, replace the link at {site_address('downloads')}"
    )


def agreement_unsigned(standing: Standing) -> str:
    address = site_address("agreement", standing.dataset_slug)
    return (
        f"The agreement for {standing.dataset_name} has a new version. "
        f"Read and sign it at {address} and run the same command again: it will resume."
    )


def release_withdrawn(standing: Standing) -> str:
    name = f"{standing.dataset_name} {standing.release_version}"
    when = f" on {day_long(standing.release_withdrawn_at)}" if standing.release_withdrawn_at else ""
    if standing.newest_version is None:
        way_on = f"No other release is published yet: see {site_address('dataset', standing.dataset_slug)}"
    else:
        address = site_address("release", standing.dataset_slug, standing.newest_version)
        way_on = f"Use release {standing.newest_version}: {address}"
    return f"{name} was withdrawn{when}: {as_clause(standing.release_reason)}. {way_on}"


def release_unpublished(standing: Standing) -> str:
    address = site_address("dataset", standing.dataset_slug)
    return (
        f"{standing.dataset_name} {standing.release_version} is not published. What is published is listed at {address}"
    )


def as_clause(reason: str | None) -> str:
    """A reason as a maintainer wrote it, on one line and without its full stop, so that a sentence can hold it."""
    return " ".join((reason or "no reason was recorded").split()).rstrip(".")


def day_long(moment: datetime) -> str:
    return f"{moment.day} {moment:%B %Y}"


def site_address(view: str, *args: str) -> str:
    """An absolute address, made from the settings: what a request says of its host is never believed."""
    return settings.SITE_URL + reverse(view, args=args)
