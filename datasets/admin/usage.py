"""How much is asked for through a grant a day, and how much may be."""

from decimal import Decimal
from typing import Any

from django import forms

from accounts.admin.decisions import Decision
from accounts.admin.pages import Table, shown_below
from accounts.models import User
from datasets.exceptions import MoveNotAllowed
from datasets.models import AccessGrant
from datasets.services.access import set_daily_cap
from datasets.templatetags.house import bytes_exact, size

TERABYTE = 10**12


class DailyCapForm(forms.Form):
    terabytes = forms.DecimalField(
        label="TB a day",
        required=False,
        max_digits=8,
        decimal_places=3,
        widget=forms.NumberInput(attrs={"class": "input", "step": "any"}),
        help_text="Terabytes (10^12 bytes) that may be asked for in a day of UTC. Empty: as much as through any other "
        "grant. An archive counts whole; what a command asks for again after an interruption does not count.",
    )


def _set_cap(grant: AccessGrant, *, by: User, terabytes: Decimal | None) -> None:
    set_daily_cap(grant, by=by, daily_bytes=None if terabytes is None else int(terabytes * TERABYTE))


CAP = Decision(
    name="daily-cap",
    title="Set the bytes a day",
    consequence="It holds from the next request on. Person and maintainers are mailed when a quarter of it has been "
    "asked for in a day, and again when all of it has; then downloads are refused until 00:00 UTC.",
    service=_set_cap,
    done="{row}: the bytes a day are set.",
    permission="datasets.change_accessgrant",
    is_open=lambda grant: grant.status == AccessGrant.Status.ACTIVE,
    form=DailyCapForm,
    refusals=(MoveNotAllowed,),
)


def allowance(grant: AccessGrant) -> str:
    whose = "as through any grant" if grant.daily_bytes is None else "its own"
    return f"{size(grant.daily_cap)}, {whose}"


@shown_below(AccessGrant, permission="datasets.view_downloadrecord")
def usage(grant: Any) -> Table:
    told = [(row.day, size(row.asked), bytes_exact(row.asked)) for row in grant.usage.order_by("-day")[:20]]
    return Table("Asked for by day", ("Day (UTC)", "Size", "Exactly"), told, empty="Nothing yet.")
