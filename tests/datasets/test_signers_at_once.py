"""Fifty people sign at the same moment, each on a connection of their own."""

from functools import partial

import pytest

from accounts.models import OutgoingMail, Receipt, ReceiptDocument, Signature
from accounts.services.evidence import GENESIS, examine_chain, verify_documents
from accounts.services.receipts import make_receipts
from datasets.models import AccessGrant
from datasets.services.access import Outcome
from tests.access import offered, sign
from tests.factories import UserFactory
from tests.threads import at_once

SIGNERS = 50
WORKERS = 4


@pytest.mark.django_db(transaction=True)
def test_fifty_signers_at_once_make_one_unforked_chain_with_a_grant_and_a_receipt_each() -> None:
    dataset = offered()
    people = UserFactory.create_batch(SIGNERS)

    outcomes = at_once([partial(sign, user, dataset) for user in people])

    assert [type(outcome) for outcome in outcomes] == [Outcome] * SIGNERS, outcomes
    chain = examine_chain()
    assert (chain.count, chain.bad) == (SIGNERS, None)
    records = dict(Signature.objects.values_list("previous_hash", "record_hash"))
    place, length = GENESIS, 0
    while place in records:
        place, length = records[place], length + 1
    assert (length, place) == (SIGNERS, chain.head)
    granted = AccessGrant.objects.active().filter(dataset=dataset).values_list("user", flat=True)
    assert sorted(granted) == sorted(user.pk for user in people)
    assert Receipt.objects.filter(state=Receipt.State.WAITING).count() == SIGNERS


@pytest.mark.django_db(transaction=True)
def test_several_workers_make_each_receipt_once() -> None:
    dataset = offered()
    for user in UserFactory.create_batch(12):
        sign(user, dataset)

    at_once([partial(make_receipts, seconds=30)] * WORKERS)

    assert ReceiptDocument.objects.count() == 12
    assert Receipt.objects.filter(state=Receipt.State.DONE, attempts=1).count() == 12
    assert OutgoingMail.objects.filter(template="agreement/receipt").count() == 12
    assert verify_documents() is None
