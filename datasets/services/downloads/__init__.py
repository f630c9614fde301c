"""Links and what is handed out through them."""

from datasets.services.downloads.delivery import Delivery, Issued, OpenLink, issue_download, open_file, open_link
from datasets.services.downloads.links import issue_link, replace_link, revoke_link, revoke_links
from datasets.services.downloads.lists import Listing, commands, listing, listing_of
from datasets.services.downloads.tokens import address_of, token_of

__all__ = [
    "Delivery",
    "Issued",
    "Listing",
    "OpenLink",
    "address_of",
    "commands",
    "issue_download",
    "issue_link",
    "listing",
    "listing_of",
    "open_file",
    "open_link",
    "replace_link",
    "revoke_link",
    "revoke_links",
    "token_of",
]
