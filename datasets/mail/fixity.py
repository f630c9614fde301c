"""What the mail to maintainers says when objects are not what was published."""

from accounts.mail import Content, Obsolete, renders
from accounts.models import OutgoingMail
from datasets.models import Drift, FixityCheck

# Archives that the mail names; how many more there are is said.
NAMED = 12


@renders("release/drifted")
def drifted(mail: OutgoingMail) -> Content:
    check = FixityCheck.objects.select_related("release__dataset").get(pk=mail.keys["check"])
    told = Drift.objects.lasting().filter(told_in=check).order_by("archive")
    number = told.count()
    if not number:
        raise Obsolete("Every object is as it was published again.")
    drifts = list(told.select_related("archive").defer("archive__part_hashes")[:NAMED])
    context = {"release": check.release, "number": number, "drifts": drifts, "more": max(0, number - NAMED)}
    return Content(context)
