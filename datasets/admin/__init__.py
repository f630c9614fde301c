"""The admin's pages of the catalogue, of access and of downloads."""

from datasets.admin import access, catalog, downloads, notices

__all__ = ["access", "catalog", "downloads", "notices"]
