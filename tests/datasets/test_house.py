"""How facts are written: sizes, hashes, dates, states, rulers, Markdown."""

import re
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from django.template import Context, Template

from datasets.templatetags import house


@pytest.mark.parametrize(
    ("value", "table", "sentence"),
    [
        (0, "0 bytes", "0 bytes"),
        (999, "999 bytes", "999 bytes"),
        (2_400, "2.40 kB", "2.4 kB"),
        (300_000_000, "300.00 MB", "300.0 MB"),
        (100_694_526_932, "100.69 GB", "100.7 GB"),
        (1_980_000_000_000, "1.98 TB", "2.0 TB"),
        (6_300_000_000_000_000, "6,300.00 TB", "6,300.0 TB"),
    ],
)
def test_sizes_are_decimal(value: int, table: str, sentence: str) -> None:
    assert (house.size(value), house.size1(value)) == (table, sentence)


def test_what_is_unknown_says_so() -> None:
    filters = (house.size, house.size1, house.bytes_exact, house.number, house.day, house.day_long, house.moment)
    for written in (*(write(None) for write in filters), house.hash_short(""), house.hash_groups("")):
        assert "not recorded" in written
    assert house.recorded("15") == "15"
    assert house.recorded(0) == 0
    assert "does not apply" in house.applies("")


def test_hashes_are_short_in_tables_and_whole_in_groups() -> None:
    sha256 = "22abda90" + "0" * 52 + "219f"

    assert house.hash_short(sha256) == "22abda90…219f"
    assert house.hash_groups(sha256).split() == [sha256[i : i + 8] for i in range(0, 64, 8)]


def test_dates_are_those_of_utc() -> None:
    late = datetime(2026, 11, 12, 1, 30, tzinfo=timezone(timedelta(hours=2)))

    assert house.day(late) == "11 Nov 2026"
    assert house.day_long(late) == "11 November 2026"
    assert house.moment(late) == "11 Nov 2026, 23:30 UTC"
    assert house.day(date(2026, 11, 12)) == "12 Nov 2026"


@pytest.mark.parametrize(
    ("word", "classes"), [("published", "state "), ("pending", "state wait s2"), ("withdrawn", "state bad")]
)
def test_a_state_is_a_word_with_its_ticks(word: str, classes: str) -> None:
    assert house.state(word) == f'<span class="{classes}">{word}</span>'
    assert house.state(word, "<b>") == f'<span class="{classes}">&lt;b&gt;</span>'


@pytest.mark.parametrize(("passed", "left"), [(-3, 180), (0, 180), (96, 84), (180, 0), (400, 0)])
def test_a_ruler_counts_the_days(passed: int, left: int) -> None:
    starts = datetime(2026, 1, 1, tzinfo=UTC)

    svg = house.ruler(starts, starts + timedelta(days=180), starts + timedelta(days=passed))

    assert f'aria-label="{180 - left} of 180 days have passed, {left} are left"' in svg
    assert "30 June 2026" in svg
    assert "style=" not in svg


def test_a_ruler_of_years_and_of_hours_is_drawn() -> None:
    starts = datetime(2026, 1, 1, tzinfo=UTC)

    years = house.ruler(starts, starts + timedelta(days=3650), starts + timedelta(days=1825))
    hours = house.ruler(starts, starts + timedelta(hours=5), starts + timedelta(hours=2))

    assert "1825 are left" in years
    assert "0 of 1 days have passed" in hours


def test_only_the_addresses_of_a_command_are_coloured() -> None:
    command = "echo 'url = \"https://portal.example.org/get/a-1/x?only=a&only=b\"' > <k> && sh k.sh"

    html = house.coloured(command)

    address = "https://portal.example.org/get/a-1/x?only=a&amp;only=b"
    assert f'&quot;<span class="url">{address}</span>&quot;' in html
    assert html.count("<span") == 1
    assert "&lt;k&gt; &amp;&amp; sh k.sh" in html


def test_reasons_become_sentences() -> None:
    assert house.sentence("two volumes\ncarried dates") == "Two volumes carried dates."
    assert house.sentence("Why? ") == "Why?"
    assert house.sentence("knee_val.tar.gz ends at byte 7") == "knee_val.tar.gz ends at byte 7."
    assert house.sentence("k-space is empty. See below") == "K-space is empty. See below."
    assert house.sentence("") == ""


def test_markdown_headings_stand_below_the_pages_own_and_tables_scroll() -> None:
    html = house.markdown("# One\n\n###### Six\n\n| a |\n|--:|\n| 1 |")

    assert "<h2>One</h2>" in html
    assert "<h6>Six</h6>" in html
    assert '<div class="scroll" role="group" aria-label="Table" tabindex="0"><table class="table">' in html
    assert "style=" not in html


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "[a](javascript:alert(1))",
        '<img src=x onerror="alert(1)">',
        "[a](data:text/html;base64,PHNjcmlwdD4=)",
        '<p style="color:red">x</p>',
    ],
)
def test_nothing_in_markdown_runs(text: str) -> None:
    html = house.markdown(text)

    for danger in ("<script", "<img", "<p style", 'href="javascript', 'href="data'):
        assert danger not in html


def test_display_titles_break_after_their_first_comma() -> None:
    template = Template("{% load house %}{{ title|on_two_lines }}")

    assert template.render(Context({"title": "Raw <data>, as heard, twice"})) == "Raw &lt;data&gt;,<br>as heard, twice"


class TestComb:
    @pytest.mark.parametrize("counts", [(0, 0, 0, 1), (2, 1, 1, 3), (5, 0, 0, 0), (9_998, 1, 1, 0), (0, 1, 1, 90_000)])
    def test_whatever_there_is_is_seen_and_nothing_else(self, counts: tuple[int, int, int, int]) -> None:
        drawn = house.comb(*counts)
        seen = [f'class="{kind}"' in drawn for kind in ("left", "bad", "at-work", "gone")]
        assert seen == [bool(count) for count in counts]
        assert f"{counts[0]} of {sum(counts)} are done" in drawn
        spans = [(int(start), int(end)) for start, end in re.findall(r'x1="(\d+)" x2="(\d+)"', drawn)]
        assert spans[0][0] == 0
        assert all(before[1] == after[0] for before, after in pairwise(spans))
        assert 0 < spans[-1][1] <= 4 * (house.RULER_TICKS + 4)

    @pytest.mark.parametrize(
        ("seconds", "words"),
        [(0, "less than a minute"), (59, "about 1 minute"), (720, "about 12 minutes"), (10_800, "about 3 hours")],
    )
    def test_how_long_something_takes_is_said_roughly(self, seconds: int, words: str) -> None:
        assert house.duration(timedelta(seconds=seconds)) == words
