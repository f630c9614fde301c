"""The admin's pages: catalogue, releases and their import, errata, access, downloads, notices, evidence, previews."""

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
]
