"""Headers that are plain are written without the standard library's registry: as it would have written them."""

from datetime import UTC, datetime
from email.headerregistry import Address
from email.utils import format_datetime

from django.core.mail.message import sanitize_address
from hypothesis import example, given
from hypothesis import strategies as st

from accounts.mail.smtp import envelope
from accounts.mail.wire import PLAIN, PLAIN_ADDRESS, PLAIN_NAME, _as_written, _folded, address_header, header

ADDRESSES = st.from_regex(PLAIN_ADDRESS, fullmatch=True).filter(
    lambda address: len(address) < 60 and max(map(len, address.partition("@")[2].split("."))) < 60
)


@given(value=st.from_regex(PLAIN, fullmatch=True).filter(lambda value: len(value) < 90))
@example(value="Two volumes =?utf-8?q?=0d=0aBcc:_x?=")
@example(value="x" * 69)
@example(value="x" * 70)
def test_a_subject_is_what_the_registry_makes_of_it(value: str) -> None:
    assert header("Subject", value) == _folded("Subject", _as_written(value))


@given(moment=st.floats(0, 4_000_000_000), name=st.sampled_from(["Date", "Auto-Submitted"]))
def test_other_headers_are_too(moment: float, name: str) -> None:
    value = format_datetime(datetime.fromtimestamp(moment, UTC)) if name == "Date" else "auto-generated"
    assert header(name, value) == _folded(name, value)


@given(address=ADDRESSES, name=st.just("") | st.from_regex(PLAIN_NAME, fullmatch=True).filter(lambda it: len(it) < 60))
@example(address="reader7@example.org", name="Reader 7")
@example(address="o'brien+data@example.org", name="Anne-Marie O'Brien")
def test_an_address_is_too(address: str, name: str) -> None:
    user, _, domain = address.rpartition("@")
    made = _folded("To", Address(display_name=name, username=user, domain=domain))
    assert address_header("To", address, name) == made


@given(address=ADDRESSES)
@example(address="reader@exämple.org")
@example(address="Reader <reader@example.org>")
def test_an_envelope_is_what_django_makes_of_it(address: str) -> None:
    assert envelope(address) == sanitize_address(address, "utf-8")
