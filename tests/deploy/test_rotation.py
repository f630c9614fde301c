"""Keys follow one another, as docs/operating.md says, without anybody losing what was mailed."""

import pytest
from django.conf import LazySettings
from django.test import Client

from datasets.models import DownloadLink
from datasets.services.downloads import token_of
from tests.factories import UserFactory, granted

pytestmark = pytest.mark.django_db
A, B = f"a:{'0123456789abcdef' * 4}", f"b:{'fedcba9876543210' * 4}"
# Each is a step of the table: what is set, and which links of before still open.
LETTERS = {"a": [A], "b,a": [B, A], "b": [B], "a,b": [A, B]}


@pytest.fixture
def link() -> DownloadLink:
    return granted()


def opens(token: str) -> int:
    return Client().get(f"/get/{token}/").status_code


def test_mailed_links_live_on_until_their_letter_is_taken_away(link: DownloadLink, settings: LazySettings) -> None:
    settings.LINK_KEYS = LETTERS["a"]
    mailed = token_of(link)
    assert opens(mailed) == 200

    settings.LINK_KEYS = LETTERS["b,a"]
    newer = token_of(link)
    assert newer != mailed
    assert [opens(mailed), opens(newer)] == [200, 200]
    archive = link.release.archives.get()
    assert Client().get(f"/get/{mailed}/{archive.name}").status_code == 302

    settings.LINK_KEYS = LETTERS["b"]
    assert [opens(mailed), opens(newer)] == [404, 200]

    settings.LINK_KEYS = LETTERS["a,b"]
    assert opens(newer) == 200


def test_links_do_not_notice_another_secret_key(link: DownloadLink, settings: LazySettings) -> None:
    mailed = token_of(link)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another" * 9, []
    assert opens(mailed) == 200
    assert token_of(link) == mailed


def test_people_stay_signed_in_while_the_former_secret_key_is_a_fallback(settings: LazySettings) -> None:
    browser = Client()
    browser.force_login(UserFactory())
    former = settings.SECRET_KEY
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another" * 9, [former]
    assert browser.get("/downloads/").status_code == 200


def test_they_are_asked_to_sign_in_once_it_is_gone(settings: LazySettings) -> None:
    browser = Client()
    browser.force_login(UserFactory())
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another" * 9, []
    answer = browser.get("/downloads/")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/accounts/login/?next=/downloads/")
