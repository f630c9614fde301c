"""What stands after /get/: short, unforgeable, one spelling each."""

import base64
import string

import pytest
from django.core.exceptions import ImproperlyConfigured
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from datasets.exceptions import LinkUnknown
from datasets.models.downloads import random_nonce
from datasets.services.downloads import address_of, open_file, open_link, token_of, tokens
from tests.factories import DownloadLinkFactory

ALPHABET = string.ascii_letters + string.digits + "-_"
OLD, NEW = f"a:{'0123456789abcdef' * 4}", f"b:{'fedcba9876543210' * 4}"
nonces = st.integers(-(2**63), 2**63 - 1)


@given(nonces)
def test_every_nonce_comes_back_from_its_token(nonce: int) -> None:
    token = tokens.mint(nonce)
    assert len(token) == 33
    assert set(token) <= set(ALPHABET)
    assert tokens.nonce_of(token) == nonce


@given(nonces, st.integers(0, 32), st.sampled_from(ALPHABET))
def test_no_other_character_anywhere_is_accepted(nonce: int, place: int, letter: str) -> None:
    token = tokens.mint(nonce)
    changed = token[:place] + letter + token[place + 1 :]
    if changed != token:
        with pytest.raises(LinkUnknown):
            tokens.nonce_of(changed)


def spoilt(token: str) -> list[str]:
    return [
        "",
        token[:-1],
        token[1:],
        token + "A",
        token + "=",
        f"{token}\n",
        f" {token}",
        f"{token[:20]}\n{token[20:]}",
        token.swapcase(),
        "x" * 33,
        "A" * 100_000,
        token[0] + base64.b64encode(base64.urlsafe_b64decode(token[1:]) + b"\0\0\0").decode(),
        token.translate(str.maketrans("-_", "+/")) if set(token) & {"-", "_"} else "+" * 33,
        token[:5] + "\u0430" + token[6:],
        token[:5] + "\0" + token[6:],
        "é" * 33,
        "０" + token[1:],
    ]


def test_cut_lengthened_and_rewritten_tokens_are_unknown(settings: Settings) -> None:
    settings.SITE_URL = "https://portal.example.org"
    for text in spoilt(tokens.mint(random_nonce())):
        with pytest.raises(LinkUnknown) as refusal:
            tokens.nonce_of(text)
        assert str(refusal.value) == (
            "This link is not complete; mail programs sometimes cut long lines. "
            "Copy it again from https://portal.example.org/downloads/"
        )


def test_unknown_tokens_never_reach_the_database() -> None:
    """Without the django_db mark any query fails."""
    for text in spoilt(tokens.mint(random_nonce())):
        with pytest.raises(LinkUnknown):
            open_link(text)
        with pytest.raises(LinkUnknown):
            open_file(text, "knee.tar")


@pytest.mark.django_db
def test_a_token_of_ours_without_a_link_is_unknown_too() -> None:
    with pytest.raises(LinkUnknown):
        open_link(tokens.mint(random_nonce()))


def test_tokens_of_another_site_are_unknown(settings: Settings) -> None:
    settings.LINK_KEYS = [OLD]
    token = tokens.mint(7)
    settings.LINK_KEYS = [f"a:{'76543210fedcba98' * 4}"]
    with pytest.raises(LinkUnknown):
        tokens.nonce_of(token)


class TestRotation:
    def test_the_first_key_mints_and_the_others_still_open(self, settings: Settings) -> None:
        settings.LINK_KEYS = [OLD]
        old = tokens.mint(7)
        settings.LINK_KEYS = [NEW, OLD]
        new = tokens.mint(7)
        assert (old[0], new[0]) == ("a", "b")
        assert tokens.nonce_of(old) == tokens.nonce_of(new) == 7

    def test_a_key_that_is_gone_opens_nothing(self, settings: Settings) -> None:
        settings.LINK_KEYS = [OLD]
        old = tokens.mint(7)
        settings.LINK_KEYS = [NEW]
        with pytest.raises(LinkUnknown):
            tokens.nonce_of(old)

    def test_a_token_does_not_pass_under_another_keys_name(self, settings: Settings) -> None:
        """Not even when both names have the same secret: the name is sealed too."""
        secret = OLD.partition(":")[2]
        settings.LINK_KEYS = [f"a:{secret}", f"b:{secret}"]
        with pytest.raises(LinkUnknown):
            tokens.nonce_of("b" + tokens.mint(7)[1:])

    def test_without_keys_nothing_is_minted_and_the_message_says_what_to_set(self, settings: Settings) -> None:
        settings.LINK_KEYS = []
        with pytest.raises(ImproperlyConfigured, match="LINK_KEYS is missing"):
            tokens.mint(7)


@pytest.mark.django_db
def test_the_mailed_link_is_short_and_a_token_can_be_shown_again(settings: Settings) -> None:
    settings.SITE_URL = "https://portal.example.org"
    link = DownloadLinkFactory()
    assert address_of(link) == f"https://portal.example.org/get/{token_of(link)}/"
    assert address_of(link, "download.sh").endswith("/download.sh")
    assert len(address_of(link, "download.sh")) < 100
    assert token_of(link) == token_of(link)
