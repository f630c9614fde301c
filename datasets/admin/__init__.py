"""The admin's pages: catalogue, releases and their import, errata, requests and access, downloads, notices, evidence,
previews."""

from datasets.admin import (
    access,
    catalog,
    downloads,
    errata,
    evidence,
    fixity,
    imports,
    notices,
    previews,
    releases,
    requests,
)

__all__ = [
    "access",
    "catalog",
    "downloads",
    "errata",
    "evidence",
    "fixity",
    "imports",
    "notices",
    "previews",
    "releases",
    "requests",
]
