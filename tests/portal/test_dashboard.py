"""The admin's dashboard: what it tells, whom, and until when."""

import csv
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone

from accounts.models import User
from datasets.models import AccessRequest, DownloadCount
from datasets.services import statistics
from datasets.services.maintainers import create_maintainer_groups
from datasets.services.statistics import counting
from datasets.services.statistics.counting import count_downloads
from tests.factories import (
    AccessGrantFactory,
    AccessRequestFactory,
    ArchiveFactory,
    DatasetFactory,
    DownloadLinkFactory,
    DownloadRecordFactory,
    StaffFactory,
    UserFactory,
)
from tests.maintainers import let_in, maintainer, with_second_factor

pytestmark = pytest.mark.django_db
PAGE = "/admin/dashboard/"
GIGABYTE = 10**9


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within the one transaction of a test nothing settles."""

    def trust(count: DownloadCount, look: counting.Look) -> None:
        count.settled, count.settled_at = look.newest, look.moment

    monkeypatch.setattr(counting, "settle", trust)


def counted() -> None:
    count_downloads(seconds=60)
    statistics.take_standing(now=True)


def downloads() -> tuple[str, str]:
    """Two datasets: Ghana takes two files of one, and Iceland one of the other; the slugs."""
    knee = DownloadLinkFactory(grant__user__institution="=HYPERLINK(1)", grant__dataset__name="Knee")
    brain = DownloadLinkFactory(grant__user__institution="Reykjavík Imaging", grant__dataset__name="Brain")
    now = timezone.now()
    for archive in ArchiveFactory.create_batch(2, release=knee.release):
        DownloadRecordFactory(link=knee, archive=archive, country="GH", asked=3 * GIGABYTE, issued_at=now)
        DownloadRecordFactory(
            link=knee, archive=archive, country="GH", asked=GIGABYTE, issued_at=now - timedelta(days=20)
        )
    DownloadRecordFactory(link=brain, country="IS", asked=None, issued_at=now - timedelta(days=3))
    return knee.release.dataset.slug, brain.release.dataset.slug


def read(client: Client, path: str = PAGE) -> str:
    response = client.get(path)
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def file(client: Client, name: str, query: str = "") -> list[list[str]]:
    response = client.get(f"{PAGE}{name}.csv{query}")
    assert response.status_code == 200
    return list(csv.reader(response.getvalue().decode().splitlines()))


def figure(page: str, says: str) -> str:
    """The figure whose words begin so."""
    return page.partition(f"<dt>{says}")[2].partition("<dd>")[2].partition("</dd>")[0]


class TestFigures:
    def test_of_a_period_and_of_all_datasets_or_one(self, client: Client) -> None:
        maintainer(client)
        knee, brain = downloads()
        counted()
        page = read(client)
        assert figure(page, "downloads") == "3"
        assert figure(page, "asked for in 5 requests") == "8.0 <small>GB</small>"
        assert "Of 1 of the 5 requests it is not recorded how many." in page
        assert figure(page, "hold access now") == "2"
        assert figure(read(client, f"{PAGE}?days=7&dataset={knee}"), "downloads") == "2"
        assert figure(read(client, f"{PAGE}?days=7&dataset={knee}"), "asked for in 2") == "6.0 <small>GB</small>"
        assert figure(read(client, f"{PAGE}?days=0&dataset={brain}"), "downloads") == "1"

    def test_registrations_are_those_of_the_period(self, client: Client) -> None:
        maintainer(client)
        UserFactory(date_joined=timezone.now() - timedelta(days=6))
        UserFactory(date_joined=timezone.now() - timedelta(days=400))
        for more in (0, 1):
            for days, number in ((7, 2), (365, 2), (0, 3)):
                assert figure(read(client, f"{PAGE}?days={days}"), "registrations") == str(number + more)
            # From here on days of before are known, and today's people are counted at each view.
            counted()
            UserFactory()

    def test_no_registration_is_of_a_day_after_the_period(self, client: Client) -> None:
        """Which ends with the day that was counted last, also while the worker is away."""
        maintainer(client)
        UserFactory(date_joined=timezone.now() - timedelta(days=1))
        counted()
        yesterday = timezone.now().date() - timedelta(days=1)
        DownloadCount.objects.update(today=yesterday)
        assert figure(read(client), "registrations") == "1"
        assert file(client, "registrations")[1:] == [[f"{yesterday}", "1"]]

    def test_who_was_stopped_holds_no_access(self, client: Client) -> None:
        maintainer(client)
        downloads()
        stopped = User.objects.filter(institution="Reykjavík Imaging")
        stopped.update(is_active=False, country="IS")
        UserFactory(institution="Reykjavík Imaging", country="IS")
        counted()
        assert figure(read(client), "hold access now") == "1"
        held = {row[0]: row[-2:] for name in ("countries", "institutions") for row in file(client, name)[1:]}
        assert held["IS"] == held["Reykjavík Imaging"] == ["1", "0"]

    def test_medians_of_waiting(self, client: Client) -> None:
        maintainer(client)
        now = timezone.now()
        joined = now - timedelta(days=10)
        dataset = DatasetFactory()
        for days in (1, 2, 9):
            asked = now - timedelta(days=10)
            AccessRequestFactory(
                dataset=dataset,
                user__date_joined=joined,
                status=AccessRequest.Status.APPROVED,
                created_at=asked,
                decided_at=asked + timedelta(days=days),
            )
        withdrawn = {"status": AccessRequest.Status.WITHDRAWN, "decided_at": now}
        AccessRequestFactory(dataset=dataset, created_at=now - timedelta(days=300), **withdrawn)
        person = UserFactory(date_joined=now - timedelta(days=5))
        AccessGrantFactory(user=person, dataset=dataset, starts_at=now - timedelta(days=2))
        AccessGrantFactory(user=person, starts_at=now - timedelta(days=1))
        counted()
        page = read(client, f"{PAGE}?days=30&dataset={dataset.slug}")
        assert figure(page, "median to a decision, of 3") == "2.0 <small>days</small>"
        assert figure(page, "median to the first access, of 1") == "3.0 <small>days</small>"
        assert "of 1<" in read(client)

    def test_grants_that_end_soon_are_listed_and_linked(self, client: Client) -> None:
        maintainer(client)
        grant = AccessGrantFactory(user__name="Soon Gone", ends_at=timezone.now() + timedelta(days=9))
        AccessGrantFactory(user__name="Other Dataset", ends_at=timezone.now() + timedelta(days=9))
        page = read(client, f"{PAGE}?days=30&dataset={grant.dataset.slug}")
        address = f"/admin/datasets/accessgrant/?standing=soon&amp;dataset__id__exact={grant.dataset_id}"
        assert figure(page, "ends within 30 days") == f'<a href="{address}">1</a>'
        assert "Soon Gone" in page
        assert "Other Dataset" not in page.partition("Access that ends soon")[2]

    def test_it_says_until_when_it_counts_and_when_nobody_does(self, client: Client) -> None:
        maintainer(client)
        assert "have not been counted yet" in read(client)
        counted()
        assert "the worker is late" not in read(client)
        DownloadCount.objects.update(counted_until=datetime(2026, 11, 1, 12, 5, tzinfo=UTC))
        assert "up to 1 Nov 2026, 12:05 UTC: the worker is late" in read(client)


class TestTablesAndPlots:
    def test_countries_have_names_and_institutions_are_text(self, client: Client) -> None:
        maintainer(client)
        downloads()
        User.objects.filter(institution="Reykjavík Imaging").update(institution="<b>Bold</b>")
        counted()
        page = read(client)
        assert '<th scope="row">Ghana</th><td class="num">2</td><td class="num">8.00 GB</td>' in page
        assert '<th scope="row">Iceland</th>' in page
        assert "&lt;b&gt;Bold&lt;/b&gt;" in page

    def test_what_is_not_recorded_says_so(self, client: Client) -> None:
        maintainer(client)
        DownloadRecordFactory(link__grant__user__institution="")
        counted()
        assert read(client).count('<th scope="row" class="none">not recorded</th>') == 2

    def test_longer_tables_are_listed_so_far(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("portal.statistics.LISTED", 1)
        maintainer(client)
        downloads()
        counted()
        assert read(client).count("The file has all of them") == 2
        assert len(file(client, "countries")) == 3

    def test_plots_are_images_with_words_a_table_and_no_style(self, client: Client) -> None:
        maintainer(client)
        downloads()
        counted()
        page = read(client)
        assert page.count('role="img"') == page.count("<desc") == 3
        assert "At most 6.00 GB, on" in page
        assert "style=" not in page

    def test_an_empty_site_has_a_page(self, client: Client) -> None:
        maintainer(client)
        for days in (7, 30, 90, 365, 0):
            assert "Nothing was downloaded." in read(client, f"{PAGE}?days={days}")


class TestFiles:
    def test_days_of_downloads(self, client: Client) -> None:
        maintainer(client)
        knee, brain = downloads()
        counted()
        headings, *rows = file(client, "downloads", "?days=30")
        assert headings[:3] == ["day (UTC)", "dataset", "downloads (distinct person and file)"]
        assert [row[1:] for row in rows] == [
            [knee, "2", "2", f"{2 * GIGABYTE}", "0"],
            [brain, "1", "1", "0", "1"],
            [knee, "2", "2", f"{6 * GIGABYTE}", "0"],
        ]
        assert len(file(client, "downloads", f"?days=7&dataset={knee}")) == 2

    def test_days_of_registrations(self, client: Client) -> None:
        maintainer(client)
        assert file(client, "registrations")[1:] == [[f"{timezone.now():%Y-%m-%d}", "1"]]

    def test_tables_and_no_formulas(self, client: Client) -> None:
        maintainer(client)
        knee, brain = downloads()
        counted()
        assert {row[0] for row in file(client, "datasets")[1:]} == {knee, brain}
        assert file(client, "datasets", f"?dataset={knee}&days=7")[1:] == [
            [knee, "Knee", "2", "2", f"{6 * GIGABYTE}", "0", "1"]
        ]
        assert [row[:3] for row in file(client, "countries")[1:]] == [["GH", "Ghana", "2"], ["IS", "Iceland", "1"]]
        assert [row[0] for row in file(client, "institutions")[1:]] == ["'=HYPERLINK(1)", "Reykjavík Imaging"]

    def test_the_file_says_what_it_is(self, client: Client) -> None:
        maintainer(client)
        response = client.get(f"{PAGE}downloads.csv?days=7")
        today = timezone.now().date()
        assert response["Content-Disposition"] == (
            f'attachment; filename="downloads-{today - timedelta(days=6)}-{today}.csv"'
        )
        assert "no-store" in response["Cache-Control"]

    @pytest.mark.parametrize("path", ["people.csv", "downloads.csv?days=8", "downloads.csv?dataset=none"])
    def test_there_are_no_others(self, client: Client, path: str) -> None:
        maintainer(client)
        assert client.get(f"{PAGE}{path}").status_code == 404


class TestWho:
    @pytest.mark.parametrize("group", ["Reviewers", "Curators"])
    def test_both_groups_see_it_and_find_it(self, client: Client, group: str) -> None:
        create_maintainer_groups()
        user = with_second_factor(StaffFactory(is_superuser=False))
        user.groups.add(Group.objects.get(name=group))
        AccessGrantFactory(user__name="Soon Gone", ends_at=timezone.now() + timedelta(days=9))
        let_in(client, user)
        page = read(client)
        # Curators need not know who holds what.
        assert ("Soon Gone" in page) == (group == "Reviewers")
        assert read(client, "/admin/").count(f'<a href="{PAGE}">Dashboard') == 2

    def test_nobody_else_does(self, client: Client) -> None:
        let_in(client, with_second_factor(StaffFactory(is_superuser=False)))
        assert client.get(PAGE).status_code == 403
        assert client.get(f"{PAGE}downloads.csv").status_code == 403
        assert PAGE not in read(client, "/admin/")
        client.force_login(UserFactory())
        assert client.get(PAGE).status_code == 403

    @pytest.mark.parametrize("query", ["?days=8", "?days=", "?days=٧", "?dataset=none", "?dataset=%00", "?days=7%00"])
    def test_what_is_not_there_leads_back_with_a_sentence(self, client: Client, query: str) -> None:
        maintainer(client)
        response = client.get(f"{PAGE}{query}", follow=True)
        assert response.redirect_chain == [(PAGE, 302)]
        assert "There is no such period or dataset." in response.content.decode()
