"""Every page of the admin, of every model that has one: how many queries it needs, and what it does not show."""

import re
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from html import unescape
from typing import Any

import pytest
from django import forms
from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.widgets import AutocompleteMixin
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.db.models import Model
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django.asserts import assertHTMLEqual

from accounts.admin.pages import HouseAdmin
from accounts.models import Agreement, AgreementVersion, Deletion, OutgoingMail, Receipt, Signature, User
from datasets.models import (
    AccessGrant,
    AccessRequest,
    Archive,
    Dataset,
    DownloadLink,
    DownloadRecord,
    Drift,
    Erratum,
    EvidenceAnchor,
    FixityCheck,
    Ingest,
    Notice,
    Preview,
    Release,
    Volume,
)
from tests import factories
from tests.maintainers import maintainer

pytestmark = pytest.mark.django_db


def as_params(pages: Iterable[admin.ModelAdmin]) -> list[Any]:
    return [pytest.param(page, id=page.opts.model_name) for page in pages]


PAGES = as_params(admin.site._registry.values())
FEW, MANY = 3, 30


def make_mails(number: int) -> None:
    for user in factories.UserFactory.create_batch(number):
        OutgoingMail.objects.create(template="access/link", to=user.email, user=user)


def make_log(number: int) -> None:
    content_type = ContentType.objects.get_for_model(User)
    for user in factories.UserFactory.create_batch(number):
        LogEntry.objects.create(user=user, content_type=content_type, object_repr="a list", action_flag=CHANGE)


def make_groups(number: int) -> None:
    first = Group.objects.count()
    Group.objects.bulk_create([Group(name=f"group {first + each}") for each in range(number)])


def make_anchors(number: int) -> None:
    first = date(2026, 1, 1) + timedelta(days=EvidenceAnchor.objects.count())
    EvidenceAnchor.objects.bulk_create([EvidenceAnchor(day=first + timedelta(days=each)) for each in range(number)])


def make_receipts(number: int) -> None:
    Receipt.objects.bulk_create([Receipt(signature=row) for row in factories.SignatureFactory.create_batch(number)])


def make_deletions(number: int) -> None:
    Deletion.objects.bulk_create([Deletion(user=user) for user in factories.UserFactory.create_batch(number)])


MAKERS: dict[type[Model], Callable[[int], Any]] = {
    User: factories.UserFactory.create_batch,
    Agreement: factories.AgreementFactory.create_batch,
    AgreementVersion: factories.AgreementVersionFactory.create_batch,
    Signature: factories.SignatureFactory.create_batch,
    OutgoingMail: make_mails,
    Receipt: make_receipts,
    Deletion: make_deletions,
    LogEntry: make_log,
    Group: make_groups,
    Dataset: factories.DatasetFactory.create_batch,
    Release: factories.ReleaseFactory.create_batch,
    Archive: factories.ArchiveFactory.create_batch,
    Volume: factories.VolumeFactory.create_batch,
    AccessRequest: factories.AccessRequestFactory.create_batch,
    AccessGrant: factories.AccessGrantFactory.create_batch,
    DownloadLink: factories.DownloadLinkFactory.create_batch,
    DownloadRecord: factories.DownloadRecordFactory.create_batch,
    Erratum: factories.ErratumFactory.create_batch,
    EvidenceAnchor: make_anchors,
    Notice: factories.NoticeFactory.create_batch,
    Preview: factories.PreviewFactory.create_batch,
    Ingest: factories.IngestFactory.create_batch,
    FixityCheck: factories.FixityCheckFactory.create_batch,
    Drift: factories.DriftFactory.create_batch,
}


def for_person(user: User, number: int) -> None:
    """All that the page of a person shows below."""
    for _each in range(number):
        signature = factories.SignatureFactory(user=user)
        factories.AccessGrantFactory(user=user)
        factories.AccessRequestFactory(user=user)
        user.emailaddress_set.create(email=f"{signature.pk}@example.org")  # type: ignore[attr-defined]


def for_request(request: AccessRequest, number: int) -> None:
    factories.AccessRequestFactory.create_batch(number, user=request.user)


def for_release(release: Release, number: int) -> None:
    """Archives, and a long history."""
    for each, _archive in enumerate(factories.ArchiveFactory.create_batch(number, release=release)):
        release.summary = f"in short: {each}"
        release.save()


def for_version(version: AgreementVersion, number: int) -> None:
    """Who signed, and who holds access and has not."""
    for _each in range(number):
        factories.SignatureFactory(version=version)
        factories.AccessGrantFactory(dataset__agreement=version.agreement)


# What makes the page of one row longer.
CHILDREN: dict[type[Model], Callable[[Any, int], Any]] = {
    User: for_person,
    Agreement: lambda row, number: factories.AgreementVersionFactory.create_batch(number, agreement=row),
    AgreementVersion: for_version,
    Dataset: lambda row, number: factories.ReleaseFactory.create_batch(number, dataset=row),
    Release: for_release,
    Archive: lambda row, number: factories.VolumeFactory.create_batch(number, archive=row),
    AccessRequest: for_request,
    AccessGrant: lambda row, number: [
        factories.DownloadLinkFactory(grant=row, release__dataset=row.dataset) for _each in range(number)
    ],
    DownloadLink: lambda row, number: factories.DownloadRecordFactory.create_batch(number, link=row),
}


def address(page: admin.ModelAdmin, kind: str, *args: object) -> str:
    return reverse(f"admin:{page.opts.app_label}_{page.opts.model_name}_{kind}", args=args)


def read(client: Client, path: str) -> tuple[int, str]:
    """The number of queries of a page, and the page."""
    with CaptureQueriesContext(connection) as seen:
        response = client.get(path)
    assert response.status_code == 200, f"{path} answered {response.status_code}"
    return len(seen), response.content.decode()


def links_of(html: str) -> set[str]:
    """The list narrowed or sorted in every way that it offers."""
    return {unescape(found) for found in re.findall(r'href="(\?[^"]+)"', html)}


def may(page: admin.ModelAdmin, user: User) -> dict[str, bool]:
    request = RequestFactory().get("/")
    request.user = user
    return page.get_model_perms(request)


def test_every_page_is_tested_here() -> None:
    assert {page.model for page in admin.site._registry.values()} == set(MAKERS)


@pytest.mark.parametrize("page", PAGES)
def test_list_needs_the_same_queries_for_few_rows_and_for_many(page: admin.ModelAdmin, client: Client) -> None:
    maintainer(client)
    path = address(page, "changelist")
    MAKERS[page.model](FEW)
    _warm, html = read(client, path)
    ways = sorted({f"{path}{link}" for link in links_of(html)} | {path, f"{path}?q=researcher", f"{path}?q=no+such"})
    few = {way: read(client, way)[0] for way in ways}
    MAKERS[page.model](MANY - FEW)
    # A filter lists the datasets, of which there are more now: its links are others, its queries the same.
    many = {way: read(client, way)[0] for way in ways}
    assert many == few
    assert max(many.values()) <= 16


@pytest.mark.parametrize("page", as_params(admin.site._registry[model] for model in CHILDREN))
def test_page_of_a_row_needs_the_same_queries_however_much_belongs_to_it(
    page: admin.ModelAdmin, client: Client
) -> None:
    maintainer(client)
    MAKERS[page.model](1)
    row = page.model._default_manager.latest("pk")
    path = address(page, "change", row.pk)
    CHILDREN[page.model](row, FEW)
    read(client, path)
    few, _html = read(client, path)
    CHILDREN[page.model](row, MANY - FEW)
    many, _html = read(client, path)
    assert many == few
    assert many <= 24


@pytest.mark.parametrize("page", PAGES)
def test_page_of_a_row_and_add_form_need_the_same_queries_whatever_else_there_is(
    page: admin.ModelAdmin, client: Client
) -> None:
    user = maintainer(client)
    MAKERS[page.model](FEW)
    row = page.model._default_manager.latest("pk")
    ways = [address(page, "change", row.pk)] + [address(page, "add")] * may(page, user)["add"]
    for way in ways:
        read(client, way)
    few = {way: read(client, way)[0] for way in ways}
    MAKERS[page.model](MANY - FEW)
    assert {way: read(client, way)[0] for way in ways} == few


@pytest.mark.parametrize("page", PAGES)
def test_foreign_keys_are_chosen_by_autocompletion(page: admin.ModelAdmin, client: Client) -> None:
    """A menu of all rows would be as long as the table."""
    request = RequestFactory().get("/")
    request.user = factories.StaffFactory()
    if not any(may(page, request.user)[what] for what in ("add", "change")):
        return
    for name, field in page.get_form(request)().fields.items():
        if isinstance(field, forms.ModelChoiceField) and name != "permissions":
            assert isinstance(field.widget.widget, AutocompleteMixin), name


@pytest.mark.parametrize("page", PAGES)
def test_autocompletion_needs_the_same_queries_for_few_rows_and_for_many(
    page: admin.ModelAdmin, client: Client
) -> None:
    maintainer(client)
    for name in page.autocomplete_fields:
        target = page.model._meta.get_field(name).related_model
        assert isinstance(target, type)
        path = (
            f"{reverse('admin:autocomplete')}?term=a&app_label={page.opts.app_label}"
            f"&model_name={page.opts.model_name}&field_name={name}"
        )
        MAKERS[target](FEW)
        read(client, path)
        few, _json = read(client, path)
        MAKERS[target](MANY - FEW)
        assert read(client, path)[0] == few


EVIDENCE = [
    *(Signature, DownloadRecord, DownloadLink, OutgoingMail, AccessGrant, AccessRequest, Volume, LogEntry, Notice),
    Preview,
    Ingest,
    FixityCheck,
    Drift,
]


@pytest.mark.parametrize("model", EVIDENCE)
def test_evidence_is_read_only_for_superusers_too(model: type[Model], client: Client) -> None:
    user = maintainer(client)
    page = admin.site._registry[model]
    MAKERS[model](1)
    row = model._default_manager.latest("pk")
    assert may(page, user) == {"add": False, "change": False, "delete": False, "view": True}
    refused = [
        client.get(address(page, "add")),
        client.post(address(page, "add"), {}),
        client.post(address(page, "change", row.pk), {"reason": "forged"}),
        client.post(address(page, "delete", row.pk), {"post": "yes"}),
    ]
    assert [response.status_code for response in refused] == [403] * 4
    chosen = {"action": "delete_selected", "_selected_action": row.pk, "post": "yes"}
    client.post(address(page, "changelist"), chosen)
    assert model._default_manager.filter(pk=row.pk).exists()


@pytest.mark.parametrize(
    ("model", "guess"),
    [
        (User, "password__startswith=md5"),
        (User, "research_purpose__contains=a"),
        (Signature, "salt__startswith=0"),
        (DownloadLink, "nonce__gt=0"),
        (DownloadLink, "grant__user__password__startswith=md5"),
        (OutgoingMail, "keys__nonce__startswith=a"),
    ],
)
def test_columns_cannot_be_guessed_by_an_address(model: type[Model], guess: str, client: Client) -> None:
    maintainer(client)
    assert client.get(f"{address(admin.site._registry[model], 'changelist')}?{guess}").status_code == 400


ODD = ["q=%00", "q=" + "x" * 3000, "q=%26%7C!%3A*'", "o=99.-x", "p=0", "p=abc", "p=99999999999999999999", "all="]


@pytest.mark.parametrize("page", PAGES)
def test_odd_addresses_of_lists_are_no_errors(page: admin.ModelAdmin, client: Client) -> None:
    maintainer(client)
    for ask in ODD:
        response = client.get(f"{address(page, 'changelist')}?{ask}", follow=True)
        assert response.status_code == 200, ask


@pytest.mark.parametrize("ask", ["country=%00", "date_joined_from=%00", "date_joined_from=2026-13-45", "position=%00"])
def test_odd_values_of_filters_are_no_errors(ask: str, client: Client) -> None:
    maintainer(client)
    response = client.get(f"{reverse('admin:accounts_user_changelist')}?{ask}", follow=True)
    assert response.status_code in (200, 400)


@pytest.mark.parametrize("page", PAGES)
def test_pages_of_rows_that_do_not_exist_lead_back(page: admin.ModelAdmin, client: Client) -> None:
    maintainer(client)
    base = address(page, "changelist")
    for number in ("0", "99999999999999999999", "x", "%00", "1_2F"):
        for path in (f"{base}{number}/change/", f"{base}{number}/history/", f"{base}{number}/decide/approve/"):
            assert client.get(path, follow=True).status_code in (200, 404), path


@pytest.mark.parametrize("page", PAGES)
def test_rows_that_cannot_be_are_not_chosen(page: admin.ModelAdmin, client: Client) -> None:
    user = maintainer(client)
    MAKERS[page.model](1)
    path = address(page, "changelist")
    request = RequestFactory().get("/")
    request.user = user
    for action in page.get_actions(request):
        for number in ("x", "\0", "9" * 30, "-1", "1_2"):
            response = client.post(path, {"action": action, "_selected_action": number}, follow=True)
            assert response.status_code == 200
            assert "Nothing was chosen." in response.content.decode()


def test_the_box_that_chooses_a_row_is_djangos_own() -> None:
    person = factories.UserFactory(name='<b>"Quiet" Reader</b>', email="a&b'c@example.org")
    page: Any = admin.site.get_model_admin(User)
    assertHTMLEqual(page.action_checkbox(person), super(HouseAdmin, page).action_checkbox(person))


@pytest.mark.parametrize("page", PAGES)
def test_odd_words_complete_to_nothing(page: admin.ModelAdmin, client: Client) -> None:
    maintainer(client)
    for name in page.autocomplete_fields:
        target = page.model._meta.get_field(name).related_model
        assert isinstance(target, type)
        MAKERS[target](1)
        field = f"app_label={page.opts.app_label}&model_name={page.opts.model_name}&field_name={name}"
        for term in ("%00", "a%00", "x" * 3000, "9" * 30):
            response = client.get(f"{reverse('admin:autocomplete')}?term={term}&{field}")
            assert response.status_code == 200
            assert response.json()["results"] == []
