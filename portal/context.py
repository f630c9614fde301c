"""What every page knows of the site."""

import functools
from typing import Any

from django.conf import settings
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import staticfiles_storage
from django.http import HttpRequest


@functools.cache
def faces(name: str) -> str:
    """The address of a file of the fonts that the build fetched; empty where it has none, and pages do without."""
    if finders.find(name) is None and not staticfiles_storage.exists(name):
        return ""
    try:
        return staticfiles_storage.url(name)
    except ValueError:  # fetched after the files were collected
        return ""


@functools.cache
def facts() -> dict[str, str]:
    return {
        "name": settings.SITE_NAME,
        "tagline": settings.SITE_TAGLINE,
        "institution": settings.SITE_INSTITUTION,
        "contact": settings.SITE_CONTACT,
        "url": settings.SITE_URL,
        "faces": faces("fonts/fonts.css"),
        "first_face": faces("fonts/source-sans-3-latin-wght-normal.woff2"),
    }


def site(request: HttpRequest | None = None) -> dict[str, Any]:
    return {"site": facts()}
