"""From where a request came, as far as the proxies in front of the site may be believed."""

import ipaddress
import re

from django.conf import settings
from django.core.exceptions import BadRequest
from django.http import HttpRequest

# An address as proxies write it: bare, in brackets, with or without a port.
WRITTEN = re.compile(r"(?:\[(?P<boxed>[0-9A-Fa-f:.]+)\]|(?P<bare>[0-9A-Fa-f:.]+?))(?P<port>:\d{1,5})?")


class AddressUnknown(BadRequest):
    """The request did not pass the proxies that TRUSTED_PROXY_COUNT promises."""


def client_address(request: HttpRequest) -> str | None:
    """The client's network address, or None when the server was told none (a Unix socket, say).

    Each proxy appends the address that it was called from, so the entry that our outermost proxy wrote stands
    TRUSTED_PROXY_COUNT from the end. What stands before it was sent by the client and says nothing.
    """
    count = settings.TRUSTED_PROXY_COUNT
    if count == 0:
        return parsed(request.META.get("REMOTE_ADDR", ""))
    entries = [entry for entry in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if entry.strip()]
    address = parsed(entries[-count]) if len(entries) >= count else None
    if address is None:
        raise AddressUnknown(
            "This request did not come through the site's own proxies, so it is not answered. Use the site's public"
            " address. Maintainers: compare TRUSTED_PROXY_COUNT with the proxies in front of the site."
        )
    return address


def parsed(entry: str) -> str | None:
    """The address in its shortest form, without port; IPv4 as IPv4 even where it came in IPv6's clothes."""
    entry = entry.strip()
    try:
        address = ipaddress.ip_address(entry)
    except ValueError:
        written = WRITTEN.fullmatch(entry)
        if not written:
            return None
        try:
            address = ipaddress.ip_address(written["boxed"] or written["bare"])
        except ValueError:
            return None
    if isinstance(address, ipaddress.IPv6Address):
        # Scopes name an interface of this machine, nothing of the client's.
        address = address.ipv4_mapped or ipaddress.IPv6Address(int(address))
    return str(address)
