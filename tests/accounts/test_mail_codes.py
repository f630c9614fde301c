"""Codes that no row holds."""

import pytest
from pytest_django import Settings

from accounts.exceptions import Obsolete
from accounts.mail import code_of, mint_code


def test_code_is_made_again_from_its_nonce() -> None:
    nonce, code = mint_code("confirm")
    assert code_of(nonce) == code
    assert len(code) == 6
    assert code.isdigit()
    assert code not in nonce


def test_codes_differ_by_nonce_and_by_purpose() -> None:
    codes = {mint_code("confirm")[1] for _ in range(50)}
    assert len(codes) > 45
    nonce, code = mint_code("confirm")
    assert code_of(nonce.replace("confirm:", "reset:")) != code


def test_code_minted_before_the_key_was_rotated_is_still_the_same(settings: Settings) -> None:
    nonce, code = mint_code("confirm")
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "n" * 60
    assert code_of(nonce) == code
    assert mint_code("confirm")[0].split(":")[1] != nonce.split(":")[1]


def test_code_of_a_key_that_is_gone_is_not_guessed(settings: Settings) -> None:
    nonce, _code = mint_code("confirm")
    settings.SECRET_KEY = "n" * 60
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(Obsolete):
        code_of(nonce)


@pytest.mark.parametrize("nonce", ["", "confirm", "confirm:x:y", "a:b:c:d"])
def test_foreign_nonce_has_no_code(nonce: str) -> None:
    with pytest.raises(Obsolete):
        code_of(nonce)
