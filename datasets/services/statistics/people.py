"""Whose downloads are counted as whose: people move between institutions, and are forgotten."""

from django.db.models import F

from accounts.models import User
from datasets.models import CountedPerson, DownloadCount
from datasets.services.statistics.sums import forget_countries, move_person

# As many a transaction; the next ones come with the next.
MOVED_AT_ONCE = 50


def move_changed_people(count: DownloadCount) -> None:
    """Count people as members of the institution that their profile says now. The caller holds the count."""
    changed = CountedPerson.objects.exclude(institution=F("user__institution"))
    rows = changed.order_by("pk").values_list("user", "institution", "user__institution")
    for person, old, new in rows[:MOVED_AT_ONCE]:
        _move(count, person=person, old=old, new=new)


def forget_counted(user: User, count: DownloadCount) -> None:
    """What a person took stays counted, for no country and no institution; before their records forget the country.
    The caller holds the count."""
    counted = CountedPerson.objects.filter(user=user).first()
    if counted is not None:
        _move(count, person=user.pk, old=counted.institution, new="")
    if counted is not None and count.today is not None:
        forget_countries(person=user.pk, counted=count.cursor, today=count.today)


def _move(count: DownloadCount, *, person: int, old: str, new: str) -> None:
    if old != new and count.today is not None:
        move_person(person=person, old=old, new=new, counted=count.cursor, today=count.today)
    CountedPerson.objects.filter(user=person).update(institution=new)
