"""What every test finds."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import pytest_django
from django.core.cache import cache, caches
from playwright.sync_api import Browser

import portal.cache
from accounts.tasks import broker_rest
from tests import owner
from tests.chromium import chromium
from tests.demo import Demo, running_demo
from tests.stack import FOLDER


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """The database of the tests is made, migrated and removed by its owner."""
    owner.log_in_as_owner()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: pytest_django.DjangoDbBlocker) -> Iterator[None]:
    """In between, everything works as the site does. Only published releases are made ready-made; see `sealed`."""
    with django_db_blocker.unblock():
        owner.switch_seals("DISABLE")
    with owner.working_as_the_application():
        yield


@pytest.fixture
def sealed(db: None) -> Iterator[None]:
    """What is published cannot be changed from here on, as on the site."""
    with owner.as_owner():
        owner.switch_seals("ENABLE")
    yield
    with owner.as_owner():
        owner.switch_seals("DISABLE")


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    """Rate limits, sessions and pages of one test do not reach the next; each worker has its own Valkey database."""
    for rest in (portal.cache.rest, broker_rest):
        rest.end()
    cache.clear()
    caches["pages"].clear()


@pytest.fixture(scope="session")
def demo() -> Iterator[Demo]:
    """The whole site, started as a person starts it, shared by all tests that ask for it."""
    # Fails when a second worker gets here: then the grouping of tests/stack.py does not work.
    (Path(os.environ[FOLDER]) / "demo").mkdir()
    with running_demo() as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running
