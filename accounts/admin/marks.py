"""How facts are written in lists: as on the pages of the site."""

from functools import cache
from typing import Any

from django.template import Template, engines
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django_countries import countries

# Cells of a list are not read to the end.
LONGEST_CELL = 80


@cache
def _template(source: str) -> Template:
    return engines["django"].from_string("{% load house %}" + source)  # type: ignore[return-value]


def state(word: str, label: str = "") -> SafeString:
    """A word and four ticks, as far along as it is."""
    return _template("{% state word label %}").render({"word": word, "label": label})  # type: ignore[arg-type]


def link_to(page: str, pk: int, text: object) -> SafeString:
    """A row's own page in the admin: link_to("accounts_user", 7, "…")."""
    return format_html('<a href="{}">{}</a>', reverse(f"admin:{page}_change", args=[pk]), text)


def not_recorded() -> SafeString:
    return format_html('<span class="none">{}</span>', "not recorded")


def hash_groups(value: str) -> SafeString:
    """A whole hash in groups of eight, for eyes that compare."""
    groups = " ".join(value[start : start + 8] for start in range(0, len(value), 8))
    return format_html("<code>{}</code>", groups) if value else not_recorded()


def short_hash(value: str) -> str:
    return f"{value[:8]}…{value[-4:]}"


def short(value: Any) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= LONGEST_CELL else f"{text[: LONGEST_CELL - 1]}…"


def yes(value: object) -> str:
    return "yes" if value else "–"


def country(code: object) -> str:
    return countries.name(str(code)) or "not recorded"


def sentences(values: Any) -> SafeString:
    """A list of texts, one below the other."""
    lines = values if isinstance(values, list) else [values]
    return SafeString("<br>".join(format_html("{}", line) for line in lines))
