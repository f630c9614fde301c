"""The receipt of a signature."""

from accounts.mail.outbox import Content, renders
from accounts.models import OutgoingMail, Signature


@renders("agreement/receipt")
def receipt(mail: OutgoingMail) -> Content:
    """What was signed, when, under which hash; the exact text travels along."""
    signature = Signature.objects.select_related("version__agreement").get(pk=mail.keys["signature"])
    version = signature.version
    name = f"{version.agreement.slug}-version-{version.number}.txt"
    return Content({"signature": signature, "version": version, "file_name": name}, [(name, version.text)])
