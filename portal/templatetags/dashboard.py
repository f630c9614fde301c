"""How the dashboard writes what the rest of the site does not."""

from datetime import timedelta

from django import template
from django.utils.text import capfirst

from accounts.models.work import Work
from datasets.templatetags.house import applies
from portal.work import number

register = template.Library()
register.filter("so_far", number)

HOUR, DAY = 3_600, 86_400


@register.filter
def wait(value: timedelta) -> str:
    """How long somebody waits, as a figure: 40 min, 5.5 hours, 2.1 days."""
    seconds = value.total_seconds()
    if seconds < 2 * HOUR:
        return f"{seconds / 60:,.0f} min"
    return f"{seconds / HOUR:,.1f} hours" if seconds < 2 * DAY else f"{seconds / DAY:,.1f} days"


@register.filter
def kind(model: type[Work]) -> str:
    return capfirst(str(model._meta.verbose_name_plural))


@register.filter
def count(value: int | None) -> str:
    return applies(None if value is None else f"{value:,}")
