"""How facts are written on pages and in mails: sizes, hashes, dates, states, rulers, Markdown."""

import functools
import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import nh3
from django import template
from django.template import Context
from django.utils import timezone
from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.token import Token

register = template.Library()

NOT_RECORDED = mark_safe('<span class="none">not recorded</span>')
DOES_NOT_APPLY = mark_safe('<span aria-hidden="true">–</span><span class="hidden-label">does not apply</span>')
UNITS = ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB"))

# How far along a word is, in ticks of four, and its colour. Words that are not here are done: four ticks.
STATES = {
    "draft": "off s1",
    "registered": "off s1",
    "waiting": "off s1",
    "checking": "s2",
    "ingesting": "s2",
    "running": "s2",
    "pending": "wait s2",
    "ready": "s3",
    "scheduled": "s3",
    "ends soon": "wait s1",
    "erratum": "wait s3",
    "ended": "off s0",
    "replaced": "off s0",
    "superseded": "off s0",
    "withdrawn": "bad",
    "failed": "bad",
    "declined": "bad",
    "revoked": "bad",
}
# In text that was escaped: an address ends at a quotation mark, a blank or a bracket.
ADDRESS = re.compile(r"https?://[^\s'\"<>]+?(?=&(?:quot|#x27|lt|gt);|[\s)]|$)")
# More days than this and a tick of the ruler stands for several.
RULER_TICKS = 200
# A first word with a dot or an underscore inside it.
FILE_AT_HEAD = re.compile(r"\S*\w[._]\w")


def _sized(size: int | None, decimals: int) -> str:
    if size is None:
        return NOT_RECORDED
    for unit, name in UNITS:
        if size >= unit:
            return f"{size / unit:,.{decimals}f} {name}"
    return f"{size} bytes"


@register.filter
def size(value: int | None) -> str:
    """Decimal units with two decimals, for tables: 100.69 GB."""
    return _sized(value, 2)


@register.filter
def size1(value: int | None) -> str:
    """Decimal units with one decimal, for sentences: 100.7 GB."""
    return _sized(value, 1)


@register.filter
def unit_small(value: str) -> str:
    """A size with its unit set small, for large figures."""
    figure, blank, unit = value.rpartition(" ")
    return format_html("{} <small>{}</small>", figure, unit) if blank and not isinstance(value, SafeString) else value


@register.filter
def bytes_exact(value: int | None) -> str:
    return NOT_RECORDED if value is None else f"{value:,} bytes"


@register.filter
def number(value: int | None) -> str:
    """A count with its thousands parted: 6,405."""
    return NOT_RECORDED if value is None else f"{value:,}"


@register.filter
def spelled(value: int) -> str:
    """Small counts as words: two, and 12."""
    words = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    return words[value] if 0 <= value < len(words) else f"{value:,}"


@register.filter
def tesla(value: float) -> str:
    return f"{value:.2g} T"


@register.filter
def hash_short(value: str) -> str:
    """First eight and last four digits; the whole stands in SHA256SUMS."""
    return f"{value[:8]}…{value[-4:]}" if value else NOT_RECORDED


@register.filter
def hash_groups(value: str) -> str:
    """The whole hash in groups of eight, for eyes that compare."""
    return " ".join(value[i : i + 8] for i in range(0, len(value), 8)) if value else NOT_RECORDED


@register.filter
def recorded(value: Any) -> Any:
    """What is not known says so."""
    return NOT_RECORDED if value is None or value == "" else value


@register.filter
def applies(value: Any) -> Any:
    """What does not apply is an en dash, with words for those who listen."""
    return DOES_NOT_APPLY if value is None or value == "" else value


def _in_utc(value: date | datetime) -> date | datetime:
    return value.astimezone(UTC) if isinstance(value, datetime) and timezone.is_aware(value) else value


def _dated(value: date | datetime | None, month: str) -> str:
    if value is None:
        return NOT_RECORDED
    value = _in_utc(value)
    return f"{value.day} {value:{month} %Y}"


@register.filter
def day(value: date | datetime | None) -> str:
    """For tables: 12 Nov 2026."""
    return _dated(value, "%b")


@register.filter
def day_long(value: date | datetime | None) -> str:
    """For sentences: 12 November 2026."""
    return _dated(value, "%B")


@register.filter
def moment(value: datetime | None) -> str:
    """12 Nov 2026, 23:41 UTC."""
    return NOT_RECORDED if value is None else f"{day(value)}, {_in_utc(value):%H:%M} UTC"


# Raw HTML in Markdown is shown, not obeyed; this is the second fence. Style attributes would offend the policy of the
# pages, so columns are aligned by a class.
ALLOWED = {
    "a": {"href", "title"},
    "div": {"class", "role", "aria-label", "tabindex"},
    **{tag: {"class"} for tag in ("table", "th", "td")},
}
MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")


def _house_tokens(tokens: list[Token]) -> list[Token]:
    """Headings one step below the page's own, tables that scroll inside their frame."""
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1]) + 1)}"
        elif token.type == "table_open":
            token.attrSet("class", "table")
        elif token.type in ("th_open", "td_open") and token.attrs.pop("style", "") == "text-align:right":
            token.attrSet("class", "num")
    return tokens


@register.filter
@functools.lru_cache(maxsize=256)
def markdown(text: str) -> SafeString:
    """Markdown as HTML, without anything that could run."""
    html = MARKDOWN.renderer.render(_house_tokens(MARKDOWN.parse(text)), MARKDOWN.options, {})
    frame = '<div class="scroll" role="group" aria-label="Table" tabindex="0"><table'
    html = html.replace("<table", frame).replace("</table>", "</table></div>")
    return mark_safe(nh3.clean(html, attributes=ALLOWED, link_rel="noopener"))  # noqa: S308 - cleaned


@register.filter
def sentence(reason: str) -> str:
    """What a maintainer wrote as a reason, with a capital and a full stop. A file's name at its head stays as it is."""
    words = " ".join(reason.split())
    first = words if FILE_AT_HEAD.match(words) else f"{words[:1].upper()}{words[1:]}"
    return f"{first}{'' if words.endswith(('.', '!', '?')) else '.'}" if words else ""


@register.filter
def on_two_lines(tagline: str) -> SafeString:
    """A display title breaks after its first comma, where it breathes."""
    return mark_safe(escape(tagline).replace(", ", ",<br>", 1))  # noqa: S308 - escaped


@register.filter
def coloured(command: str) -> SafeString:
    """A command with its addresses in the accent, and nothing else of it."""
    return mark_safe(ADDRESS.sub(r'<span class="url">\g<0></span>', escape(command)))  # noqa: S308 - escaped


@register.simple_tag
def state(word: str, label: str = "") -> str:
    """A word and four ticks, as far along as it is: {% state release.status %}, {% state "pending" "in review" %}."""
    classes = STATES.get(str(word), "")
    return format_html('<span class="state {}">{}</span>', classes, label or word)


@register.simple_tag
def ruler(starts: datetime, ends: datetime, now: datetime | None = None) -> str:
    """The days of an access as ticks: gone ones grey, those left in the accent, today in ink."""
    now = min(max(now or timezone.now(), starts), ends)
    days, gone = max(1, (ends - starts).days), (now - starts).days
    each = -(-days // RULER_TICKS)
    width, at = 4 * -(-days // each), 4 * (gone // each)
    place = 100 * gone / days
    today = format_html('<text class="mid" x="{}%" y="53">today</text>', f"{place:.1f}") if 25 < place < 75 else ""
    return format_html(
        '<svg class="ruler" role="img" aria-label="{gone} of {days} days have passed, {left} are left">'
        '<svg viewBox="0 0 {width} 36" preserveAspectRatio="none" width="100%" height="36">'
        '<line class="gone" x1="0" x2="{at}" y1="24" y2="24" stroke-dasharray="1.6 2.4"/>'
        '<line class="left" x1="{at}" x2="{width}" y1="24" y2="24" stroke-dasharray="1.6 2.4"/>'
        '<rect class="now" x="{at}" width="2.6" height="36"/></svg>'
        '<text x="0" y="53">{starts}</text>{today}<text class="end" x="100%" y="53">{ends}</text></svg>',
        gone=gone,
        days=days,
        left=days - gone,
        width=width,
        at=at,
        today=today,
        starts=day_long(starts),
        ends=day_long(ends),
    )


@register.simple_tag
def comb(done: int, failed: int, running: int, waiting: int) -> str:
    """Pieces of work as ticks, in the order in which they end: done in the accent, failed in the colour of what is bad,
    at work in ink, to come in grey. Of many, a tick stands for several."""
    total = done + failed + running + waiting
    each = -(-total // RULER_TICKS)
    ends: list[int] = []
    at = 0
    for number in (done, failed, running, waiting):
        at += number
        # Whatever there is, is seen.
        ends.append(max(-(-at // each), (ends[-1] if ends else 0) + bool(number)))
    width = 4 * ends[-1]
    lines = format_html_join(
        "",
        '<line class="{}" x1="{}" x2="{}" y1="12" y2="12" stroke-dasharray="1.6 2.4"/>',
        (
            (kind, 4 * start, 4 * end)
            for kind, start, end in zip(("left", "bad", "at-work", "gone"), [0, *ends], ends, strict=False)
            if end > start
        ),
    )
    return format_html(
        '<svg class="ruler comb" role="img" aria-label="{} of {} are done, {} failed, {} at work, {} to come"'
        ' viewBox="0 0 {} 24" preserveAspectRatio="none">{}</svg>',
        *(done, total, failed, running, waiting, width, lines),
    )


@register.simple_tag
def share(done: int | None, whole: int | None, state: str = "", ticks: int = 30) -> str:
    """How much of one thing is done, as ticks: in the accent, or in the colour of what is bad where it failed."""
    percent = min(100, 100 * (done or 0) // whole) if whole else 0
    end = 4 * (ticks * percent // 100)
    kind = "bad" if state == "failed" else "left"
    return format_html(
        '<svg class="ruler comb share" role="img" aria-label="{} per cent" viewBox="0 0 {} 24"'
        ' preserveAspectRatio="none"><line class="gone" x1="{}" x2="{}" y1="12" y2="12" stroke-dasharray="1.6 2.4"/>'
        '<line class="{}" x1="0" x2="{}" y1="12" y2="12" stroke-dasharray="1.6 2.4"/></svg>',
        *(percent, 4 * ticks, end, 4 * ticks, kind, end),
    )


@register.filter
def duration(value: timedelta) -> str:
    """About how long something takes: less than a minute, 12 minutes, 3 hours."""
    minutes = round(value.total_seconds() / 60)
    if minutes < 1:
        return "less than a minute"
    count, unit = (minutes, "minute") if minutes < 120 else (round(minutes / 60), "hour")
    return f"about {count:,} {unit}{'' if count == 1 else 's'}"


@register.simple_tag(takes_context=True)
def here(context: Context, *names: str) -> str:
    """Marks a link of the header as the current page when its view is one of these."""
    match = getattr(context.get("request"), "resolver_match", None)
    return mark_safe(' aria-current="page"') if match and match.url_name in names else ""
