"""The signing page of somebody who signed an earlier version: what changed, why, and from when it counts."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import AgreementVersion, User
from datasets.models import Dataset
from tests.access import granted, offered, publish_next
from tests.factories import AgreementVersionFactory, UserFactory

pytestmark = pytest.mark.django_db
TEXT = "# Terms\n\n## Use\n\nResearch only.\n\n## Deletion\n\nWithin ninety days.\n"


@pytest.fixture
def dataset() -> Dataset:
    return offered(name="Knee", agreement=AgreementVersionFactory(number=1, text=TEXT).agreement)


@pytest.fixture
def user(client: Client) -> User:
    person = UserFactory()
    client.force_login(person)
    return person


def read(client: Client, dataset: Dataset) -> str:
    return " ".join(client.get(reverse("agreement", args=[dataset.slug])).content.decode().split())


def test_what_changed_stands_above_the_text_with_its_reasons(client: Client, user: User, dataset: Dataset) -> None:
    granted(user, dataset)
    sixty, thirty = TEXT.replace("ninety", "sixty"), TEXT.replace("ninety", "thirty")
    publish_next(dataset, due_in=timedelta(days=20), text=sixty, changes="Sixty is enough.")
    publish_next(dataset, due_in=timedelta(days=30), text=thirty, changes="So is *thirty*.")

    page = read(client, dataset)

    changed, _heading, text = page.partition('<article class="agreement"')
    assert "What changed since version 1" in changed
    assert "removed: </span>ninety" in changed
    assert "added: </span>thirty" in changed
    assert "<b>Unchanged:</b> What stands before the first clause · 1 Use" in changed
    assert "Sixty is enough." in changed
    assert "So is <em>thirty</em>." in changed
    assert "<ins>" not in text
    assert '<li class="changed"><a href="#c2">' in page
    for number in (1, 3):
        assert f'href="{reverse("agreement_text", args=[dataset.slug, number])}"' in changed


def test_new_statements_to_tick_are_named(client: Client, user: User, dataset: Dataset) -> None:
    granted(user, dataset)
    publish_next(
        dataset, text=TEXT, statements=[*AgreementVersion.objects.get().statements, "I will cite the release."]
    )

    page = read(client, dataset)

    assert re.search(r"The statements to tick</h3>.*Added:</span> <ins>I will cite the release\.</ins>", page)


def test_who_signed_before_an_editorial_version_sees_what_it_corrects_and_no_form(
    client: Client, user: User, dataset: Dataset
) -> None:
    granted(user, dataset)
    publish_next(dataset, text=TEXT.replace("ninety", "90"), editorial=True)

    page = read(client, dataset)

    assert "corrects the wording only; nothing more is to be signed" in page
    assert "added: </span>90" in page
    assert "typed_name" not in page


def test_who_signed_nothing_or_the_newest_sees_no_difference(client: Client, user: User, dataset: Dataset) -> None:
    publish_next(dataset, text=TEXT.replace("ninety", "thirty"))
    assert "What changed since" not in read(client, dataset)
    granted(user, dataset)
    assert "What changed since" not in read(client, dataset)
    client.logout()
    assert "What changed since" not in read(client, dataset)


def test_a_hostile_text_is_shown_and_not_obeyed(client: Client, user: User, dataset: Dataset) -> None:
    granted(user, dataset)
    publish_next(dataset, text=TEXT + "\n<script>alert(1)</script> [x](javascript:alert(1))\n")

    page = read(client, dataset)

    assert "&lt;script&gt;alert(1)&lt;/script&gt; [x](javascript:alert(1))" in page
    assert "<script>alert" not in page


def test_the_page_needs_the_same_queries_however_many_versions_there_are(
    client: Client, user: User, dataset: Dataset
) -> None:
    granted(user, dataset)

    def queries(more: int) -> int:
        for _each in range(more):
            publish_next(dataset, changes="Once more.")
        with CaptureQueriesContext(connection) as seen:
            read(client, dataset)
        return len(seen)

    queries(1)
    assert queries(1) == queries(10)
