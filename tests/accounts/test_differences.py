"""What differs between two versions of an agreement, as a reader would tell it."""

import random
import re

import pytest
from django.template.loader import render_to_string

from accounts.services.differences import ClauseChange, Difference, Effort, Unchanged, compare_texts, compare_words
from accounts.services.differences.clauses import LINES

TERMS = """\
# Terms

Between the Provider and the Recipient.

## Use

Research only. The Recipient deletes what was withdrawn within ninety days.

- Teaching in the own institution
- Figures of single slices

## Publication

Cite the paper, and [the site](https://one.example.org).

| split | volumes |
|---|--:|
| train | 118 |
| validation | 20 |

## Deletion

Everything is deleted at the end of the term, copies included.

## Warranty

There is none at all.
"""


def compared(old: str, new: str, before: list[str] | None = None, after: list[str] | None = None) -> Difference:
    return compare_texts(old, new, before or [], after or [], Effort())


def told(difference: Difference) -> list[str]:
    """A line for each part that differs: what became of it, and its words with [-these gone-] and {+these come+}."""
    lines = []
    for section in difference.sections:
        if isinstance(section, Unchanged):
            lines.append(f"unchanged: {', '.join(section.names)}")
            continue
        lines.append(f"{'moved ' * section.is_moved}{section.state}: {section.clause.number} {marked(section.title)}")
        for group in section.groups:
            lines += [
                f"  {line.state}: {' | '.join(marked(cell) for cell in line.cells)}"
                for line in group.lines
                if line.state != "same"
            ]
    return lines


def marked(runs: tuple) -> str:
    signs = {"same": "{}", "added": "{{+{}+}}", "removed": "[-{}-]"}
    return "".join(run.lead + signs[run.state].format(run.body) for run in runs)


def html_of(difference: Difference) -> str:
    return render_to_string("accounts/differences/difference.html", {"difference": difference})


class TestWords:
    def test_words_inside_a_paragraph_are_marked_and_the_rest_is_left_alone(self) -> None:
        new = TERMS.replace("ninety days", "thirty days and confirms it")
        sentence = "Research only. The Recipient deletes what was withdrawn within"

        assert told(compared(TERMS, new)) == [
            "unchanged: What stands before the first clause",
            "changed: 1 Use",
            f"  changed: {sentence} [-ninety-] {{+thirty+}} days {{+and confirms it+}}.",
            "unchanged: 2 Publication, 3 Deletion, 4 Warranty",
        ]

    def test_a_link_that_leads_elsewhere_is_a_change(self) -> None:
        [line] = [line for line in told(compared(TERMS, TERMS.replace("one.example", "two.example"))) if "  " in line]
        assert "the site (https://[-one-]{+two+}.example.org)." in line

    def test_common_words_between_rare_ones_do_not_scatter_a_sentence(self) -> None:
        runs = compare_words(
            "Whoever has signed may read the data on any computer.",
            "Nobody else can open the archives without a link.",
            Effort(),
        )
        assert len([run for run in runs if run.state == "same"]) <= 1

    @pytest.mark.parametrize("seed", range(20))
    def test_both_texts_can_be_read_out_of_any_difference(self, seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311 (a seed, no secret)
        old, new = (" ".join(chance.choices("abc", k=chance.randint(0, 40))) for _each in range(2))
        runs = compare_words(old, new, Effort())
        for text, gone in ((old, "added"), (new, "removed")):
            words = " ".join(run.text for run in runs if run.state != gone).split()
            assert words == text.split()

    def test_scripts_without_blanks_are_compared_character_by_character(self) -> None:
        assert marked(compare_words("数据仅供研究", "数据仅供教学", Effort())) == "数据仅供[-研究-]{+教学+}"


class TestClauses:
    def test_a_new_clause_renumbers_the_others_and_changes_none_of_them(self) -> None:
        new = TERMS.replace("## Use", "## Models\n\nWeights may be published.\n\n## Use")

        assert told(compared(TERMS, new)) == [
            "unchanged: What stands before the first clause",
            "added: 1 {+Models+}",
            "  added: {+Weights may be published.+}",
            "unchanged: 2 Use, 3 Publication, 4 Deletion, 5 Warranty",
        ]

    def test_a_clause_that_is_gone_stands_where_it_stood(self) -> None:
        new = re.sub(r"## Publication.*?(?=## Deletion)", "", TERMS, flags=re.DOTALL)

        lines = told(compared(TERMS, new))

        assert lines[:2] == ["unchanged: What stands before the first clause, 1 Use", "removed: 2 [-Publication-]"]
        assert lines[-1] == "unchanged: 2 Deletion, 3 Warranty"

    def test_a_clause_that_moved_is_neither_removed_nor_added(self) -> None:
        deletion = "## Deletion\n\nEverything is deleted at the end of the term, copies included.\n\n"
        new = TERMS.replace(deletion, "").replace("## Use", f"{deletion}## Use")

        difference = compared(TERMS, new)

        assert told(difference) == [
            "unchanged: What stands before the first clause",
            "moved same: 1 Deletion",
            "unchanged: 2 Use, 3 Publication, 4 Warranty",
        ]
        assert "Its words are as they were." in html_of(difference)
        assert (difference.added, difference.removed) == (0, 0)

    def test_headings_numbered_by_hand_may_be_renumbered(self) -> None:
        old = "## 1. Use\n\nResearch.\n\n### 1.1 Teaching\n\nToo.\n\n## Article 2: Deletion\n\nAll of it.\n"
        new = "## 1. Models\n\nWeights.\n\n## 2. Use\n\nResearch.\n\n### 2.1 Teaching\n\nToo.\n\n"
        new += "## Article 3: Deletion\n\nAll of it.\n"

        assert told(compared(old, new)) == [
            "added: 1. {+Models+}",
            "  added: {+Weights.+}",
            "unchanged: 2. Use, 3 Article 3: Deletion",
        ]

    def test_a_clause_under_another_title_is_found_by_its_words(self) -> None:
        new = TERMS.replace("## Warranty\n\nThere is none at all.", "## No warranty\n\nThere is none.")
        assert told(compared(TERMS, new))[-2:] == [
            "changed: 4 [-Warranty-]{+No warranty+}",
            "  changed: There is none [-at all-].",
        ]

    def test_clauses_of_the_same_title_keep_to_their_words(self) -> None:
        old = "## Use\n\nThe first of two.\n\n## Use\n\nThe second, which is longer.\n"
        new = "## Use\n\nThe second, which is longer.\n"

        assert told(compared(old, new)) == [
            "removed: 1 [-Use-]",
            "  removed: [-The first of two.-]",
            "unchanged: 1 Use",
        ]

    def test_a_paragraph_that_went_to_another_clause_is_said_to_have_moved(self) -> None:
        sentence = "Colleagues register and sign in their own name."
        old = TERMS.replace("Research only.", f"{sentence}\n\nResearch only.")
        new = TERMS.replace("There is none", f"{sentence}\n\nThere is none")

        difference = compared(old, new)

        html = html_of(difference)
        assert "Moved to “4 Warranty”:" in html
        assert "Moved here from “1 Use”:" in html
        assert (difference.added, difference.removed) == (0, 0)


class TestListsAndTables:
    def test_an_item_between_others_is_added_alone_though_all_after_it_are_renumbered(self) -> None:
        old, new = "1. one of them\n2. two of them\n", "1. one of them\n2. between the two\n3. two of them\n"

        difference = compared(old, new)

        assert told(difference)[1:] == ["  added: {+between the two+}"]
        assert "3. two of them" in html_of(difference)

    def test_rows_and_cells_of_a_table_are_compared(self) -> None:
        new = TERMS.replace("| train | 118 |", "| train | 119 |").replace("| validation | 20 |\n", "")

        assert [line for line in told(compared(TERMS, new)) if line.startswith("  ")] == [
            "  changed: train | [-118-]{+119+}",
            "  removed: [-validation-] | [-20-]",
        ]

    def test_another_column_leaves_the_others_alone(self) -> None:
        old = "| a | b |\n|---|---|\n| 1 | 2 |\n"
        new = "| a | new | b |\n|---|---|---|\n| 1 | x | 2 |\n"

        assert told(compared(old, new))[1:] == ["  changed: a | {+new+} | b", "  changed: 1 | {+x+} | 2"]

    def test_a_paragraph_that_became_an_item_with_the_same_words_did_not_change(self) -> None:
        assert compared("The same words.\n", "- The same words.\n").is_empty

    def test_long_stretches_that_stayed_are_folded_but_for_what_stands_beside_a_change(self) -> None:
        parts = [f"Paragraph number {number} of these." for number in range(20)]
        old = "\n\n".join(parts)

        html = html_of(compared(old, old.replace("number 9 ", "number nine ")))

        shown = re.sub(r"<details>.*?</details>", "", html, flags=re.DOTALL)
        assert "<summary>8 parts that did not change</summary>" in html
        assert re.findall(r"Paragraph number (\d+)", re.sub(r"<[^>]*>", "", shown)) == ["8", "10"]


class TestStatements:
    def test_statements_that_are_new_gone_or_reworded_are_shown_and_others_are_not(self) -> None:
        before = ["I have read it.", "I will cite the paper in print.", "I will delete archives within ninety days."]
        after = ["I have read it.", "I will delete archives within thirty days.", "My colleagues sign for themselves."]

        lines = compared(TERMS, TERMS, before, after).statements

        assert [f"{line.state}: {marked(line.cells[0])}" for line in lines] == [
            "removed: [-I will cite the paper in print.-]",
            "changed: I will delete archives within [-ninety-] {+thirty+} days.",
            "added: {+My colleagues sign for themselves.+}",
        ]

    def test_statements_are_shown_when_the_text_is_the_same(self) -> None:
        difference = compared(TERMS, TERMS, ["One."], ["Another."])
        assert not difference.is_empty
        assert "The statements to tick" in html_of(difference)


class TestShowing:
    HOSTILE = (
        "<script>alert(1)</script>",
        "[x](javascript:alert(1))",
        '"><img src=x onerror=alert(1)>',
        "![x](https://example.org/track.png)",
        "<details open ontoggle=alert(1)>",
        "| a</td><script> | b |\n|---|---|\n| <i>1</i> | 2 |",
        "{{ request }} {% load %}",
    )

    @pytest.mark.parametrize("hostile", HOSTILE)
    def test_what_is_hostile_is_shown_and_not_obeyed(self, hostile: str) -> None:
        for old, new in ((TERMS, TERMS + hostile), (TERMS + hostile, TERMS), (f"## {hostile}\n", "## Quiet\n")):
            tags = re.findall(r"<[^>]*>", html_of(compared(old, new, [hostile], ["I agree."])))
            assert not [tag for tag in tags if re.search(r"script|img|onerror|ontoggle|<i>|style=|href", tag)]

    def test_no_mark_is_told_by_colour_alone(self) -> None:
        html = html_of(compared(TERMS, TERMS.replace("ninety", "thirty").replace("There is none at all.", "")))

        assert '<ins><span class="hidden-label">added: </span>thirty' in html
        assert '<del><span class="hidden-label">removed: </span>ninety' in html
        assert re.search(r'<span class="what">Removed:</span>\s*<del>There is none at all\.</del>', html)

    def test_what_only_looks_otherwise_is_said_to_have_every_word(self) -> None:
        difference = compared(TERMS, TERMS.replace("ninety", "**ninety**"))
        assert "Every word is as it was; only how it is laid out differs." in html_of(difference)

    def test_equal_texts_are_said_to_be_equal(self) -> None:
        assert "The two texts are the same, letter for letter." in html_of(compared(TERMS, TERMS))


SIZE = 200_000


def scribble(alphabet: str, *, seed: int, gap: str = "\n\n") -> str:
    chance = random.Random(seed)  # noqa: S311 (a seed, no secret)
    words = ("".join(chance.choices(alphabet, k=chance.randint(1, 8))) for _each in range(SIZE // 4))
    text = "".join(f"{word}{gap if chance.random() < 0.02 else ' '}" for word in words)
    return text[:SIZE]


LARGE = {
    "other words": (scribble("abcdefgh", seed=1), scribble("klmnopqr", seed=2)),
    "the same words in another order": (scribble("ab", seed=3), scribble("ab", seed=4)),
    "one paragraph": (scribble("ab", seed=5, gap=" "), scribble("ab", seed=6, gap=" ")),
    "two words": ("a b " * (SIZE // 4), "b a a " * (SIZE // 6)),
    "paragraphs of a letter": ("a\n\nb\n\n" * (SIZE // 6), "b\n\na\n\na\n\n" * (SIZE // 9)),
    "headings": ("## a\n" * (SIZE // 5), "## b\n" * (SIZE // 5)),
    "clauses": tuple(
        "".join(f"## {side}{number}\n\n{scribble('ab', seed=number + ord(side))[:2000]}\n\n" for number in range(95))
        for side in "xy"
    ),
}


@pytest.mark.parametrize("name", LARGE)
def test_two_texts_of_the_largest_size_are_compared_with_bounded_effort_and_shown_in_part(name: str) -> None:
    old, new = LARGE[name]
    effort = Effort()

    difference = compare_texts(old, new, [], [], effort)

    shown = [section for section in difference.sections if isinstance(section, ClauseChange)]
    assert effort.spent <= effort.limit
    assert difference.clauses
    assert sum(1 + sum(len(group.lines) for group in section.groups) for section in shown) <= LINES + 1


def test_effort_that_is_refused_makes_the_answer_coarser_and_not_wrong() -> None:
    new = TERMS.replace("ninety", "thirty")

    difference = compare_texts(TERMS, new, [], [], Effort(limit=0))

    assert told(difference) == [
        "unchanged: What stands before the first clause",
        "changed: 1 Use",
        "  removed: [-Research only. The Recipient deletes what was withdrawn within ninety days.-]",
        "  added: {+Research only. The Recipient deletes what was withdrawn within thirty days.+}",
        "unchanged: 2 Publication, 3 Deletion, 4 Warranty",
    ]
