"""The admin's lists read indexes: nothing in them grows with the tables that grow with the people."""

import hashlib
import uuid
from datetime import datetime, timedelta
from urllib.parse import quote

import pytest
from django.contrib import admin
from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.test import Client, RequestFactory
from django.utils import timezone

from accounts.admin import lists
from accounts.models import Bounce, OutgoingMail, Signature, User
from datasets.models import (
    AccessGrant,
    AccessRequest,
    Archive,
    DailyUsage,
    Dataset,
    DownloadCount,
    DownloadLink,
    DownloadRecord,
    DownloadShare,
    Preview,
    Release,
    Volume,
)
from datasets.services import statistics
from datasets.services.statistics import counting
from tests.factories import (
    AccessRequestFactory,
    AgreementVersionFactory,
    ArchiveFactory,
    DatasetFactory,
    DownloadLinkFactory,
    DownloadRecordFactory,
    ReleaseFactory,
    SignatureFactory,
)
from tests.maintainers import maintainer
from tests.owner import as_owner
from tests.plans import plans_of

pytestmark = pytest.mark.django_db
NUMBER = 2_000
GROWING = {
    *("accounts_user", "accounts_signature", "accounts_outgoingmail", "datasets_accessrequest"),
    *("datasets_accessgrant", "datasets_downloadlink", "datasets_downloadrecord", "datasets_dailyusage"),
    *("datasets_accessgrantevent", "datasets_accessrequestevent", "pghistory_context"),
    *("account_emailaddress", "django_admin_log", "django_session"),
    *("datasets_volume", "datasets_preview"),
}
NOW = timezone.now()


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def ask(signatures: list[Signature], dataset: Dataset, days: list[datetime]) -> None:
    AccessRequest.objects.bulk_create(
        AccessRequest(
            user=signature.user,
            dataset=dataset,
            signature=signature,
            purpose="p",
            status="declined" if number % 300 == 0 else "pending" if number % 301 == 0 else "approved",
            reason="r",
            created_at=days[number],
            decided_at=NOW,
        )
        for number, signature in enumerate(signatures)
    )


def fill() -> None:
    """Two thousand people, each with a signature, a request, a grant, a link, a download and a mail."""
    version = AgreementVersionFactory()
    dataset = DatasetFactory(agreement=version.agreement)
    release = ReleaseFactory(dataset=dataset)
    archive = ArchiveFactory(release=release)
    numbers = range(NUMBER)
    days = [NOW - timedelta(hours=NUMBER - number) for number in numbers]
    people = User.objects.bulk_create(
        User(
            email=f"person{number}@site{number % 50}.example.org",
            name=f"Person Number{number}",
            country="IS" if number % 500 == 0 else "GH",
            position="clinician" if number % 500 == 1 else "doctoral",
            is_active=number % 400 != 0,
            date_joined=days[number],
        )
        for number in numbers
    )
    signatures = Signature.objects.bulk_create(
        Signature(
            user=person,
            version=version,
            typed_name=person.name,
            email=person.email,
            salt="0" * 64,
            text_sha256=version.sha256,
            rendered_sha256=version.sha256,
            signed_at=day,
            previous_hash=digest(f"before {person.pk}"),
            record_hash=digest(f"record {person.pk}"),
        )
        for person, day in zip(people, days, strict=True)
    )
    ask(signatures, dataset, days)
    hand_out(people, release, archive)
    render(archive)
    Bounce.objects.bulk_create(
        Bounce(user=person, address=person.email, kind="permanent", at=NOW) for person in people[:: NUMBER // 5]
    )
    # A dataset that hardly anybody has taken yet: its rows must not be looked for among all others.
    downloaded_by(people[0])
    log(people)
    with as_owner() as cursor:
        cursor.execute("ANALYZE")
        # As autovacuum does soon after: what is still to be sorted into an index makes it dear to the planner.
        cursor.execute("SELECT gin_clean_pending_list(name) FROM unnest(ARRAY['user_words', 'volume_words']) AS name")


def render(archive: Archive) -> None:
    """Two thousand volumes with their previews, asked for in tens."""
    volumes = Volume.objects.bulk_create(
        Volume(archive=archive, path=f"train/file{number}.h5", offset=512, size=1) for number in range(NUMBER)
    )
    Preview.objects.bulk_create(
        Preview(
            volume=volume,
            asked_at=NOW - timedelta(hours=(NUMBER - number) // 10),
            state="failed" if number % 300 == 0 else "waiting" if number % 301 == 0 else "done",
            finished_at=None if number % 301 == 0 and number % 300 else NOW,
            reason="r",
            folder=digest(volume.path)[:32],
            report={"pictures": []},
        )
        for number, volume in enumerate(volumes)
    )


def downloaded_by(person: User) -> None:
    rare = DatasetFactory(slug="rare")
    signature = SignatureFactory(user=person, version__agreement=rare.agreement)
    AccessRequestFactory(user=person, dataset=rare, signature=signature)
    link = DownloadLinkFactory(grant__user=person, grant__dataset=rare)
    DownloadRecordFactory(link=link)


def log(people: list[User]) -> None:
    LogEntry.objects.bulk_create(
        LogEntry(user=person, object_repr="a list", action_flag=DELETION if number % 500 == 0 else CHANGE)
        for number, person in enumerate(people)
    )


def hand_out(people: list[User], release: Release, archive: Archive) -> None:
    grants = AccessGrant.objects.bulk_create(
        AccessGrant(
            user=person,
            dataset=release.dataset,
            starts_at=NOW - timedelta(days=200),
            ends_at=NOW + timedelta(hours=number - 1_000),
            status="revoked" if number % 350 == 0 else "active",
            reason="r",
            revoked_at=NOW,
        )
        for number, person in enumerate(people)
    )
    links = DownloadLink.objects.bulk_create(
        DownloadLink(
            grant=grant,
            release=release,
            status="replaced" if number % 400 == 0 else "live",
            ended_at=NOW if number % 400 == 0 else None,
        )
        for number, grant in enumerate(grants)
    )
    DownloadRecord.objects.bulk_create(
        DownloadRecord(link=link, archive=archive, issued_at=NOW - timedelta(hours=NUMBER - number))
        for number, link in enumerate(links)
    )
    DailyUsage.objects.bulk_create(
        DailyUsage(day=(NOW - timedelta(days=day)).date(), grant=grant, asked=1) for grant in grants for day in range(3)
    )
    OutgoingMail.objects.bulk_create(
        OutgoingMail(
            uuid=uuid.uuid4(),
            template="agreement/receipt" if number % 200 == 0 else "access/link",
            to=person.email,
            user=person,
            state="failed" if number % 450 == 0 else "done",
            reason="550",
            created_at=NOW - timedelta(hours=NUMBER - number),
            finished_at=NOW,
        )
        for number, person in enumerate(people)
    )


DAY = (NOW - timedelta(days=30)).date()
# Each way of narrowing a list, and the index that must serve it.
WAYS = {
    "accounts/user/?q=number77": "user_words",
    "accounts/user/?country=IS": "user_country",
    "accounts/user/?is_staff__exact=1": "user_staff",
    "accounts/user/?mail=back": "bounce_open",
    "accounts/user/?is_active__exact=0": "user_disabled",
    f"accounts/user/?date_joined_from={DAY}&date_joined_until={DAY}": "user_joined",
    "accounts/user/?position__exact=clinician": "user_position",
    "accounts/signature/?q=number77": "user_words",
    "accounts/signature/?version__agreement__id__exact={agreement}": "accounts_signature_version_id",
    "accounts/signature/?user__id__exact={person}": "accounts_signature_user_id",
    "accounts/outgoingmail/?user__id__exact={person}": "accounts_outgoingmail_user_id",
    "admin/logentry/?q=number77": "django_admin_log_user_id",
    "admin/logentry/?action_flag__exact=3": "log_action",
    "datasets/accessrequest/?dataset__id__exact={dataset}": "datasets_accessrequest_dataset_id",
    "datasets/accessrequest/?status__exact=pending": "request_",
    "datasets/accessrequest/?p=1": "user_domain",
    "datasets/accessrequest/": "user_name",
    "datasets/accessrequest/?status__exact=all": "datasets_accessrequest_pkey",
    "datasets/accessgrant/?dataset__id__exact={dataset}": "datasets_accessgrant_dataset_id",
    "datasets/accessgrant/?user__id__exact={person}": "datasets_accessgrant_user_id",
    "datasets/downloadlink/?grant__id__exact={grant}": "datasets_downloadlink_grant_id",
    "datasets/downloadlink/?release__id__exact={release}": "datasets_downloadlink_release_id",
    "datasets/downloadrecord/?archive__release__dataset__id__exact={dataset}": "datasets_downloadrecord_archive_id",
    "datasets/downloadrecord/?archive__id__exact={archive}": "datasets_downloadrecord_archive_id",
    f"accounts/signature/?q={digest('record')}": "accounts_signature_record_hash",
    f"accounts/signature/?signed_at_from={DAY}&signed_at_until={DAY}": "signature_signed",
    "accounts/outgoingmail/?q=person77": "mail_to",
    "accounts/outgoingmail/?state__exact=failed": "outgoingmail_failed",
    "accounts/outgoingmail/?state__exact=waiting": "outgoingmail_open",
    "accounts/outgoingmail/?template=agreement/receipt": "mail_template",
    f"accounts/outgoingmail/?created_at_from={DAY}&created_at_until={DAY}": "mail_created",
    "datasets/accessrequest/?q=number77": "user_words",
    "datasets/accessrequest/?status__exact=declined": "request_status",
    "datasets/accessgrant/?q=number77": "user_words",
    "datasets/accessgrant/?standing=soon": "grant_ends",
    "datasets/accessgrant/?standing=revoked": "grant_revoked",
    "datasets/downloadlink/?q=number77": "user_words",
    "datasets/downloadlink/?q=link+1": "datasets_downloadlink_pkey",
    "datasets/downloadlink/?status__exact=replaced": "link_ended",
    "datasets/downloadrecord/?q=number77": "record_by_link",
    f"datasets/downloadrecord/?issued_at_from={DAY}&issued_at_until={DAY}": "record_issued",
    "datasets/downloadrecord/?link__id__exact=1": "record_by_link",
    "datasets/preview/?q=file77": "volume_words",
    "datasets/preview/?state__exact=failed": "preview_failed",
    "datasets/preview/?state__exact=waiting": "preview_open",
    f"datasets/preview/?asked_at_from={DAY}&asked_at_until={DAY}": "preview_asked",
    f"datasets/preview/progress/?asked={quote((NOW - timedelta(hours=7)).isoformat())}": "preview_asked",
}
STANDINGS = ["datasets/accessgrant/?standing=runs", "datasets/accessgrant/?standing=ended"]
FORMS = [
    *(
        "accounts/user/{person}/change/",
        "accounts/signature/{signature}/change/",
        "accounts/outgoingmail/{mail}/change/",
    ),
    *("datasets/accessrequest/{request}/change/", "datasets/accessgrant/{grant}/change/"),
    *("datasets/downloadlink/{link}/change/", "datasets/downloadrecord/{record}/change/"),
    *("admin/logentry/{log}/change/", "accounts/agreement/{agreement}/change/", "datasets/dataset/{dataset}/change/"),
    *("datasets/release/{release}/change/", "datasets/archive/{archive}/change/"),
    *("datasets/volume/{volume}/change/", "datasets/preview/{preview}/change/"),
    *("datasets/accessgrant/{grant}/decide/revoke/", "datasets/accessgrant/{grant}/history/"),
]
MENUS = [
    "autocomplete/?app_label=accounts&model_name=user&field_name=groups&term=re",
    "autocomplete/?app_label=accounts&model_name=agreementversion&field_name=agreement&term=agr",
    "autocomplete/?app_label=datasets&model_name=dataset&field_name=agreement&term=agr",
    "autocomplete/?app_label=datasets&model_name=release&field_name=dataset&term=data",
    "autocomplete/?app_label=datasets&model_name=archive&field_name=release&term=1",
]
LISTS = [
    *("accounts/user/", "accounts/signature/", "accounts/outgoingmail/", "datasets/accessrequest/"),
    *("datasets/accessgrant/", "datasets/downloadlink/", "datasets/downloadrecord/", "admin/logentry/"),
    "datasets/preview/",
]


def test_lists_searches_and_filters_read_indexes(client: Client) -> None:
    """One test, because filling takes longer than asking."""
    maintainer(client)
    fill()
    rare = numbers_of_the_rare()
    for way, index in WAYS.items():
        plans = plans_of(client, f"/admin/{way.format(**rare)}")
        assert not plans.scanned & GROWING, way
        assert any(name.startswith(index) for name in plans.indexes), f"{way} read {sorted(plans.indexes)}"
    for path in ["", *LISTS, *(f"{name}?p=3" for name in LISTS), "accounts/user/?is_active__exact=1", *STANDINGS]:
        assert not plans_of(client, f"/admin/{path}").scanned & GROWING, path
    for path in [*(form.format(**rare) for form in FORMS), *added(), *MENUS]:
        assert not plans_of(client, f"/admin/{path}").scanned & GROWING, path
    link = DownloadLink.objects.live().filter(grant__user__is_active=True).earliest("pk")
    client.force_login(link.grant.user)
    for path in ("/downloads/", f"/downloads/links/{link.pk}/replace/"):
        assert not plans_of(client, path).scanned & GROWING, path


def test_the_dashboard_reads_sums_and_no_record(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def trust(count: DownloadCount, look: counting.Look) -> None:
        count.settled, count.settled_at = look.newest, look.moment

    monkeypatch.setattr(counting, "settle", trust)
    maintainer(client)
    fill()
    statistics.count_downloads(seconds=600)
    statistics.take_standing(now=True)
    with as_owner() as cursor:
        cursor.execute("ANALYZE")
    assert DownloadShare.objects.get(kind="whole", dataset=None, period=0).downloads == NUMBER + 1
    for query in ("", "?days=7", "?days=365&dataset=rare", "?days=0"):
        plans = plans_of(client, f"/admin/dashboard/{query}")
        assert not plans.scanned & (GROWING | {"datasets_downloadshare"}), query
        assert "share_largest" in plans.indexes or "share_largest_of_all" in plans.indexes
        assert not {name for name in plans.indexes if name.startswith(("record_", "datasets_downloadrecord"))}, query


def numbers_of_the_rare() -> dict[str, int]:
    record = DownloadRecord.objects.select_related("link__grant__dataset", "archive").latest("pk")
    dataset = record.link.grant.dataset
    return {
        "record": record.pk,
        "archive": record.archive_id,
        "link": record.link_id,
        "release": record.link.release_id,
        "grant": record.link.grant_id,
        "person": record.link.grant.user_id,
        "dataset": dataset.pk,
        "agreement": dataset.agreement_id,
        "request": AccessRequest.objects.latest("pk").pk,
        "signature": Signature.objects.latest("pk").pk,
        "mail": OutgoingMail.objects.latest("pk").pk,
        "volume": Volume.objects.earliest("pk").pk,
        "preview": Preview.objects.earliest("pk").pk,
        "log": LogEntry.objects.latest("pk").pk,
    }


def added() -> list[str]:
    """Every form that adds a row."""
    request = RequestFactory().get("/")
    request.user = User(is_superuser=True, is_staff=True)
    pages = [page for page in admin.site._registry.values() if page.has_add_permission(request)]
    return [f"{page.opts.app_label}/{page.opts.model_name}/add/" for page in pages]


def test_long_lists_are_counted_so_far_and_say_so(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "COUNTED", 100)
    maintainer(client)
    User.objects.bulk_create(User(email=f"person{number}@example.org") for number in range(150))

    page = client.get("/admin/accounts/user/").content.decode()
    last = client.get("/admin/accounts/user/?p=2").content.decode()

    assert "more than 100 users; narrow the list to reach the rest" in page
    assert "person149@" in page
    assert "person99@" in last


def test_a_search_that_fits_many_people_says_whose_rows_it_lists(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("accounts.admin.pages.PEOPLE", 2)
    maintainer(client)
    people = User.objects.bulk_create(User(email=f"person{number}@example.org", name="Reader") for number in range(4))
    OutgoingMail.objects.bulk_create(
        OutgoingMail(uuid=uuid.uuid4(), template="access/link", to="x@example.org", user=person) for person in people
    )

    page = client.get("/admin/accounts/outgoingmail/?q=reader").content.decode()

    assert "The words fit more than 2 people" in page
    assert "2 mails" in page
