"""From where a request came, and what cannot pretend to come from elsewhere."""

import pytest
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from accounts.address import AddressUnknown, client_address, parsed


def seen(forwarded: str | None = None, *, remote: str = "10.0.0.1") -> str | None:
    headers = {} if forwarded is None else {"x-forwarded-for": forwarded}
    return client_address(RequestFactory().get("/", REMOTE_ADDR=remote, headers=headers))


def test_without_proxies_the_header_is_not_believed(settings: Settings) -> None:
    settings.TRUSTED_PROXY_COUNT = 0
    assert seen("198.51.100.1", remote="192.0.2.7") == "192.0.2.7"
    assert seen(remote="") is None


@pytest.mark.parametrize(
    ("count", "forwarded", "address"),
    [
        (1, "192.0.2.7", "192.0.2.7"),
        (1, "198.51.100.1, 192.0.2.7", "192.0.2.7"),
        (2, "192.0.2.7, 10.0.0.9", "192.0.2.7"),
        (2, "198.51.100.1, 198.51.100.2, 192.0.2.7, 10.0.0.9", "192.0.2.7"),
        (2, "spoofed' OR 1=1, 192.0.2.7, 10.0.0.9", "192.0.2.7"),
        (1, "192.0.2.7:50123", "192.0.2.7"),
        (1, "2001:db8::7", "2001:db8::7"),
        (1, "[2001:db8::7]:443", "2001:db8::7"),
        (1, "2001:DB8:0:0:0:0:0:7", "2001:db8::7"),
        (1, "::ffff:192.0.2.7", "192.0.2.7"),
        (1, "fe80::1%eth0", "fe80::1"),
    ],
)
def test_the_entry_that_our_outermost_proxy_wrote_counts(
    settings: Settings, count: int, forwarded: str, address: str
) -> None:
    settings.TRUSTED_PROXY_COUNT = count
    assert seen(forwarded) == address


@pytest.mark.parametrize(
    ("count", "forwarded"),
    [(1, None), (1, ""), (1, " , "), (2, "192.0.2.7"), (1, "unknown"), (1, "192.0.2.7, _hidden"), (1, "999.1.1.1")],
)
def test_a_request_past_the_proxies_is_refused(settings: Settings, count: int, forwarded: str | None) -> None:
    settings.TRUSTED_PROXY_COUNT = count
    with pytest.raises(AddressUnknown, match="did not come through"):
        seen(forwarded)


@given(st.text(max_size=60))
def test_whatever_is_written_is_an_address_or_none(entry: str) -> None:
    address = parsed(entry)
    assert address is None or parsed(address) == address


@given(st.ip_addresses())
def test_every_address_is_read_as_itself(address: object) -> None:
    mapped = getattr(address, "ipv4_mapped", None)
    assert parsed(str(address)) == str(mapped or address)
