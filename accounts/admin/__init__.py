"""The admin's pages of people, agreements and mail, and what all pages share."""

from accounts.admin import agreements, groups, mails, people

__all__ = ["agreements", "groups", "mails", "people"]
