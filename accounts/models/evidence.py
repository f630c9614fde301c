"""Evidence: tables to which rows are added, and in which none is changed or removed.

A model says `append_only = True`, or is one of pghistory's; portal.roles then leaves the application's role nothing
but SELECT and INSERT. The triggers here are the second wall: they refuse the owner, too, until somebody removes them.
What must change one day (an address after its time) does so in an SQL function that can do this one thing
(the migrations named forgetting).

Those functions find a person's evidence through rows that are none, such as links. Of these a model names the columns
that say whose a row is: `never_changes = ("grant", "release")`. The application's role may write them once, and may
not remove the row.
"""

from collections.abc import Callable
from typing import TypeVar

import pghistory
import pghistory.models
import pgtrigger
from django.db import models

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


def tracked(*personal: str) -> Callable[[Model], Model]:
    """A class decorator: every change of a row becomes an event, and events are evidence. Only the columns that are
    named may be emptied in it, which the application does through functions of the owner (the migrations named
    forgetting)."""
    names = ", ".join(f"'{name}'" for name in personal)
    forgotten = f"public.forgets_only(to_jsonb(OLD), to_jsonb(NEW), ARRAY[{names}])" if personal else ""
    decorate: Callable[[Model], Model] = pghistory.track(
        meta={"triggers": [never_changed(but=forgotten), never_emptied()]}
    )
    return decorate
