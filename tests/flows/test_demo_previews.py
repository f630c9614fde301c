"""The demo's galleries fill by themselves, and nothing else waits for the worker that fills them."""

import json
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from tests.demo import Demo
from tests.waiting import wait_until

# The address of one thumbnail of each dataset, once all previews are done.
THUMBNAILS = """
import json
from django.urls import reverse
from datasets.models import Preview
rows = Preview.objects.select_related("volume__archive__release__dataset")
names = [row.volume.archive.release.dataset.slug for row in rows]
places = [(row.volume_id, row.folder or "0" * 32, "thumbnail.webp") for row in rows]
addresses = [reverse("preview_image", args=place) for place in places]
are_done = rows and all(row.state == "done" for row in rows)
print(json.dumps(dict(zip(names, addresses)) if are_done else {}))
"""
AGAIN = """
from accounts.models import User
from datasets.models import Preview
from datasets.services.previews import render_again
render_again(Preview.objects.all(), by=User.objects.get(email="maintainer@example.org"))
"""


def thumbnails(demo: Demo) -> dict[str, str]:
    found: dict[str, str] = json.loads(demo.command("shell", "-v", "0", "-c", THUMBNAILS).stdout)
    return found


def test_every_sample_has_pictures_shown_to_its_audience(demo: Demo) -> None:
    found = wait_until(lambda: thumbnails(demo), "All previews", 180)
    with urlopen(f"{demo.url}{found['knee']}") as answer:
        assert answer.headers["Content-Type"] == "image/webp"
        assert answer.read(4) == b"RIFF"
    with pytest.raises(HTTPError) as refused, urlopen(f"{demo.url}{found['brain']}"):
        pass
    with refused.value:
        assert refused.value.code == 403
        assert "signed its agreement" in refused.value.read().decode()


def test_while_the_renderer_is_away_the_old_pictures_are_shown_and_it_goes_on_when_it_is_back(demo: Demo) -> None:
    before = wait_until(lambda: thumbnails(demo), "All previews", 180)
    with demo.without("renderer"):
        demo.command("shell", "-v", "0", "-c", AGAIN)
        assert thumbnails(demo) == {}
        with urlopen(f"{demo.url}{before['knee']}") as answer:
            assert answer.status == 200
        with urlopen(f"{demo.url}/readyz") as answer:
            assert json.loads(answer.read())["worker"] == "ok"
    # The same bytes give the same names.
    assert wait_until(lambda: thumbnails(demo), "All previews again", 180) == before
