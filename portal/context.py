"""What every page knows of the site."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest


def site(request: HttpRequest | None = None) -> dict[str, Any]:
    return {
        "site": {
            "name": settings.SITE_NAME,
            "tagline": settings.SITE_TAGLINE,
            "institution": settings.SITE_INSTITUTION,
            "contact": settings.SITE_CONTACT,
            "url": settings.SITE_URL,
        }
    }
