"""Evidence: tables to which rows are added, and in which none is changed or removed.

A model says `append_only = True`, or is one of pghistory's; portal.roles then leaves the application's role nothing
but SELECT and INSERT. The triggers here are the second wall: they refuse the owner, too, until somebody removes them.
What must change one day (an address after its time) does so in an SQL function that can do this one thing
(the migrations named forgetting).

Those functions find a person's evidence through rows that are none, such as links. Of these a model names the columns
that say whose a row is: `never_changes = ("grant", "release")`. The application's role may write them once, and may
not remove the row.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import pghistory
import pghistory.models
import pgtrigger
from django.db import models

# The label of an event that says how a row was before the next one.
BEFORE = "before"

Model = TypeVar("Model", bound=type[models.Model])


def is_evidence(model: type[models.Model]) -> bool:
    """Whether the rows of a model are evidence."""
    kept_by_pghistory = issubclass(model, pghistory.models.Event | pghistory.models.Context)
    return kept_by_pghistory or bool(getattr(model, "append_only", False))


def kept_columns(model: type[models.Model]) -> frozenset[str]:
    """The columns that say whose evidence a row leads to; of a model without any, none."""
    return frozenset(
        str(model._meta.get_field(name).column)  # type: ignore[union-attr]
        for name in getattr(model, "never_changes", ())
    )


def never_changed(*, but: str = "") -> pgtrigger.Trigger:
    """Refuses to change or remove a row, but an UPDATE for which this SQL about OLD and NEW is true, if given."""
    allowed = f"IF TG_OP = 'UPDATE' AND ({but}) THEN RETURN NEW; END IF; " if but else ""
    return pgtrigger.Trigger(
        name="never_changed",
        when=pgtrigger.Before,
        operation=pgtrigger.Update | pgtrigger.Delete,
        func=f"{allowed}RAISE EXCEPTION 'The rows of % are append-only: none is changed or removed.', TG_TABLE_NAME;",
    )


def never_emptied() -> pgtrigger.Trigger:
    """Refuses TRUNCATE, also one that comes from another table with CASCADE."""
    return pgtrigger.Trigger(
        name="never_emptied",
        when=pgtrigger.Before,
        operation=pgtrigger.Truncate,
        level=pgtrigger.Statement,
        func="RAISE EXCEPTION 'The table % is append-only: it is never emptied.', TG_TABLE_NAME;",
    )


def tracked(*personal: str, but: Sequence[str] = ()) -> Callable[[Model], Model]:
    """A class decorator: every change of a row becomes an event, and events are evidence. `but` names columns that are
    not kept in it.

    Only the columns that are named first may be emptied in events, which the application does through functions of the
    owner (the migrations named forgetting). Rows with such columns are never removed; of others the removal is an event
    as well, with what they last held."""
    names = ", ".join(f"'{name}'" for name in personal)
    forgotten = f"public.forgets_only(to_jsonb(OLD), to_jsonb(NEW), ARRAY[{names}])" if personal else ""
    trackers = [pghistory.InsertEvent(), pghistory.UpdateEvent(), *([] if personal else [pghistory.DeleteEvent()])]
    decorate: Callable[[Model], Model] = pghistory.track(
        *trackers,
        exclude=list(but) or None,
        meta={"triggers": [never_changed(but=forgotten), never_emptied()]},
    )
    return decorate


def tracked_alone(*names: str, event: str) -> Callable[[Model], Model]:
    """A class decorator: every change of these columns becomes two events, how they were before and how they are. No
    event says that a row was made, so that most rows have none."""
    decorate: Callable[[Model], Model] = pghistory.track(
        pghistory.UpdateEvent(BEFORE, row=pghistory.Old),
        pghistory.UpdateEvent(),
        fields=list(names),
        model_name=event,
        meta={"triggers": [never_changed(), never_emptied()]},
    )
    return decorate
