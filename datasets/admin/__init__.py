"""The admin's pages of the catalogue, of access, of downloads, of errata, of notices, of evidence and of previews."""

from datasets.admin import access, catalog, downloads, errata, evidence, notices, previews

__all__ = ["access", "catalog", "downloads", "errata", "evidence", "notices", "previews"]
