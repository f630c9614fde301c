"""The country of a network address, where a GeoIP database is configured. The address itself is kept apart."""

import logging
from functools import lru_cache

import maxminddb
from django.conf import settings

log = logging.getLogger(__name__)


def country_of(address: str | None) -> str:
    """The two letters of a country, or "" where it is not known."""
    reader = _reader(settings.GEOIP_DATABASE) if settings.GEOIP_DATABASE and address else None
    if reader is None or address is None:
        return ""
    try:
        found = reader.get(address)
    except (ValueError, maxminddb.InvalidDatabaseError):
        # No address, or one of a family that this database does not have.
        return ""
    country = found.get("country") if isinstance(found, dict) else None
    code = country.get("iso_code") if isinstance(country, dict) else None
    return code if isinstance(code, str) and len(code) == 2 else ""


@lru_cache(maxsize=2)
def _reader(path: str) -> maxminddb.Reader | None:
    """Opened once a process. Without it downloads go on, and records have no country."""
    try:
        return maxminddb.open_database(path)
    except (OSError, maxminddb.InvalidDatabaseError) as error:
        log.warning("records have no country, because GEOIP_DATABASE cannot be read: %s", error)
        return None
