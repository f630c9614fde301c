"""The admin's pages of people, agreements and mail, and what all pages share."""

from accounts.admin import agreements, deletions, groups, mails, people, receipts

__all__ = ["agreements", "deletions", "groups", "mails", "people", "receipts"]
