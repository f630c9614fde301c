"""Rows of previews: one for each volume, in the order of the volumes in their archives; and a queue of their own."""

from functools import partial

import pytest
from django.db import IntegrityError
from django.utils import timezone

from accounts.tasks import send_mails
from datasets.models import Preview, Volume
from datasets.services.previews import plan_previews
from datasets.tasks import render_previews
from tests.factories import PreviewFactory, VolumeFactory
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)


def test_each_volume_gets_one_row_in_the_order_in_which_it_lies_in_its_archive() -> None:
    second, first = (VolumeFactory(offset=offset) for offset in (9_000, 512))
    Volume.objects.filter(pk=second.pk).update(archive=first.archive)
    assert plan_previews(Volume.objects.all()) == 2
    assert plan_previews(Volume.objects.all()) == 0
    assert list(Preview.objects.order_by("pk").values_list("volume", flat=True)) == [first.pk, second.pk]
    assert set(Preview.objects.values_list("state", "folder", "report")) == {("waiting", "", None)}


def test_many_at_once_plan_each_volume_once() -> None:
    VolumeFactory.create_batch(30)
    outcomes = at_once([partial(plan_previews, Volume.objects.all())] * 4)
    assert max(outcomes) == 30
    assert Preview.objects.count() == 30


def test_hints_go_to_the_queue_of_previews_alone() -> None:
    app = render_previews.app
    assert app.amqp.router.route({}, render_previews.name)["queue"].name == "previews"
    assert app.amqp.router.route({}, send_mails.name)["queue"].name == "celery"


def test_the_database_refuses_a_done_row_without_pictures() -> None:
    row = PreviewFactory()
    with pytest.raises(IntegrityError, match="preview_done_with_pictures"):
        Preview.objects.filter(pk=row.pk).update(state="done", finished_at=timezone.now())
