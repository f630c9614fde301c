"""Pictures are shown to their dataset's audience and to nobody else, quickly, and for good."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import caches
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from accounts.models import AgreementVersion, User
from datasets.exceptions import BucketDown
from datasets.models import Dataset, Preview, Release
from datasets.permissions import may_see_previews
from datasets.storage import Bucket, preview_bucket
from tests.archives import PICTURES
from tests.factories import (
    AgreementVersionFactory,
    PreviewFactory,
    SignatureFactory,
    StaffFactory,
    UserFactory,
)
from tests.flows.faults import before_the_bucket, denied
from tests.maintainers import maintainer

pytestmark = pytest.mark.django_db
NAME = "thumbnail.webp"
CONTENT = b"RIFF    WEBP and more"
EVERYONE, SIGNED_IN, HOLDERS = Dataset.Audience.values


@pytest.fixture
def preview() -> Preview:
    """A picture in the bucket, of a dataset whose agreement must be signed."""
    caches["thumbnails"].clear()
    row = PreviewFactory(pictures=PICTURES)
    AgreementVersionFactory(agreement=dataset_of(row).agreement, number=2)
    for name in PICTURES:
        preview_bucket().put(f"{row.folder}/{name}", CONTENT)
    return row


def dataset_of(preview: Preview) -> Dataset:
    return preview.volume.archive.release.dataset


def shown_to(audience: str, preview: Preview) -> None:
    Dataset.objects.filter(pk=dataset_of(preview).pk).update(preview_audience=audience)


def address(preview: Preview, name: str = NAME, folder: str = "") -> str:
    return reverse("preview_image", args=[preview.volume_id, folder or preview.folder, name])


def signer(preview: Preview, number: int = 2, **user: object) -> User:
    agreement = dataset_of(preview).agreement
    version = AgreementVersion.objects.filter(agreement=agreement, number=number).first()
    version = version or AgreementVersionFactory(agreement=agreement, number=number)
    return SignatureFactory(user=UserFactory(**user), version=version).user


VISITORS: dict[str, Any] = {
    "nobody": lambda preview: None,
    "signed in": lambda preview: UserFactory(),
    "signed the agreement": signer,
    "signed a version that no longer suffices": lambda preview: signer(preview, 1),
    "signed another agreement": lambda preview: SignatureFactory().user,
    "signed and was disabled": lambda preview: signer(preview, is_active=False),
    "a maintainer": lambda preview: StaffFactory(),
    "staff without the permission": lambda preview: StaffFactory(is_superuser=False),
}
MAY_SEE = {
    EVERYONE: set(VISITORS),
    SIGNED_IN: set(VISITORS) - {"nobody", "signed and was disabled"},
    HOLDERS: {"signed the agreement", "a maintainer"},
}


class TestAudience:
    @pytest.mark.parametrize("visitor", list(VISITORS))
    @pytest.mark.parametrize("audience", list(MAY_SEE))
    def test_each_kind_of_visitor_sees_what_is_theirs(
        self, audience: str, visitor: str, preview: Preview, client: Client
    ) -> None:
        shown_to(audience, preview)
        user = VISITORS[visitor](preview)
        if user is not None:
            client.force_login(user)
        seen = client.get(address(preview))
        unknown = client.get(address(preview, folder="0" * 32))
        if visitor in MAY_SEE[audience]:
            assert (seen.status_code, seen.content, unknown.status_code) == (200, CONTENT, 404)
        else:
            # Whether there is such a picture is not said.
            assert (seen.status_code, unknown.status_code) == (403, 403)
            assert seen.content == unknown.content
            assert seen["Cache-Control"] == "no-store"
            assert seen["Content-Type"].startswith("text/plain")

    def test_a_signature_suffices_until_the_day_from_which_the_next_version_is_required(self, preview: Preview) -> None:
        shown_to(HOLDERS, preview)
        user, dataset = signer(preview), Dataset.objects.get()
        coming = AgreementVersionFactory(
            agreement=dataset.agreement, number=3, required_from=timezone.now() + timedelta(days=1)
        )
        assert may_see_previews(user, dataset)
        AgreementVersion.objects.filter(pk=coming.pk).update(required_from=timezone.now())
        assert not may_see_previews(user, dataset)

    def test_who_signs_an_agreement_that_requires_nothing_sees_and_who_does_not_does_not(self) -> None:
        dataset = PreviewFactory(pictures=PICTURES).volume.archive.release.dataset
        version = AgreementVersionFactory(agreement=dataset.agreement, required_from=None, status="published")
        assert may_see_previews(SignatureFactory(version=version).user, dataset)
        assert not may_see_previews(UserFactory(), dataset)

    def test_the_gate_asks_the_database_once_at_most(self, preview: Preview) -> None:
        user = signer(preview)
        for audience in MAY_SEE:
            shown_to(audience, preview)
            dataset = Dataset.objects.get()
            with CaptureQueriesContext(connection) as seen:
                may_see_previews(user, dataset)
            assert len(seen) == (audience == HOLDERS)


class TestRelease:
    @pytest.mark.parametrize("status", [status for status in Release.Status.values if status != "published"])
    def test_what_is_not_published_is_for_maintainers_alone(
        self, status: str, preview: Preview, client: Client
    ) -> None:
        shown_to(EVERYONE, preview)
        Release.objects.update(status=status, reason="so", withdrawn_at=timezone.now(), publish_at=timezone.now())
        assert client.get(address(preview)).status_code == 404
        client.force_login(UserFactory())
        assert client.get(address(preview)).status_code == 404
        client.force_login(StaffFactory())
        assert client.get(address(preview)).status_code == 404, "without a second factor, as in the admin"
        maintainer(client)
        seen = client.get(address(preview))
        assert seen.status_code == 200
        assert seen["Cache-Control"].startswith("private")

    def test_a_dataset_that_is_not_listed_has_no_pictures_for_everybody(self, preview: Preview, client: Client) -> None:
        shown_to(EVERYONE, preview)
        Dataset.objects.update(is_listed=False)
        assert client.get(address(preview)).status_code == 404


class TestAnswer:
    @pytest.mark.parametrize(("audience", "whose"), [(EVERYONE, "public, s-maxage=600"), (SIGNED_IN, "private")])
    def test_it_may_be_kept_for_good_by_whoever_may_see_it(
        self, audience: str, whose: str, preview: Preview, client: Client
    ) -> None:
        shown_to(audience, preview)
        client.force_login(UserFactory())
        seen = client.get(address(preview))
        assert seen["Cache-Control"] == f"{whose}, max-age=31536000, immutable"
        assert seen["Content-Type"] == "image/webp"
        assert seen["X-Content-Type-Options"] == "nosniff"
        assert seen["ETag"] == f'"{preview.folder}/{NAME}"'
        assert not seen.cookies
        # Or the browser's next user would be shown what it kept for this one.
        assert ("Cookie" in seen.get("Vary", "")) == (audience != EVERYONE)
        again = client.get(address(preview), headers={"If-None-Match": seen["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert again["Cache-Control"] == seen["Cache-Control"]

    def test_only_reading_is_possible(self, preview: Preview, client: Client) -> None:
        shown_to(EVERYONE, preview)
        head = client.head(address(preview))
        assert (head.status_code, head.content, head["Content-Length"]) == (200, b"", str(len(CONTENT)))
        for method in (client.post, client.put, client.delete, client.patch):
            assert method(address(preview)).status_code == 405

    def test_who_is_not_allowed_to_see_it_is_not_told_by_its_etag_either(
        self, preview: Preview, client: Client
    ) -> None:
        etag = f'"{preview.folder}/{NAME}"'
        assert client.get(address(preview), headers={"If-None-Match": etag}).status_code == 403

    def test_a_picture_that_was_made_anew_is_no_longer_at_its_old_address(
        self, preview: Preview, client: Client
    ) -> None:
        shown_to(EVERYONE, preview)
        Preview.objects.update(folder="f" * 32)
        assert client.get(address(preview)).status_code == 404

    def test_while_it_is_made_anew_and_when_that_fails_the_old_one_is_shown(
        self, preview: Preview, client: Client
    ) -> None:
        shown_to(EVERYONE, preview)
        Preview.objects.update(state="failed", reason="so")
        assert client.get(address(preview)).status_code == 200

    def test_a_picture_that_the_bucket_has_lost_is_not_there(self, preview: Preview, client: Client) -> None:
        shown_to(EVERYONE, preview)
        preview_bucket().delete(f"{preview.folder}/{NAME}")
        assert client.get(address(preview)).status_code == 404

    def test_a_picture_that_the_bucket_refuses_is_not_there(self, preview: Preview, client: Client) -> None:
        """As S3 says of one that is gone to whoever may not list."""
        shown_to(EVERYONE, preview)
        with before_the_bucket() as plan:
            plan.always = denied()
            assert client.get(address(preview)).status_code == 404

    def test_a_bucket_that_is_away_is_said_with_when_to_come_back(
        self, preview: Preview, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def down(*_: object) -> None:
            raise BucketDown("it does not answer")

        shown_to(EVERYONE, preview)
        monkeypatch.setattr(Bucket, "get", down)
        client.raise_request_exception = False
        seen = client.get(address(preview))
        assert seen.status_code == 503
        assert seen["Retry-After"]
        assert "immutable" not in seen.get("Cache-Control", "")

    @pytest.mark.parametrize(
        "name",
        [
            *(
                "../../etc/passwd",
                "..%2f..%2fetc%2fpasswd",
                "%2e%2e/thumbnail.webp",
                "thumbnail.webp%00.png",
                "%00.webp",
            ),
            *(
                "thumbnail.webp/",
                "thumbnail.svg",
                "thumbnail.html",
                ".webp",
                "-.webp",
                "a" * 5_000 + ".webp",
                "x.webp%0a",
            ),
            *("другой.webp", "thumbnail.webp;a=b", "thumbnail.WEBP", "other.webp", "%5c..%5cthumbnail.webp"),
        ],
    )
    def test_hostile_names_lead_nowhere(self, name: str, preview: Preview, client: Client) -> None:
        shown_to(EVERYONE, preview)
        base = address(preview).removesuffix(NAME)
        assert client.get(f"{base}{name}").status_code == 404

    @pytest.mark.parametrize("folder", ["..", "0", "F" * 32, "0" * 41, "%00" * 20, "0" * 31 + "/"])
    def test_hostile_folders_and_numbers_lead_nowhere(self, folder: str, preview: Preview, client: Client) -> None:
        shown_to(EVERYONE, preview)
        assert client.get(f"/previews/{preview.volume_id}/{folder}/{NAME}").status_code == 404
        for number in ("0", "9" * 30, "-1", "x"):
            assert client.get(f"/previews/{number}/{preview.folder}/{NAME}").status_code == 404
        with pytest.raises(NoReverseMatch):
            reverse("preview_image", args=[1, "..", NAME])


class TestCost:
    def test_a_picture_for_everybody_is_one_query_and_no_session(self, preview: Preview, client: Client) -> None:
        shown_to(EVERYONE, preview)
        client.force_login(UserFactory())
        with CaptureQueriesContext(connection) as seen:
            client.get(address(preview))
        assert len(seen) == 1

    def test_others_need_two_beside_those_of_the_session(self, preview: Preview, client: Client) -> None:
        client.force_login(signer(preview))
        with CaptureQueriesContext(connection) as seen:
            assert client.get(address(preview)).status_code == 200
        about_the_session = [query for query in seen if "django_session" in query["sql"] or '"email"' in query["sql"]]
        assert len(seen) - len(about_the_session) <= 2

    def test_small_pictures_are_fetched_once_a_process(
        self, preview: Preview, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shown_to(EVERYONE, preview)
        fetched: list[str] = []
        get = Bucket.get

        def fetch(self: Bucket, key: str) -> bytes:
            fetched.append(key)
            return get(self, key)

        monkeypatch.setattr(Bucket, "get", fetch)
        for _each in range(3):
            assert client.get(address(preview)).content == CONTENT
        assert fetched == [f"{preview.folder}/{NAME}"]
        preview_bucket().put(f"{preview.folder}/{PICTURES[0]}", bytes(100_000))
        for _each in range(2):
            client.get(address(preview, PICTURES[0]))
        assert len(fetched) == 3
