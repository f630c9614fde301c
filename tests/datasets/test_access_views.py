"""The agreement page and My downloads, as browsers ask for them."""

import hashlib
import re
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape
from pytest_django import DjangoAssertNumQueries

from accounts.models import OutgoingMail, Signature, User
from accounts.services.agreements import current_version
from datasets.models import AccessGrant, AccessRequest, Dataset, DownloadLink
from datasets.services.access import approve_request, decline_request, revoke_grant, withdraw_request
from datasets.services.downloads import address_of
from datasets.services.releases import withdraw_release
from tests.access import asked, granted, granted_by_hand, link_of, offered, publish_next, reviewed, set_end, sign
from tests.factories import (
    AgreementVersionFactory,
    DatasetFactory,
    DownloadRecordFactory,
    ReleaseFactory,
    StaffFactory,
    UserFactory,
)
from tests.sessions import signed_in
from tests.threads import at_once

pytestmark = pytest.mark.django_db


@pytest.fixture
def user() -> User:
    return UserFactory(name="Quiet Reader")


@pytest.fixture
def browser(user: User) -> Client:
    return signed_in(user)


def page(client: Client, address: str) -> str:
    """The page's text without its markup, so that sentences can be found in it."""
    response = client.get(address, follow=True)
    assert response.status_code == 200
    main = response.content.decode().partition("<main")[2].partition("</main>")[0]
    return " ".join(re.sub(r"<[^>]*>", " ", main).split())


def agreement(dataset: Dataset) -> str:
    return reverse("agreement", args=[dataset.slug])


def filled(dataset: Dataset, **facts: Any) -> dict[str, Any]:
    """The form as a person fills it in."""
    version = current_version(dataset.agreement)
    assert version is not None
    ticked = [str(place) for place in range(len(version.statements))]
    return {
        "version": str(version.pk),
        "sha256": version.sha256,
        "statements": ticked,
        "typed_name": "Quiet Reader",
        **facts,
    }


class TestReading:
    def test_everybody_reads_the_text_with_version_hash_and_contents(self, client: Client) -> None:
        dataset = DatasetFactory()
        version = AgreementVersionFactory(agreement=dataset.agreement, number=3, text="Intro.\n\n## Use\n\nResearch.\n")

        response = client.get(agreement(dataset))

        html = response.content.decode()
        assert '<h2 id="c1"><span>1</span>Use</h2>' in html
        assert '<a href="#c1">' in html
        assert " ".join(version.hash_groups) in html
        assert "Sign in or register" in html
        assert "<form" not in html.partition("<main")[2].partition("</main>")[0]

    def test_the_plain_text_is_what_was_hashed(self, client: Client) -> None:
        dataset = offered()
        version = current_version(dataset.agreement)
        assert version is not None

        response = client.get(reverse("agreement_text", args=[dataset.slug, version.number]))

        assert hashlib.sha256(response.content).hexdigest() == version.sha256
        assert response["Content-Type"] == "text/plain; charset=utf-8"

    def test_drafts_and_numbers_that_do_not_exist_are_not_found(self, client: Client) -> None:
        dataset = offered()
        AgreementVersionFactory(agreement=dataset.agreement, number=2, status="draft", published_at=None)

        for number in (2, 99, 10**40):
            assert client.get(f"/datasets/{dataset.slug}/agreement/{number}.txt").status_code == 404

    def test_an_agreement_without_a_version_says_so(self, browser: Client) -> None:
        assert "No version of this agreement is published yet" in page(browser, agreement(DatasetFactory()))

    def test_an_unlisted_dataset_is_shown_to_who_holds_it_only(
        self, client: Client, browser: Client, user: User
    ) -> None:
        dataset = offered()
        granted(user, dataset)
        Dataset.objects.update(is_listed=False)

        assert client.get(agreement(dataset)).status_code == 404
        assert browser.get(agreement(dataset)).status_code == 200

    def test_an_incomplete_profile_is_named_and_leads_back(self, browser: Client, user: User) -> None:
        dataset = offered()
        User.objects.filter(pk=user.pk).update(research_purpose="")

        response = browser.get(agreement(dataset))

        html = response.content.decode()
        assert "It lacks: research purpose" in html
        assert f"{reverse('profile')}?next={agreement(dataset)}%23sign" in html
        assert "typed_name" not in html

    def test_who_completes_the_profile_comes_back(self, browser: Client, user: User) -> None:
        back = agreement(offered()) + "#sign"
        told = {
            "name": user.name, "institution": user.institution, "country": "GH", "position": user.position,
            "research_purpose": user.research_purpose, "next": back,
        }  # fmt: skip

        assert browser.post(reverse("profile"), told)["Location"] == back
        assert browser.post(reverse("profile"), told | {"next": "https://example.net/"})["Location"] == reverse(
            "profile"
        )

    def test_a_new_version_says_which_one_was_signed(self, browser: Client, user: User) -> None:
        dataset = offered()
        granted(user, dataset)
        publish_next(dataset, due_in=timedelta(days=20), changes="Patients can withdraw their consent.")

        text = page(browser, agreement(dataset))

        assert "You signed version 1 on" in text
        assert "Version 2 replaces it; sign it and your access continues" in text
        assert "your commands work without it" in text
        assert "Patients can withdraw their consent." in text

    @pytest.mark.parametrize("policy", ["automatic", "reviewed"])
    def test_who_signed_already_is_offered_access(self, browser: Client, user: User, policy: str) -> None:
        knee = offered()
        other = offered(policy, agreement=knee.agreement)
        sign(user, knee)

        text = page(browser, agreement(other))

        assert "Signed as Quiet Reader" in text
        assert ("Open access to" if policy == "automatic" else "Ask for access to") in text

    def test_the_number_of_queries_is_constant(
        self, client: Client, browser: Client, user: User, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        dataset = reviewed()
        for _ in range(5):
            publish_next(dataset)
            granted_by_hand(UserFactory(), dataset)
        asked(user, dataset)

        with django_assert_max_num_queries(6):
            client.get(agreement(dataset))
        with django_assert_max_num_queries(13):
            browser.get(agreement(dataset))


class TestSigning:
    def test_signing_leads_to_my_downloads(self, browser: Client, user: User) -> None:
        dataset = offered(slug="knee", name="Knee")

        response = browser.post(agreement(dataset), filled(dataset), follow=True, headers={"user-agent": "Firefox"})

        signature = Signature.objects.get()
        assert response.redirect_chain == [("/downloads/#knee", 302)]
        assert (signature.user, signature.typed_name, signature.address, signature.agent) == (
            user, "Quiet Reader", "127.0.0.1", "Firefox"
        )  # fmt: skip
        assert "You signed version 1. Your access to Knee is open until" in response.content.decode()
        assert "the receipt and the link come by mail" in response.content.decode()
        assert address_of(link_of(user.access_grants.get())) in response.content.decode()

    def test_signing_a_new_version_promises_the_receipt_alone(self, browser: Client, user: User) -> None:
        dataset = offered(name="Knee")
        granted(user, dataset)
        publish_next(dataset)

        html = browser.post(agreement(dataset), filled(dataset), follow=True).content.decode()

        assert "You signed version 2. Your access to Knee lasts until" in html
        assert "the receipt comes by mail" in html
        assert "the link come by mail" not in html

    def test_signing_for_review_says_that_a_person_decides(self, browser: Client) -> None:
        dataset = reviewed(name="Brain")

        response = browser.post(agreement(dataset), filled(dataset), follow=True)

        assert "Your request for Brain waits for a person" in response.content.decode()
        assert AccessRequest.objects.pending().count() == 1

    def test_a_second_click_signs_once(self, browser: Client) -> None:
        dataset = offered()

        for _ in range(2):
            assert browser.post(agreement(dataset), filled(dataset)).status_code == 302

        assert (Signature.objects.count(), AccessGrant.objects.count()) == (1, 1)

    def test_who_is_not_signed_in_comes_back_after_it(self, client: Client) -> None:
        dataset = offered()

        response = client.post(agreement(dataset), filled(dataset))

        assert response["Location"] == f"{reverse('account_login')}?next={agreement(dataset)}%23sign"
        assert not Signature.objects.exists()

    def test_a_version_that_was_replaced_while_it_was_read_is_shown_anew(self, browser: Client) -> None:
        dataset = offered()
        read = filled(dataset)
        publish_next(dataset)

        response = browser.post(agreement(dataset), read, follow=True)

        html = response.content.decode()
        assert "Version 2 of the agreement was published while you read. Nothing was recorded." in html
        assert "Sign version 2" in html
        assert not Signature.objects.exists()

    @pytest.mark.parametrize(
        ("facts", "sentence"),
        [
            ({"statements": []}, "Tick every statement"),
            ({"statements": ["0"]}, "Tick every statement"),
            ({"statements": ["0", "0"]}, "Tick every statement"),
            ({"statements": ["0", "1", "99"]}, "Tick every statement"),
            ({"statements": ["0", "\x00"]}, "Tick every statement"),
            ({"typed_name": ""}, "Type your full name"),
            ({"typed_name": "   "}, "Type your full name"),
            ({"typed_name": "12"}, "Type your full name"),
            ({"typed_name": "Somebody Else"}, "Type your name as it stands in your profile: “Quiet Reader”."),
            ({"typed_name": "Quiet"}, "If that is wrong, change the profile first."),
            ({"typed_name": "Ada\x00"}, "Null characters are not allowed"),
            ({"typed_name": "Ada\r\nBcc: everybody@example.org"}, "characters that cannot be seen"),
            ({"typed_name": "Ada\u202egnp"}, "characters that cannot be seen"),
            ({"typed_name": "a" * 151}, "at most 150 characters"),
            ({"typed_name": "a" * 900_000}, "at most 150 characters"),
        ],
    )
    def test_what_is_missing_or_hostile_is_said_and_nothing_recorded(
        self, browser: Client, facts: dict[str, Any], sentence: str
    ) -> None:
        dataset = offered()

        response = browser.post(agreement(dataset), filled(dataset, **facts))

        assert response.status_code == 200
        html = response.content.decode()
        assert sentence in html
        assert "<title>Error: " in html
        assert not Signature.objects.exists()

    @pytest.mark.parametrize("typed", ["quiet reader", " QUIET   Reader ", "Ｑｕｉｅｔ Reader"])
    def test_letter_case_width_and_blanks_do_not_matter(self, browser: Client, typed: str) -> None:
        dataset = offered()

        browser.post(agreement(dataset), filled(dataset, typed_name=typed))

        assert Signature.objects.get().typed_name == " ".join(typed.split())

    def test_another_name_leaves_everything_else_in_the_form(self, browser: Client) -> None:
        dataset = offered()

        html = browser.post(agreement(dataset), filled(dataset, typed_name="Somebody Else")).content.decode()

        assert 'value="Somebody Else"' in html
        assert len(re.findall(r'name="statements"[^>]*checked', html)) == len(filled(dataset)["statements"])

    def test_what_was_typed_is_kept(self, browser: Client) -> None:
        dataset = offered()

        html = browser.post(agreement(dataset), filled(dataset, statements=["1"])).content.decode()

        assert 'value="Quiet Reader"' in html
        assert re.search(r'value="1"[^>]*checked', html)
        assert not re.search(r'value="0"[^>]*checked', html)

    @pytest.mark.parametrize(
        "facts",
        [{"version": ""}, {"version": "9" * 400}, {"version": "\x00"}, {"sha256": "0" * 64}, {"sha256": "\ufffd"}],
    )
    def test_a_form_for_another_text_is_not_signed(self, browser: Client, facts: dict[str, str]) -> None:
        dataset = offered()

        response = browser.post(agreement(dataset), filled(dataset, **facts))

        assert response["Location"] == agreement(dataset)
        assert not Signature.objects.exists()

    def test_the_version_of_another_agreement_is_not_signed(self, browser: Client) -> None:
        dataset, other = offered(), offered()

        assert browser.post(agreement(dataset), filled(other))["Location"] == agreement(dataset)

        assert not Signature.objects.exists()

    def test_binary_bodies_and_too_large_ones_are_refused(self, browser: Client) -> None:
        dataset = offered()
        where = agreement(dataset)

        binary = browser.post(where, bytes(range(256)) * 40, content_type="application/x-www-form-urlencoded")
        large = browser.post(where, filled(dataset, typed_name="x" * 1_200_000), content_type="text/plain")
        urlencoded = "application/x-www-form-urlencoded"
        huge = browser.post(where, b"typed_name=" + b"x" * 1_200_000, content_type=urlencoded)

        assert [answer.status_code for answer in (binary, large, huge)] == [302, 302, 400]
        assert not Signature.objects.exists()

    def test_forms_of_other_sites_are_refused(self, user: User) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(user)
        dataset = offered()

        assert client.post(agreement(dataset), filled(dataset)).status_code == 403
        assert not Signature.objects.exists()


class TestMyDownloads:
    def test_it_is_for_who_is_signed_in(self, client: Client) -> None:
        assert client.get("/downloads/")["Location"] == f"{reverse('account_login')}?next=/downloads/"

    def test_it_is_never_kept_by_anybody(self, browser: Client) -> None:
        assert "no-store" in browser.get("/downloads/")["Cache-Control"]

    def test_an_empty_page_has_ways_out(self, browser: Client) -> None:
        offered(name="Knee")
        reviewed(name="Brain")

        text = page(browser, "/downloads/")

        assert "Nothing here yet" in text
        assert "At once, after signing" in text
        assert "After review" in text
        assert "Read and sign for Knee" in text

    def test_access_shows_days_commands_and_what_was_downloaded(self, browser: Client, user: User) -> None:
        dataset = offered(name="Knee")
        grant = set_end(granted(user, dataset), 84)
        link = link_of(grant)
        archive = link.release.archives.get()
        DownloadRecordFactory(link=link, archive=archive, issued_at=timezone.now() - timedelta(days=2), country="GH")
        DownloadRecordFactory(link=link, archive=archive, first_byte=71_303_168_000, country="GH")

        html = browser.get("/downloads/").content.decode()

        text = page(browser, "/downloads/")
        assert "One dataset open." in text
        assert "84 days left" in text
        assert "Renew to" in text
        assert f"{archive.name} 100.69 GB" in text
        assert "71,303,168,000 2 192.0.2.7, Ghana" in text
        for program in ("aria2c", "curl", "wget"):
            assert program in text
        assert escape(address_of(link, "download.sh")) in html

    def test_a_pending_request_shows_its_place_and_the_wait(self, browser: Client, user: User) -> None:
        dataset = reviewed(name="Brain")
        approve_request(asked(UserFactory(), dataset), by=StaffFactory())
        asked(UserFactory(), dataset)
        asked(user, dataset)

        text = page(browser, "/downloads/")

        assert "One request is before yours" in text
        assert "Less than a working day : the median wait now" in text.replace("working day:", "working day :")
        assert f"We write to {user.email}" in text

    def test_ended_revoked_declined_and_withdrawn_say_what_to_do(self, browser: Client, user: User) -> None:
        maintainer = StaffFactory()
        set_end(granted(user, offered()), -10)
        revoke_grant(granted(user, offered()), by=maintainer, reason="The project has <closed>.")
        decline_request(asked(user, reviewed()), by=maintainer, reason="Say what is measured.")
        withdraw_request(asked(user, reviewed()), by=user)

        text = page(browser, "/downloads/")

        assert "One dataset ended, one revoked, one declined, one withdrawn." in text
        assert "Renew for 180 days" in text
        assert "The project has &lt;closed&gt;." in text
        assert "Say what is measured." in text
        assert text.count("Ask again") >= 3
        assert "sh dataset" not in text

    def test_a_required_version_hides_commands_that_would_be_refused(self, browser: Client, user: User) -> None:
        dataset = offered()
        grant = granted(user, dataset)
        publish_next(dataset)

        text = page(browser, "/downloads/")

        assert "Version 2 of the agreement must be signed" in text
        assert address_of(link_of(grant)) not in text

    def test_a_release_published_later_gets_its_link(self, browser: Client, user: User) -> None:
        dataset = offered()
        grant = granted(user, dataset)
        newer = ReleaseFactory(dataset=dataset, version="88.0")

        assert f"{newer}, by script" in page(browser, "/downloads/")
        assert grant.links.filter(release=newer).count() == 1

    def test_a_withdrawn_release_has_no_commands_but_its_downloads_stay(self, browser: Client, user: User) -> None:
        dataset = offered()
        link = link_of(granted(user, dataset))
        DownloadRecordFactory(link=link, archive=link.release.archives.get())
        withdraw_release(link.release, by=StaffFactory(), reason="Dates.")

        text = page(browser, "/downloads/")

        assert "No release of" in text
        assert "One dataset without a release to download." in text
        assert f"Release {link.release.version} is withdrawn" in text

    def test_the_number_of_queries_does_not_grow(
        self, browser: Client, user: User, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        for _ in range(5):
            link = link_of(granted(user, offered(archives=3)))
            for archive in link.release.archives.all():
                DownloadRecordFactory.create_batch(2, link=link, archive=archive)
            asked(user, reviewed())
            set_end(granted_by_hand(user, reviewed()), -1)
        browser.get("/downloads/")

        with django_assert_max_num_queries(15):
            browser.get("/downloads/")

    def test_nobody_sees_what_others_have(self, browser: Client) -> None:
        grant = granted(UserFactory(), offered())

        assert address_of(link_of(grant)) not in browser.get("/downloads/").content.decode()


class TestActs:
    def test_ask_opens_or_files(self, browser: Client, user: User) -> None:
        knee = offered()
        brain = reviewed(agreement=knee.agreement)
        sign(user, knee)

        for _ in range(2):
            browser.post(reverse("ask", args=[brain.slug]))

        assert AccessRequest.objects.pending().count() == 1

    def test_asking_before_signing_leads_to_the_agreement(self, browser: Client) -> None:
        dataset = offered()

        response = browser.post(reverse("ask", args=[dataset.slug]))

        assert response["Location"] == agreement(dataset) + "#sign"
        assert not AccessRequest.objects.exists()

    def test_withdraw(self, browser: Client, user: User) -> None:
        request = asked(user, reviewed())

        for _ in range(2):
            assert browser.post(reverse("withdraw_request", args=[request.pk])).status_code == 302

        request.refresh_from_db()
        assert request.status == "withdrawn"

    def test_withdrawing_what_was_approved_is_explained(self, browser: Client, user: User) -> None:
        request = asked(user, reviewed())
        approve_request(request, by=StaffFactory())

        response = browser.post(reverse("withdraw_request", args=[request.pk]), follow=True)

        assert "was approved on" in response.content.decode()

    def test_renew(self, browser: Client, user: User) -> None:
        grant = set_end(granted(user, offered(name="Knee")), -10)

        response = browser.post(reverse("renew", args=[grant.pk]), follow=True)

        grant.refresh_from_db()
        assert not grant.has_ended
        assert "Your access to Knee lasts until" in response.content.decode()

    def test_renewing_leads_to_a_new_version(self, browser: Client, user: User) -> None:
        dataset = offered()
        grant = set_end(granted(user, dataset), -10)
        publish_next(dataset)

        assert browser.post(reverse("renew", args=[grant.pk]))["Location"] == agreement(dataset) + "#sign"

    def test_replacing_a_link_is_asked_first_and_done_once(self, browser: Client, user: User) -> None:
        old = link_of(granted(user, offered()))
        where = reverse("replace_link", args=[old.pk])

        assert "Commands that run now will stop" in page(browser, where)
        assert DownloadLink.objects.count() == 1
        for _ in range(2):
            browser.post(where)

        old.refresh_from_db()
        assert old.status == "replaced"
        assert DownloadLink.objects.count() == 2
        assert "This link is replaced already" in page(browser, where)

    def test_mail_me_the_commands(self, browser: Client, user: User) -> None:
        link = link_of(granted(user, offered()))
        OutgoingMail.objects.update(created_at=timezone.now() - timedelta(hours=1))
        where = reverse("mail_link", args=[link.pk])

        first = browser.post(where, follow=True).content.decode()
        second = browser.post(where, follow=True).content.decode()

        assert f"The commands are on their way to {user.email}" in first
        assert "The commands were mailed a few minutes ago" in second
        assert OutgoingMail.objects.filter(template="access/link").count() == 2

    def test_other_peoples_rows_are_not_found(self, browser: Client) -> None:
        other = UserFactory()
        grant = granted(other, offered())
        link, request = link_of(grant), asked(other, reviewed())
        rows = {"renew": grant.pk, "replace_link": link.pk, "mail_link": link.pk, "withdraw_request": request.pk}

        for name, pk in rows.items():
            for key in (pk, 0, 10**30):
                assert browser.post(reverse(name, args=[key])).status_code == 404
        assert browser.get(reverse("replace_link", args=[link.pk])).status_code == 404
        link.refresh_from_db()
        assert link.status == "live"

    def test_nothing_is_done_by_looking(self, browser: Client, user: User) -> None:
        grant = granted(user, offered())
        request = asked(user, reviewed())
        rows = {
            "renew": grant.pk, "mail_link": link_of(grant).pk, "withdraw_request": request.pk,
            "ask": grant.dataset.slug,
        }  # fmt: skip

        for name, key in rows.items():
            button = reverse("dataset", args=[key]) if name == "ask" else reverse("downloads")
            for look in (browser.get, browser.head):
                assert look(reverse(name, args=[key]))["Location"] == button
            assert browser.put(reverse(name, args=[key])).status_code == 405
        request.refresh_from_db()
        assert request.status == "pending"

    def test_who_was_signed_out_meanwhile_comes_back_to_a_page(self, client: Client, user: User) -> None:
        grant = granted(user, offered())

        response = client.post(reverse("renew", args=[grant.pk]))

        assert response["Location"] == f"{reverse('account_login')}?next=/downloads/"

    def test_forms_of_other_sites_are_refused(self, user: User) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(user)
        grant = granted(user, offered())
        link = link_of(grant)

        for name, pk in {"renew": grant.pk, "replace_link": link.pk, "mail_link": link.pk}.items():
            assert client.post(reverse(name, args=[pk])).status_code == 403


@pytest.mark.django_db(transaction=True)
def test_two_tabs_that_sign_at_the_same_time_are_one_signature(user: User) -> None:
    dataset = offered()
    data = filled(dataset)
    tabs = [signed_in(user) for _ in range(4)]

    answers = at_once([partial(tab.post, agreement(dataset), data) for tab in tabs])

    assert [answer.status_code for answer in answers] == [302] * 4
    assert (Signature.objects.count(), AccessGrant.objects.count()) == (1, 1)
    assert OutgoingMail.objects.filter(template="access/link").count() == 1
