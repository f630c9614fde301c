"""Whether all that was promised holds, asked of the database when everything has settled.

Reads on stdin, as JSON, what the people did and what was delivered; prints, as JSON, a line for each check."""

import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import django

django.setup()

from django.db.models import F  # noqa: E402
from django.utils import timezone  # noqa: E402

from accounts.models import OutgoingMail, ReceiptDocument, Signature, User  # noqa: E402
from accounts.models.work import Work, kinds_of_work  # noqa: E402
from accounts.services.evidence import examine_chain  # noqa: E402
from datasets.models import AccessGrant, DownloadLink, DownloadRecord  # noqa: E402

# A row that has been due for longer is stuck.
STUCK = 60.0
# Back-off after an outage is five minutes at the most; then the sweeper and the work itself.
LONGEST_SETTLING = 420.0


@dataclass
class Line:
    """One promise: what it is, what was found, and whether that is what was promised."""

    promise: str
    found: str
    holds: bool


@dataclass
class Settled:
    seconds: float
    longest_due: float
    open: dict[str, int]


def settle() -> Settled:
    """Wait until no row is open, and see how long any of them was due meanwhile, from now on."""
    began, start = time.monotonic(), timezone.now()
    longest = 0.0
    while True:
        rows: dict[str, int] = {}
        for kind in kinds_of_work():
            open_ones = kind.objects.filter(state__in=Work.OPEN)
            rows[str(kind._meta.verbose_name)] = open_ones.count()
            longest = max(
                [longest, *(_due_for(start, *row) for row in open_ones.values_list("due_at", "leased_until"))]
            )
        seconds = time.monotonic() - began
        if not sum(rows.values()) or seconds > LONGEST_SETTLING:
            return Settled(seconds, longest, rows)
        time.sleep(1)


def _due_for(start: datetime, due_at: datetime, leased_until: datetime | None) -> float:
    return max(0.0, (timezone.now() - max(start, leased_until or due_at)).total_seconds())


def one_each(what: str, found: Counter[int], wanted: set[int]) -> Line:
    missing = [key for key in wanted if not found[key]]
    doubled = [key for key, times in found.items() if times > 1]
    strange = [key for key in found if key not in wanted]
    said = f"{len(wanted) - len(missing)} of {len(wanted)}, {len(doubled)} doubled"
    return Line(what, said, not (missing or doubled or strange))


def mails_of(template: str, key: str) -> Counter[int]:
    """Which rows of a kind have their mail done and sent."""
    sent = OutgoingMail.objects.filter(template=template, state=OutgoingMail.State.DONE, reason="")
    return Counter(keys[key] for keys in sent.values_list("keys", flat=True))


def rows(people: dict[str, list[str]]) -> Iterator[Line]:
    known = set(User.objects.filter(email__in=people).values_list("email", flat=True))
    finished = [email for email, did in people.items() if "downloaded" in did]
    yield Line("people who went the whole way", f"{len(finished)} of {len(people)}", len(finished) == len(people))
    yield Line("people whom the site knows", f"{len(known)} of {len(people)}", len(known) == len(people))
    signatures = dict(Signature.objects.values_list("pk", "user__email"))
    signers = {email for email, did in people.items() if "signed" in did}
    lost = signers - set(signatures.values())
    yield Line(
        "signatures that were answered for and are there", f"{len(signers) - len(lost)} of {len(signers)}", not lost
    )
    grants = list(AccessGrant.objects.active().values_list("pk", "user_id"))
    signed_by = Counter(Signature.objects.values_list("user_id", flat=True))
    yield one_each("signature with its grant", Counter(user for _pk, user in grants), set(signed_by))
    live = DownloadLink.objects.filter(status=DownloadLink.Status.LIVE).values_list("grant_id", flat=True)
    yield one_each("grant with its live link", Counter(live), {pk for pk, _user in grants})
    yield one_each("signature with its receipt mail", mails_of("agreement/receipt", "signature"), set(signatures))
    yield one_each("grant with its link mail", mails_of("access/link", "grant"), {pk for pk, _user in grants})
    stored = ReceiptDocument.objects.filter(content__isnull=False, receipt__state=Work.State.DONE)
    documents = Counter(stored.values_list("receipt__signature_id", flat=True))
    yield one_each("signature with its stored receipt", documents, set(signatures))
    fetched = DownloadRecord.objects.values_list("link__grant__user__email", flat=True).distinct()
    unrecorded = set(finished) - set(fetched)
    yield Line(
        "people who downloaded and are recorded",
        f"{len(finished) - len(unrecorded)} of {len(finished)}",
        not unrecorded,
    )


def deliveries(delivered: dict[str, int], met: dict[str, int]) -> Iterator[Line]:
    """What the mail rows say against what lies in the sink. `met` has, by row, the kills while it was being sent."""
    mails = {mail.message_id: mail for mail in OutgoingMail.objects.all()}
    done = {key for key, mail in mails.items() if mail.state == Work.State.DONE and not mail.reason}
    lost = done - set(delivered)
    yield Line("mails done that were delivered", f"{len(done) - len(lost)} of {len(done)}, {len(lost)} lost", not lost)
    strange = [key for key in delivered if key not in mails]
    yield Line("deliveries whose row was lost", str(len(strange)), not strange)
    doubled = {key: times - 1 for key, times in delivered.items() if times > 1}
    beyond = [key for key, more in doubled.items() if key in mails and more > met.get(str(mails[key].uuid), 0)]
    said = f"{sum(doubled.values())} doubled, {sum(met.values())} in flight at a kill, {len(beyond)} without one"
    yield Line("deliveries doubled by a kill alone", said, not beyond)
    unsent = sum(1 for mail in mails.values() if mail.state == Work.State.DONE and mail.reason)
    yield Line("mails that had nothing to say any more", str(unsent), holds=True)


def work(settled: Settled) -> Iterator[Line]:
    stuck = settled.longest_due > STUCK or bool(sum(settled.open.values()))
    due = f"all done {settled.seconds:.0f} s after the last kill, the longest due for {settled.longest_due:.0f} s"
    yield Line("no row of work is stuck", f"{due}, open: {settled.open}", not stuck)
    failed = {
        f"{kind._meta.model_name} {pk}": reason
        for kind in kinds_of_work()
        for pk, reason in kind.objects.failed().values_list("pk", "reason")
    }
    yield Line("no row of work has failed", f"{len(failed)} failed {failed or ''}".strip(), not failed)
    died = sum(kind.objects.filter(deaths__gt=0).count() for kind in kinds_of_work())
    again = OutgoingMail.objects.filter(attempts__gt=F("deaths") + 1).count()
    yield Line("rows on which a worker died, mails tried again", f"{died}, {again}", holds=True)


def judge(given: dict[str, Any]) -> list[Line]:
    """All promises, for what the people did, what was delivered, which mails met a kill, and how the work settled."""
    chain = examine_chain()
    whole = Line("the chain of signatures is whole", f"{chain.count} records", chain.bad is None)
    work_lines = work(Settled(**given["settled"]))
    return [*rows(given["people"]), *deliveries(given["delivered"], given["met"]), *work_lines, whole]


def main() -> None:
    given: dict[str, Any] = json.load(sys.stdin)
    if sys.argv[1:] == ["settle"]:
        print(json.dumps(asdict(settle())))
        return
    print(json.dumps([asdict(line) for line in judge(given)]))


if __name__ == "__main__":
    main()
