"""EMAIL_URL, as Django's settings."""

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from environ import Env

SES = "accounts.mail.ses.EmailBackend"
# Django's own, but patient after the last byte of a mail, where giving up would double it.
SMTP = "accounts.mail.smtp.EmailBackend"
# Never with the value: it holds a password.
WRONG = (
    "EMAIL_URL must be smtp://host:port, smtp+tls://user:password@host:587, smtp+ssl://user:password@host:465 "
    "or ses://region, which may name a configuration set: ses://region/set."
)


def mail_settings(url: str, *, region: str) -> dict[str, Any]:
    """The EMAIL_ settings of this address; ses:// alone is SES in this region, with no configuration set."""
    try:
        found = Env.email_url_config(url, backend=SES if url.startswith("ses:") else None)
    except (ImproperlyConfigured, ValueError):
        raise ImproperlyConfigured(WRONG) from None
    if found["EMAIL_BACKEND"] == SES:
        # The throttle of django-ses asks SES for the rate first; ours is the back-off of the rows.
        return {
            "EMAIL_BACKEND": SES,
            "AWS_SES_REGION_NAME": found["EMAIL_HOST"] or region,
            "AWS_SES_AUTO_THROTTLE": None,
            # Through it SES tells of bounces and complaints.
            "AWS_SES_CONFIGURATION_SET": found["EMAIL_FILE_PATH"] or None,
        }
    if found["EMAIL_BACKEND"] == Env.EMAIL_SCHEMES["smtp"]:
        if not found["EMAIL_HOST"]:
            raise ImproperlyConfigured(WRONG)
        return {**found, "EMAIL_BACKEND": SMTP}
    return found
