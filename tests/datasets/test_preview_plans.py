"""Each volume gets one preview, in the order in which the volumes lie in their archives."""

from functools import partial

import pytest

from datasets.models import Preview, Volume
from datasets.services.previews import plan_previews
from tests.factories import VolumeFactory
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
