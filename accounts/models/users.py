"""A person, known by e-mail address."""

from datetime import UTC, date, datetime, time
from typing import Any, Self

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, Permission, PermissionsMixin
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models import F, Func, Q
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django_countries.fields import CountryField

from accounts.models.search import WordVector, word_query

# What every part of the profile must say before an agreement can be signed.
REQUIRED_PROFILE = ("name", "institution", "country", "position", "research_purpose")
# Where the address of an account that was deleted stands; no mail can go there (RFC 2606).
NOWHERE = "@deleted.invalid"


class Domain(Func):
    """What stands behind the @ of an address."""

    function = "SUBSTRING"
    template = "%(function)s(%(expressions)s FROM '[^@]*$')"
    output_field = models.CharField()


class UserManager(BaseUserManager["User"]):
    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email__iexact=username)

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


class UserQuerySet(models.QuerySet["User"]):
    def active(self) -> Self:
        return self.filter(is_active=True)

    def permitted(self, permission: str) -> Self:
        """Maintainers who may do this, such as "datasets.change_release": by themselves, as members of a group, or
        because they may do everything. Each once."""
        app_label, _dot, codename = permission.partition(".")
        given = Permission.objects.filter(content_type__app_label=app_label, codename=codename)
        may = Q(is_superuser=True) | Q(user_permissions__in=given) | Q(groups__permissions__in=given)
        return self.filter(pk__in=self.active().filter(may, is_staff=True).values("pk"))

    def registered_since(self, first: date) -> Self:
        """From the beginning of this day of UTC on."""
        return self.filter(date_joined__gte=datetime.combine(first, time.min, UTC))

    def matching(self, text: str) -> Self:
        """Whose address, name or institution has words that begin with each word of the text."""
        query = word_query(text)
        return self.filter(words=query) if query else self.none()

    def newest_first(self) -> Self:
        """For searches. Not plainly by number: PostgreSQL would walk the whole table in that order in the hope of
        finding a few soon, where this makes it take what the search's own index finds and sort that."""
        return self.order_by((F("pk") + 0).desc())


class User(AbstractBaseUser, PermissionsMixin):
    class Position(models.TextChoices):
        DOCTORAL = "doctoral", "Doctoral student"
        POSTDOCTORAL = "postdoctoral", "Postdoctoral researcher"
        FACULTY = "faculty", "Faculty or group leader"
        CLINICIAN = "clinician", "Clinician"
        INDUSTRY = "industry", "Industry researcher"
        STUDENT = "student", "Student"
        OTHER = "other", "Other"

    email = models.EmailField("e-mail address", max_length=254, unique=True)
    name = models.CharField("full name", max_length=150, blank=True)
    institution = models.CharField(max_length=200, blank=True)
    country = CountryField("country of the institution", blank=True)
    position = models.CharField(max_length=20, choices=Position, blank=True)
    research_purpose = models.TextField("research purpose", max_length=2000, blank=True)
    is_active = models.BooleanField("active", default=True, help_text="Unticked: cannot sign in, and every link stops.")
    is_staff = models.BooleanField("maintainer", default=False, help_text="May use the admin, with a second factor.")
    unsubscribed_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="Since when the person wants no announcements. Errata and withdrawals are none.",
    )
    undigested_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Since when this maintainer wants no daily mail of requests."
    )
    sessions_ended = models.PositiveIntegerField(
        default=0, editable=False, help_text="How often the person signed out everywhere."
    )
    date_joined = models.DateTimeField("registered", default=timezone.now, editable=False)

    words = models.GeneratedField(
        expression=WordVector("email", "name", "institution"), output_field=SearchVectorField(), db_persist=True
    )

    objects = UserManager.from_queryset(UserQuerySet)()
    EMAIL_FIELD = "email"
    USERNAME_FIELD = "email"
    REQUIRED_FIELDS = ["name"]

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(Lower("email"), name="one_user_an_address")]
        # For the admin's search and filters, at a hundred thousand people.
        indexes = [
            GinIndex(fields=["words"], name="user_words"),
            models.Index(fields=["date_joined"], name="user_joined"),
            models.Index(fields=["country"], name="user_country"),
            models.Index(fields=["institution"], name="user_institution"),
            models.Index(fields=["position", "id"], name="user_position"),
            models.Index(fields=["id"], condition=Q(is_staff=True), name="user_staff"),
            models.Index(fields=["id"], condition=Q(is_active=False), name="user_disabled"),
            # For the hints beside a request: who else is from there, who else has that name.
            models.Index(Domain("email"), name="user_domain"),
            models.Index(Lower("name"), name="user_name"),
        ]

    def __str__(self) -> str:
        return self.email

    def get_full_name(self) -> str:
        return self.name or self.email

    def get_short_name(self) -> str:
        return self.get_full_name()

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """What each session must hold to count: another password, or signing out everywhere, ends all of them."""
        value = f"{self.password}:{self.sessions_ended}"
        return salted_hmac("accounts.User.session", value, secret=secret, algorithm="sha256").hexdigest()

    @property
    def is_forgotten(self) -> bool:
        """Whether only a number is left of this person."""
        return self.email.endswith(NOWHERE)

    @property
    def profile_is_complete(self) -> bool:
        return all(getattr(self, field) for field in REQUIRED_PROFILE)
