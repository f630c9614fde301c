"""The personal part of a release's page: the commands of the visitor's own link. Never kept in a cache."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import AnonymousUser

from accounts.models import User
from datasets.exceptions import MoveNotAllowed
from datasets.models import AccessGrant, Archive, DownloadLink, Release
from datasets.permissions import may_download
from datasets.services.downloads import commands, issue_link

# Names that were asked for and do not exist: so many are shown.
SHOWN = 5


@dataclass(frozen=True)
class DownloadPanel:
    commands: dict[str, str]
    ends_at: datetime
    chosen: list[str]
    """The archives that were ticked; none means all of them."""
    unknown: list[str]
    size: int

    @property
    def duration(self) -> str:
        """How long it takes at 100 Mbit/s; empty when that is under a minute."""
        minutes = round(self.size * 8 / 100e6 / 60)
        hours, rest = divmod(minutes, 60)
        if hours >= 48:
            return f"{hours / 24:.0f} days"
        return f"{hours} h {rest} min" if hours else f"{minutes} min" if minutes else ""


def download_panel(
    user: User | AnonymousUser, grant: AccessGrant | None, release: Release, names: Sequence[str]
) -> DownloadPanel | None:
    """The commands for these archives, or for all; None for those who may not download the release."""
    if not grant or not may_download(user, release):
        return None
    link = live_link(grant, release)
    if not link:
        return None
    sizes = dict(Archive.objects.verified().filter(release=release).order_by("id").values_list("name", "size"))
    chosen = [name for name in sizes if name in set(names)]
    unknown = [name for name in dict.fromkeys(names) if name not in sizes][:SHOWN]
    return DownloadPanel(
        commands=commands(link, only=chosen) if sizes else {},
        ends_at=grant.ends_at,
        chosen=chosen,
        unknown=unknown,
        size=sum(sizes[name] or 0 for name in chosen or sizes),
    )


def live_link(grant: AccessGrant, release: Release) -> DownloadLink | None:
    """The grant's link, made when this is the first look at the release; None when it was revoked meanwhile."""
    link = DownloadLink.objects.live().filter(grant=grant, release=release).first()
    if link:
        return link
    try:
        return issue_link(grant, release)
    except MoveNotAllowed:
        return None
