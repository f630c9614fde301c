"""Many rows at once, made by PostgreSQL itself."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import connection, models
from django.db.backends.utils import CursorWrapper

# Keys that the database gives, or that are made of other columns.
NUMBERED = (models.AutoField, models.CompositePrimaryKey)


class Filling:
    """Fills tables, and says how far it is."""

    def __init__(self, cursor: CursorWrapper) -> None:
        self.cursor = cursor
        self.began = time.monotonic()

    def fill(self, model: type[models.Model], source: str, **columns: str) -> None:
        """INSERT … SELECT: the columns as SQL over the source; each other column has its field's own default."""
        names, values, parameters = [], [], []
        for field in model._meta.concrete_fields:
            given = columns.pop(field.attname, None)
            if given is not None:
                values.append(given)
            elif isinstance(field, NUMBERED) or field.generated or field.has_db_default():
                continue
            else:
                values.append("%s")
                parameters.append(field.get_db_prep_save(field.get_default(), connection))
            names.append(f'"{field.column}"')
        if columns:
            raise ValueError(f"{model._meta.label} has no column {', '.join(columns)}")
        table = model._meta.db_table
        self.cursor.execute(f"INSERT INTO {table} ({', '.join(names)}) SELECT {', '.join(values)} {source}", parameters)
        self.say(f"{self.cursor.rowcount:,} {model._meta.verbose_name_plural}")

    def say(self, what: str) -> None:
        print(f"{time.monotonic() - self.began:6.0f} s  {what}", flush=True)

    @contextmanager
    def told(self, model: type[models.Model], beginning: int) -> Iterator[None]:
        """Rows of a tracked model, from this number on, whose events are written all at once: the same ones that the
        triggers, which rest meanwhile, would have written row by row."""
        table = model._meta.db_table
        self.cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        yield
        self.cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
        event: type[models.Model] = model._meta.get_field("events").related_model  # type: ignore[assignment]
        own = {field.attname: f'"{field.column}"' for field in model._meta.concrete_fields}
        kept = {field.attname for field in event._meta.concrete_fields} & set(own)
        facts = {"pgh_created_at": "now()", "pgh_label": "'insert'", "pgh_obj_id": "id"}
        self.fill(event, f"FROM {table} WHERE id >= {beginning}", **{name: own[name] for name in kept}, **facts)

    @contextmanager
    def bare(self, model: type[models.Model]) -> Iterator[None]:
        """The table without foreign keys and without the indexes that are no constraint's; they are made again."""
        table = model._meta.db_table
        self.cursor.execute(
            "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE conrelid = %s::regclass AND contype = 'f'",
            [table],
        )
        keys = self.cursor.fetchall()
        self.cursor.execute(
            "SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) FROM pg_index i WHERE i.indrelid ="
            " %s::regclass AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid)",
            [table],
        )
        indexes = self.cursor.fetchall()
        for name, _definition in keys:
            self.cursor.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
        for name, _definition in indexes:
            self.cursor.execute(f"DROP INDEX {name}")
        yield
        for _name, definition in indexes:
            self.cursor.execute(definition)
        for name, definition in keys:
            self.cursor.execute(f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {definition}')
        self.say(f"indexes of {table}")


def chosen(words: Sequence[Any], number: str) -> str:
    """SQL: one of these, by a number."""
    listed = ", ".join(f"'{word}'" if isinstance(word, str) else str(word) for word in words)
    return f"(ARRAY[{listed}])[1 + mod({number}, {len(words)})]"


def copied(value: Any) -> str:
    """A value as COPY reads it."""
    if value is None:
        return r"\N"
    text = getattr(value, "dumps", lambda adapted: adapted)(getattr(value, "adapted", value))
    return str(text).replace("\\", r"\\").replace("\t", r"\t").replace("\n", r"\n")
