"""Access: what signing and asking lead to, and what becomes of requests and grants."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.exceptions import StatementsMissing, VersionReplaced
from accounts.models import OutgoingMail, Receipt, Signature, User
from accounts.services.agreements import current_version
from datasets.exceptions import MoveNotAllowed, ProfileIncomplete, SignatureNeeded
from datasets.models import AccessGrant, AccessRequest, DownloadLink
from datasets.permissions import may_download
from datasets.services.access import (
    approve_request,
    ask_for_access,
    decline_request,
    mail_link,
    renew_grant,
    resend_links,
    revoke_grant,
    withdraw_request,
)
from tests.access import (
    asked,
    granted,
    granted_by_hand,
    link_of,
    offered,
    publish_next,
    reviewed,
    set_end,
    sign,
)
from tests.factories import ReleaseFactory, StaffFactory, UserFactory
from tests.receipts import make_all_receipts
from tests.threads import at_once

pytestmark = pytest.mark.django_db


@pytest.fixture
def user() -> User:
    return UserFactory(name="Quiet Reader")


@pytest.fixture
def maintainer() -> User:
    return StaffFactory(name="First Maintainer")


def mails(template: str) -> int:
    make_all_receipts()
    return OutgoingMail.objects.filter(template=template).count()


class TestSigning:
    def test_automatic_policy_opens_access_at_once(self, user: User) -> None:
        dataset = offered(access_days=30)

        outcome = sign(user, dataset)

        assert outcome.grant is not None
        assert outcome.request is None
        assert timedelta(days=29) < outcome.grant.ends_at - timezone.now() <= timedelta(days=30)
        assert may_download(user, dataset.releases.get())
        assert (mails("agreement/receipt"), mails("access/link")) == (1, 1)

    def test_reviewed_policy_files_a_request_and_acknowledges_it(self, user: User) -> None:
        dataset = reviewed()

        outcome = sign(user, dataset)

        assert outcome.grant is None
        assert outcome.request is not None
        assert outcome.request.purpose == user.research_purpose
        assert not may_download(user, dataset.releases.get())
        assert (mails("agreement/receipt"), mails("access/requested"), mails("access/link")) == (1, 1, 0)

    def test_every_published_release_gets_a_link(self, user: User) -> None:
        dataset = offered()
        ReleaseFactory(dataset=dataset, version="77.0")
        ReleaseFactory(dataset=dataset, status="draft", published_at=None)

        grant = granted(user, dataset)

        assert DownloadLink.objects.live().filter(grant=grant).count() == 2
        assert mails("access/link") == 1

    def test_signing_twice_changes_nothing(self, user: User) -> None:
        dataset = offered()

        first, second = sign(user, dataset), sign(user, dataset)

        assert (first.signature, first.grant) == (second.signature, second.grant)
        assert (first.opened, second.opened) == (True, False)
        assert (Signature.objects.count(), AccessGrant.objects.count(), OutgoingMail.objects.count()) == (1, 1, 1)
        assert mails("agreement/receipt") == 1

    def test_nothing_is_kept_when_a_statement_is_missing(self, user: User) -> None:
        dataset = offered()

        with pytest.raises(StatementsMissing):
            sign(user, dataset, statements=[])

        assert not Signature.objects.exists()
        assert not AccessGrant.objects.exists()
        assert not OutgoingMail.objects.exists()
        assert not Receipt.objects.exists()

    def test_an_incomplete_profile_says_what_is_missing(self) -> None:
        user = UserFactory(institution="", country="")

        with pytest.raises(ProfileIncomplete, match="institution, country of the institution"):
            sign(user, offered())

        assert not Signature.objects.exists()

    def test_the_agreement_of_another_dataset_is_refused(self, user: User) -> None:
        dataset, other = offered(), offered()

        with pytest.raises(VersionReplaced, match="another agreement"):
            sign(user, dataset, version=current_version(other.agreement))

        assert not Signature.objects.exists()

    def test_one_signature_serves_every_dataset_under_the_agreement(self, user: User) -> None:
        knee = offered()
        brain = reviewed(agreement=knee.agreement)
        sign(user, knee)

        outcome = ask_for_access(user=user, dataset=brain)

        assert outcome.request is not None
        assert Signature.objects.count() == 1

    def test_a_stale_tab_of_a_superseded_version_opens_nothing(self, user: User) -> None:
        knee = offered()
        other = offered(agreement=knee.agreement)
        first = current_version(knee.agreement)
        sign(user, knee)
        publish_next(knee)

        with pytest.raises(SignatureNeeded):
            sign(user, other, version=first)

        assert not AccessGrant.objects.filter(dataset=other).exists()

    def test_signing_a_new_version_after_the_end_renews(self, user: User) -> None:
        dataset = offered()
        grant = set_end(granted(user, dataset), -3)
        publish_next(dataset)

        assert sign(user, dataset).grant == grant

        grant.refresh_from_db()
        assert not grant.has_ended
        assert may_download(user, dataset.releases.get())

    def test_signing_a_new_version_leaves_the_end_where_it_is(self, user: User) -> None:
        dataset = offered()
        grant = set_end(granted(user, dataset), 50)
        publish_next(dataset)
        assert not may_download(user, dataset.releases.get())

        sign(user, dataset)

        end = grant.ends_at
        grant.refresh_from_db()
        assert grant.ends_at == end
        assert may_download(user, dataset.releases.get())


class TestAsking:
    def test_asking_needs_a_signature(self, user: User) -> None:
        with pytest.raises(SignatureNeeded, match="is not signed yet"):
            ask_for_access(user=user, dataset=offered())

    def test_asking_for_what_has_no_agreement_yet_says_so(self, user: User) -> None:
        dataset = offered()
        dataset.agreement = type(dataset.agreement).objects.create(slug="empty", title="Empty")

        with pytest.raises(SignatureNeeded, match="not published yet"):
            ask_for_access(user=user, dataset=dataset)

    def test_asking_twice_is_one_request_and_one_mail(self, user: User) -> None:
        dataset = reviewed()
        first = asked(user, dataset)

        assert ask_for_access(user=user, dataset=dataset).request == first

        assert mails("access/requested") == 1

    def test_who_was_declined_may_ask_again(self, user: User, maintainer: User) -> None:
        dataset = reviewed()
        first = decline_request(asked(user, dataset), by=maintainer, reason="Too short.")

        second = ask_for_access(user=user, dataset=dataset).request

        assert second is not None
        assert second.pk != first.pk
        assert mails("access/requested") == 2

    def test_who_was_revoked_is_read_by_a_person_whatever_the_policy(self, user: User, maintainer: User) -> None:
        dataset = offered()
        revoke_grant(granted(user, dataset), by=maintainer, reason="The project has closed.")

        outcome = ask_for_access(user=user, dataset=dataset)

        assert outcome.grant is None
        assert outcome.request is not None

    def test_the_sixth_request_within_a_day_waits(self, user: User) -> None:
        dataset = reviewed()
        withdraw_request(asked(user, dataset), by=user)
        for _ in range(4):
            request = ask_for_access(user=user, dataset=dataset).request
            assert request is not None
            withdraw_request(request, by=user)

        with pytest.raises(MoveNotAllowed, match="Ask again tomorrow"):
            ask_for_access(user=user, dataset=dataset)

    def test_a_request_that_waits_is_approved_when_the_policy_becomes_automatic(self, user: User) -> None:
        dataset = reviewed()
        request = asked(user, dataset)
        dataset.access_policy = "automatic"
        dataset.save()

        outcome = ask_for_access(user=user, dataset=dataset)

        request.refresh_from_db()
        assert outcome.grant is not None
        assert (request.status, request.decided_by, outcome.grant.request) == ("approved", None, request)


class TestWithdrawing:
    def test_the_owner_withdraws(self, user: User) -> None:
        request = withdraw_request(asked(user, reviewed()), by=user)

        assert request.status == "withdrawn"
        assert withdraw_request(request, by=user).status == "withdrawn"

    def test_nobody_else_does(self, user: User, maintainer: User) -> None:
        with pytest.raises(MoveNotAllowed, match="Only the person who asked"):
            withdraw_request(asked(user, reviewed()), by=maintainer)

    def test_what_was_decided_is_not_withdrawn(self, user: User, maintainer: User) -> None:
        request = asked(user, reviewed())
        approve_request(request, by=maintainer)

        with pytest.raises(MoveNotAllowed, match=r"Your request for .* was approved on"):
            withdraw_request(request, by=user)


class TestDeciding:
    def test_approval_opens_access_and_mails_the_link(self, user: User, maintainer: User) -> None:
        dataset = reviewed()
        request = asked(user, dataset)

        grant = approve_request(request, by=maintainer)

        request.refresh_from_db()
        assert (request.status, request.decided_by, grant.request) == ("approved", maintainer, request)
        assert may_download(user, dataset.releases.get())
        assert mails("access/link") == 1

    def test_a_double_click_approves_once(self, user: User, maintainer: User) -> None:
        request = asked(user, reviewed())

        assert approve_request(request, by=maintainer) == approve_request(request, by=maintainer)

        assert mails("access/link") == 1

    def test_the_second_maintainer_gets_a_sentence(self, user: User, maintainer: User) -> None:
        request = asked(user, reviewed())
        approve_request(request, by=maintainer)

        with pytest.raises(MoveNotAllowed, match=r"was approved by First Maintainer on .* Nothing was changed"):
            decline_request(request, by=StaffFactory(), reason="No.")

        assert AccessGrant.objects.active().filter(user=user).exists()

    def test_declining_needs_a_reason_and_tells_it(self, user: User, maintainer: User) -> None:
        request = asked(user, reviewed())
        with pytest.raises(MoveNotAllowed, match="Give the reason"):
            decline_request(request, by=maintainer, reason=" \n\x00 ")

        declined = decline_request(request, by=maintainer, reason="Too  short.\nSay more.")

        assert (declined.status, declined.reason) == ("declined", "Too short. Say more.")
        assert mails("access/declined") == 1
        with pytest.raises(MoveNotAllowed, match=r"declined by First Maintainer .*: Too short. Say more. Nothing"):
            approve_request(request, by=StaffFactory())

    def test_a_withdrawn_request_is_not_approved(self, user: User, maintainer: User) -> None:
        request = withdraw_request(asked(user, reviewed()), by=user)

        with pytest.raises(MoveNotAllowed, match="was withdrawn by Quiet Reader"):
            approve_request(request, by=maintainer)

    def test_a_disabled_account_is_not_approved(self, user: User, maintainer: User) -> None:
        request = asked(user, reviewed())
        User.objects.update(is_active=False)

        with pytest.raises(MoveNotAllowed, match="is disabled"):
            approve_request(request, by=maintainer)

        assert not AccessGrant.objects.exists()


class TestRevoking:
    def test_revoking_stops_access_and_links_and_says_why(self, user: User, maintainer: User) -> None:
        dataset = offered()
        grant = granted(user, dataset)

        revoked = revoke_grant(grant, by=maintainer, reason="The project has closed.")

        assert (revoked.status, revoked.reason, revoked.revoked_by) == (
            "revoked", "The project has closed.", maintainer
        )  # fmt: skip
        assert [link.status for link in grant.links.all()] == ["revoked"]
        assert not may_download(user, dataset.releases.get())
        assert mails("access/revoked") == 1

    def test_revoking_needs_a_reason(self, user: User, maintainer: User) -> None:
        grant = granted(user, offered())

        with pytest.raises(MoveNotAllowed, match="Give the reason"):
            revoke_grant(grant, by=maintainer, reason="")

        grant.refresh_from_db()
        assert grant.status == "active"

    def test_a_double_click_revokes_once_and_a_second_maintainer_is_told(self, user: User, maintainer: User) -> None:
        grant = granted(user, offered())
        revoke_grant(grant, by=maintainer, reason="Closed.")
        revoke_grant(grant, by=maintainer, reason="Closed.")

        with pytest.raises(MoveNotAllowed, match=r"revoked by First Maintainer on .*: Closed"):
            revoke_grant(grant, by=StaffFactory(), reason="Another reason.")

        assert mails("access/revoked") == 1

    def test_a_new_approval_after_a_revocation_is_a_new_grant_with_new_links(
        self, user: User, maintainer: User
    ) -> None:
        dataset = offered()
        old = granted(user, dataset)
        revoke_grant(old, by=maintainer, reason="Closed.")
        request = ask_for_access(user=user, dataset=dataset).request
        assert request is not None

        new = approve_request(request, by=maintainer)

        assert new.pk != old.pk
        assert link_of(new).nonce != old.links.get().nonce
        assert may_download(user, dataset.releases.get())


class TestRenewing:
    def test_renewing_moves_the_end_of_the_same_grant(self, user: User) -> None:
        dataset = offered(access_days=180)
        grant = set_end(granted(user, dataset), 20)
        link = link_of(grant)

        renewed = renew_grant(grant, by=user)

        assert renewed.pk == grant.pk
        assert timedelta(days=179) < renewed.ends_at - timezone.now() <= timedelta(days=180)
        assert link_of(grant) == link

    def test_renewing_never_shortens(self, user: User) -> None:
        dataset = offered(access_days=180)
        grant = set_end(granted(user, dataset), 300)

        assert renew_grant(grant, by=user).ends_at == grant.ends_at

    def test_renewing_twice_is_renewing_once(self, user: User) -> None:
        grant = set_end(granted(user, offered()), 20)

        assert renew_grant(grant, by=user).ends_at == renew_grant(grant, by=user).ends_at

    def test_ended_access_is_renewed_with_one_click(self, user: User) -> None:
        dataset = reviewed()
        grant = set_end(granted_by_hand(user, dataset), -10)
        assert not may_download(user, dataset.releases.get())

        renew_grant(grant, by=user)

        assert may_download(user, dataset.releases.get())

    def test_renewing_needs_the_current_agreement(self, user: User) -> None:
        dataset = offered()
        grant = set_end(granted(user, dataset), 20)
        publish_next(dataset, due_in=timedelta(days=14))

        with pytest.raises(SignatureNeeded, match=r"Version 2 .* is not signed yet"):
            renew_grant(grant, by=user)

        assert may_download(user, dataset.releases.get())

    def test_an_editorial_version_does_not_stand_in_the_way(self, user: User) -> None:
        dataset = offered()
        grant = set_end(granted(user, dataset), 20)
        publish_next(dataset, editorial=True)

        assert renew_grant(grant, by=user).ends_at > grant.ends_at

    def test_what_was_revoked_is_not_renewed(self, user: User, maintainer: User) -> None:
        grant = revoke_grant(granted(user, offered()), by=maintainer, reason="Closed.")

        with pytest.raises(MoveNotAllowed, match=r"was revoked on .*: Closed\. It cannot be renewed"):
            renew_grant(grant, by=user)

    def test_every_renewal_is_kept_as_an_event(self, user: User) -> None:
        grant = set_end(granted(user, offered()), 20)
        before = grant.events.count()  # type: ignore[attr-defined]

        renew_grant(grant, by=user)

        assert grant.events.count() == before + 1  # type: ignore[attr-defined]


class TestMailingLinks:
    @pytest.fixture
    def grant(self, user: User) -> AccessGrant:
        grant = granted(user, offered())
        OutgoingMail.objects.update(created_at=timezone.now() - timedelta(hours=1))
        return grant

    def test_a_double_click_mails_once(self, user: User, grant: AccessGrant) -> None:
        assert mail_link(link_of(grant), by=user)
        assert not mail_link(link_of(grant), by=user)

        assert mails("access/link") == 2

    def test_a_dead_link_is_not_mailed(self, user: User, maintainer: User, grant: AccessGrant) -> None:
        link = link_of(grant)
        revoke_grant(grant, by=maintainer, reason="Closed.")

        with pytest.raises(MoveNotAllowed, match=r"is revoked. It was not mailed"):
            mail_link(link, by=user)

    def test_an_ended_access_is_renewed_first(self, user: User, grant: AccessGrant) -> None:
        set_end(grant, -1)

        with pytest.raises(MoveNotAllowed, match=r"Your access to .* has ended. Renew it first"):
            mail_link(link_of(grant), by=user)

    def test_a_maintainer_resends_every_link_that_works(self, maintainer: User, grant: AccessGrant) -> None:
        assert resend_links(grant, by=maintainer) == 1
        assert resend_links(grant, by=maintainer) == 0


@pytest.mark.django_db(transaction=True)
class TestAtTheSameTime:
    def test_two_tabs_open_one_access(self, user: User) -> None:
        dataset = offered()

        outcomes = at_once([lambda: sign(user, dataset)] * 6)

        assert len({outcome.grant.pk for outcome in outcomes}) == 1
        assert (AccessGrant.objects.count(), mails("access/link"), mails("agreement/receipt")) == (1, 1, 1)

    def test_two_tabs_file_one_request(self, user: User) -> None:
        knee, dataset = offered(), reviewed()
        dataset.agreement = knee.agreement
        dataset.save()
        sign(user, knee)

        outcomes = at_once([lambda: ask_for_access(user=user, dataset=dataset)] * 6)

        assert len({outcome.request.pk for outcome in outcomes}) == 1
        assert mails("access/requested") == 1

    def test_of_two_maintainers_one_decides(self, user: User) -> None:
        request = asked(user, reviewed())
        one, two = StaffFactory(), StaffFactory()

        outcomes = at_once(
            [
                lambda: approve_request(request, by=one),
                lambda: decline_request(request, by=two, reason="Too short."),
            ]
        )

        refused = [outcome for outcome in outcomes if isinstance(outcome, MoveNotAllowed)]
        request.refresh_from_db()
        assert len(refused) == 1
        assert AccessGrant.objects.count() == (1 if request.status == "approved" else 0)
        assert mails("access/link") + mails("access/declined") == 1

    def test_two_clicks_of_a_maintainer_approve_once(self, user: User, maintainer: User) -> None:
        request = asked(user, reviewed())

        grants = at_once([lambda: approve_request(request, by=maintainer)] * 4)

        assert len({grant.pk for grant in grants}) == 1
        assert mails("access/link") == 1

    def test_renewing_and_revoking_leave_a_revoked_grant(self, user: User, maintainer: User) -> None:
        grant = set_end(granted(user, offered()), 10)

        outcomes = at_once(
            [lambda: renew_grant(grant, by=user), lambda: revoke_grant(grant, by=maintainer, reason="Closed.")]
        )

        grant.refresh_from_db()
        assert grant.status == "revoked"
        assert all(isinstance(outcome, AccessGrant | MoveNotAllowed) for outcome in outcomes)

    def test_clicks_on_mail_me_the_commands_mail_once(self, user: User) -> None:
        link = link_of(granted(user, offered()))
        OutgoingMail.objects.update(created_at=timezone.now() - timedelta(hours=1))

        assert sum(at_once([lambda: mail_link(link, by=user)] * 5)) == 1

    def test_withdrawing_while_it_is_approved_ends_one_way(self, user: User, maintainer: User) -> None:
        request = asked(user, reviewed())

        at_once([lambda: withdraw_request(request, by=user), lambda: approve_request(request, by=maintainer)])

        request.refresh_from_db()
        assert AccessRequest.objects.get().status in {"withdrawn", "approved"}
        assert AccessGrant.objects.exists() == (request.status == "approved")
