"""What the mails of this package say, made when they are sent."""

from datasets.mail import access, fixity, notices

__all__ = ["access", "fixity", "notices"]
