"""The history of a tracked row, as its events tell it: when, who, and what changed."""

from itertools import pairwise
from typing import Any

from django.db.models import Model
from django.utils.formats import localize

from accounts.admin.pages import Table
from accounts.models import User

SHOWN = 20
# A longer value is not repeated in the history; that it changed is.
LONGEST = 60


def history(row: Any) -> Table:
    """The newest changes of a row that pghistory tracks. Three queries, whatever their number."""
    # One more than is shown, to say what the oldest one changed.
    events = list(row.events.select_related("pgh_context").order_by("-pgh_id")[: SHOWN + 1])
    people = _people(events)
    changes = [
        (event.pgh_created_at, people.get(_actor(event), "not recorded"), _what(event, before, people))
        for event, before in pairwise([*events, None])
    ]
    return Table("History", ("When (UTC)", "Who", "What"), changes[:SHOWN], empty="Nothing has been recorded yet.")


def _actor(event: Any) -> int | None:
    context = event.pgh_context
    return context.metadata.get("user") if context else None


def _people(events: list[Any]) -> dict[Any, str]:
    """Addresses of those who acted, and of those whom a column names."""
    named = {_actor(event) for event in events}
    for event in events:
        named |= {getattr(event, column.attname) for column in _columns(event) if column.related_model is User}
    return dict(User.objects.filter(pk__in=named - {None}).values_list("pk", "email"))


def _columns(event: Model) -> list[Any]:
    return [column for column in event._meta.concrete_fields if not column.name.startswith("pgh_")]


def _what(event: Any, before: Any | None, people: dict[Any, str]) -> str:
    if before is None:
        return "Made" if event.pgh_label == "insert" else "Changed"
    changes = [
        f"{column.verbose_name}: {_told(getattr(before, column.attname), column, people)} → "
        f"{_told(getattr(event, column.attname), column, people)}"
        for column in _columns(event)
        if getattr(before, column.attname) != getattr(event, column.attname)
    ]
    return "; ".join(changes) or "Saved without a change"


def _told(value: Any, column: Any, people: dict[Any, str]) -> str:
    if value in (None, ""):
        return "nothing"
    if column.related_model is User:
        return people.get(value, f"person {value}")
    text = str(dict(column.flatchoices).get(value, localize(value)))
    return text if len(text) <= LONGEST else f"a text of {len(text):,} characters"
