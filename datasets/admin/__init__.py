"""The admin's pages: the catalogue, releases and their import, access, downloads, notices, evidence, previews."""

from datasets.admin import access, catalog, downloads, evidence, imports, notices, previews, releases

__all__ = ["access", "catalog", "downloads", "evidence", "imports", "notices", "previews", "releases"]
