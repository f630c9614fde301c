"""Settings that every way of running shares. Environment names are read here and nowhere else."""

from pathlib import Path

import environ
from csp.constants import NONE, SELF

from portal.settings.clock import BEAT, MEASURE
from portal.settings.database import owner_of
from portal.settings.mail import mail_settings

ROOT = Path(__file__).resolve().parent.parent.parent
env = environ.Env()

# The site ---------------------------------------------------------------------------------------
SECRET_KEY = env.str("SECRET_KEY", default="")
# Second factors stay sealed with the key of their day (accounts.seals), so an old key stays here while they are in use.
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
DEBUG = env.bool("DEBUG", default=False)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost"])
SITE_URL = env.str("SITE_URL", default="http://127.0.0.1:8000").rstrip("/")
SITE_NAME = env.str("SITE_NAME", default="Kspace Portal")
SITE_TAGLINE = env.str("SITE_TAGLINE", default="Raw MRI data, as the coils heard it")
SITE_INSTITUTION = env.str("SITE_INSTITUTION", default="Department of Radiology, Example University")
SITE_CONTACT = env.str("SITE_CONTACT", default="data@example.org")
# How many proxies in front of the site may be believed when they name the client's address.
TRUSTED_PROXY_COUNT = env.int("TRUSTED_PROXY_COUNT", default=0)

INSTALLED_APPS = [
    "portal.apps.PortalConfig",
    "accounts.apps.AccountsConfig",
    "datasets.apps.DatasetsConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "portal.apps.PortalAdminConfig",
    "django.contrib.humanize",
    "django.forms",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.orcid",
    "allauth.socialaccount.providers.github",
    "allauth.socialaccount.providers.google",
    "django_countries",
    "csp",
    "pgtrigger",
    "pghistory",
]
MIDDLEWARE = [
    "portal.middleware.HealthMiddleware",
    "portal.middleware.RequestLogMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    # Answers everything below /get/, where no cookie is read or set; what stands above applies there too.
    "datasets.middleware.LinkMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "accounts.middleware.StaffSecondFactorMiddleware",
    "accounts.middleware.OwnNameMiddleware",
]
ROOT_URLCONF = "portal.urls"
WSGI_APPLICATION = "portal.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "portal.context.site",
            ]
        },
    }
]
FORM_RENDERER = "portal.forms.HouseRenderer"
LANGUAGE_CODE = "en-gb"
FORMAT_MODULE_PATH = ["portal.formats"]
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Data ---------------------------------------------------------------------------------------------
DATABASES = {"default": env.db("DATABASE_URL", default="postgres:///portal")}
DATABASES["default"] |= {"CONN_MAX_AGE": 600, "CONN_HEALTH_CHECKS": True, "ATOMIC_REQUESTS": True}
# The application's role, which owns nothing; and how `manage.py migrate` alone logs in, as the owner of the tables.
DATABASE_ROLE = DATABASES["default"].get("USER", "")
DATABASE_OWNER = owner_of(env.str("DATABASE_OWNER_URL", default=""), DATABASES["default"])
REDIS_URL = env.str("REDIS_URL", default="redis://127.0.0.1:6379/0")
SHARED_CACHE = {
    "LOCATION": REDIS_URL,
    "KEY_PREFIX": "portal",
    "OPTIONS": {"socket_timeout": 1, "socket_connect_timeout": 1},
}
CACHES = {
    # Counts what is limited; while its server is away each process counts by itself, and no page fails.
    "default": {"BACKEND": "portal.cache.PatientRedisCache", **SHARED_CACHE},
    # The same server, for those who must know whether it answers.
    "server": {"BACKEND": "django.core.cache.backends.redis.RedisCache", **SHARED_CACHE},
    # Rendered parts of public pages, in each process: nothing to be down, and nothing shared with other people's.
    "pages": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "LOCATION": "pages",
        "OPTIONS": {"MAX_ENTRIES": 500},
    },
    # Small pictures, whose addresses never change what they show: a gallery asks for a dozen at once.
    "thumbnails": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "LOCATION": "thumbnails",
        "TIMEOUT": 3_600,
        "OPTIONS": {"MAX_ENTRIES": 1_000},
    },
}
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
    "previews": {"BACKEND": "datasets.storage.previews.PreviewStorage"},
}
# Not /static/: Elastic Beanstalk's proxy would answer that path itself.
STATIC_URL = "/assets/"
STATICFILES_DIRS = [ROOT / "static"]
STATIC_ROOT = ROOT / "staticfiles"
# What a form may carry: long texts, no files. Larger bodies are refused before they are read.
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000_000
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2_000

# The bucket -----------------------------------------------------------------------------------------
BUCKET_NAME = env.str("BUCKET_NAME", default="")
BUCKET_REGION = env.str("BUCKET_REGION", default="us-east-1")
BUCKET_ENDPOINT_URL = env.str("BUCKET_ENDPOINT_URL", default="")
BUCKET_ACCESS_KEY_ID = env.str("BUCKET_ACCESS_KEY_ID", default="")
BUCKET_SECRET_ACCESS_KEY = env.str("BUCKET_SECRET_ACCESS_KEY", default="")
# "id:secret" of whoever may only read the data: it signs links, and nothing else. A role's own credentials end within
# hours, and what they signed ends with them. Empty: whoever speaks to the bucket signs, too.
SIGNING_KEY = env.str("SIGNING_KEY", default="")
# The host of what stands in front of the bucket and hands requests on as they are, such as CloudFront.
DOWNLOAD_HOST = env.str("DOWNLOAD_HOST", default="")
# A bucket made with object lock, for what must outlive a restored backup: the daily anchors of the chain of signatures,
# and which accounts were deleted.
EVIDENCE_BUCKET_NAME = env.str("EVIDENCE_BUCKET_NAME", default="")
# Of the previews' pictures, which can be made again: needs neither versions nor a backup.
PREVIEW_BUCKET_NAME = env.str("PREVIEW_BUCKET_NAME", default="")
# As long as somebody may dispute a signature.
EVIDENCE_RETENTION_DAYS = 3_653
# At least once in so many days the bucket is asked whether it still has each object of what was published.
FIXITY_DAYS = env.int("FIXITY_DAYS", default=7)
# How long a presigned URL may live, in seconds. An hour lets an aria2 connection take over another's range.
SIGNED_LIFETIME = env.int("SIGNED_LIFETIME", default=3600)

# Links ----------------------------------------------------------------------------------------------
# "id:secret,id:secret": the first mints, all verify. Apart from SECRET_KEY, so that either can be rotated alone.
LINK_KEYS = env.list("LINK_KEYS", default=[])
# Requests a minute and link. aria2 with -x16 on five files that all fail retries at 960 a minute.
LINK_RATE = 1_200
# Bytes a day (of UTC) and grant, unless the grant says otherwise: a link that leaked is noticed at a quarter of it, and
# refused at all of it. A line of 1 Gbit/s carries 10.8 TB in a day; all of a site's data may be 6 TB.
DAILY_BYTES = env.int("DAILY_BYTES", default=8 * 10**12)
GEOIP_DATABASE = env.str("GEOIP_DATABASE", default="")
# Network addresses in download records and mails are blanked after this many days.
ADDRESS_DAYS = env.int("ADDRESS_DAYS", default=90)

# Mail -------------------------------------------------------------------------------------------------
globals().update(mail_settings(env.str("EMAIL_URL", default="smtp://127.0.0.1:25"), region=BUCKET_REGION))
EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="data@example.org")
SERVER_EMAIL = DEFAULT_FROM_EMAIL
# The SNS topic by which SES tells of bounces and complaints, at /mail/events/. Without it that address answers 404.
SES_EVENTS_TOPIC_ARN = env.str("SES_EVENTS_TOPIC_ARN", default="")

# Work -------------------------------------------------------------------------------------------------
CELERY_BROKER_URL = REDIS_URL
# Over TLS the cache asks for the server's certificate by itself; Celery takes any, unless it is told.
CELERY_BROKER_USE_SSL = {"ssl_cert_reqs": "required"} if REDIS_URL.startswith("rediss://") else None
CELERY_TASK_IGNORE_RESULT = True
# There are no results, so there is nothing to clean up daily.
CELERY_RESULT_EXPIRES = None
CELERY_TASK_ACKS_LATE = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# A message is a hint: when the broker is away the sweeper finds the row, so publishing does not wait: neither for
# another try (which Celery makes below task_publish_retry, too) nor long for an answer.
CELERY_TASK_PUBLISH_RETRY = False
CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_connect_timeout": 1, "socket_timeout": 2, "max_retries": 0}
# Workers do wait, for as long as it takes.
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
# Rendering takes minutes of the processor, so it has workers of its own (--queues=previews), and no mail waits for it.
# Reading an archive takes hours of one worker, so whoever has many archives starts more of them (--queues=ingest).
CELERY_TASK_ROUTES = {
    "datasets.tasks.render_previews": {"queue": "previews"},
    "datasets.tasks.ingest_archives": {"queue": "ingest"},
}
CELERY_TASK_TIME_LIMIT = 600
CELERY_TASK_SOFT_TIME_LIMIT = 540
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "portal.beat.PatientScheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 5
# Where how work stands is written once a minute, for alarms: a name in CloudWatch. Empty: nowhere.
METRICS_NAMESPACE = env.str("METRICS_NAMESPACE", default="")
CELERY_BEAT_SCHEDULE = BEAT | (MEASURE if METRICS_NAMESPACE else {})

# Accounts -----------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["accounts.backends.ConfirmedBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/downloads/"
# In the database alone: a cache that was away and comes back would bring sessions back that have ended meanwhile.
SESSION_ENGINE = "django.contrib.sessions.backends.db"
SESSION_COOKIE_AGE = 14 * 86_400
# Not in a cookie of their own: what a message says stays on the server.
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
CSRF_FAILURE_VIEW = "portal.views.csrf_failure"

ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_FORMS = {
    "add_email": "accounts.forms.entrance.AddEmailForm",
    "change_email": "accounts.forms.entrance.ChangeEmailForm",
    "change_password": "accounts.forms.entrance.ChangePasswordForm",
    "confirm_email_verification_code": "accounts.forms.codes.ConfirmAddressForm",
    "confirm_password_reset_code": "accounts.forms.codes.ConfirmResetForm",
    "login": "accounts.forms.entrance.LoginForm",
    "reauthenticate": "accounts.forms.entrance.ReauthenticateForm",
    "reset_password": "accounts.forms.entrance.ResetPasswordForm",
    "reset_password_from_key": "accounts.forms.entrance.ResetPasswordKeyForm",
    "set_password": "accounts.forms.entrance.SetPasswordForm",
    "signup": "accounts.forms.entrance.SignupForm",
}
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_SIGNUP_FORM_CLASS = "accounts.forms.profile.SignupProfileForm"
ACCOUNT_UNIQUE_EMAIL = True
# One address an account; another one takes its place when it is confirmed.
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_TIMEOUT = 900
ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_RESEND = True
ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_CHANGE = True
ACCOUNT_PASSWORD_RESET_BY_CODE_ENABLED = True
# Some institutions hold mail back for minutes.
ACCOUNT_PASSWORD_RESET_BY_CODE_TIMEOUT = 900
ACCOUNT_LOGIN_ON_PASSWORD_RESET = True
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = 900
# A mailed code has six digits and three tries, whatever the sessions (accounts.services.codes), and an address gets ten
# in an hour: at most 30 guesses for each purpose.
ACCOUNT_RATE_LIMITS = {"confirm_email": "3/m/key,10/h/key", "reset_password": "20/m/ip,3/m/key,10/h/key"}
ALLAUTH_TRUSTED_PROXY_COUNT = TRUSTED_PROXY_COUNT
MFA_ADAPTER = "accounts.adapter.SecondFactorAdapter"
MFA_FORMS = {
    "activate_totp": "accounts.forms.factors.ActivateTOTPForm",
    "add_webauthn": "accounts.forms.factors.AddWebAuthnForm",
    "authenticate": "accounts.forms.factors.AuthenticateForm",
    "authenticate_webauthn": "accounts.forms.factors.AuthenticateWebAuthnForm",
    "edit_webauthn": "accounts.forms.factors.EditWebAuthnForm",
    "login_webauthn": "accounts.forms.factors.LoginWebAuthnForm",
    "reauthenticate": "accounts.forms.factors.ReauthenticateForm",
    "reauthenticate_webauthn": "accounts.forms.factors.ReauthenticateWebAuthnForm",
}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_ISSUER = SITE_NAME
# The code before and after count too: phones' clocks differ, and codes are typed as they change.
MFA_TOTP_TOLERANCE = 1
SOCIALACCOUNT_ADAPTER = "accounts.adapter.ProviderAdapter"
SOCIALACCOUNT_FORMS = {
    "disconnect": "accounts.forms.entrance.DisconnectForm",
    "signup": "accounts.forms.entrance.ProviderSignupForm",
}
SOCIALACCOUNT_EMAIL_AUTHENTICATION = False
SOCIALACCOUNT_LOGIN_ON_GET = False
# "id:secret" each; accounts.checks says what is wrong with one.
PROVIDER_CLIENTS = {
    "orcid": env.str("ORCID_CLIENT", default=""),
    "github": env.str("GITHUB_CLIENT", default=""),
    "google": env.str("GOOGLE_CLIENT", default=""),
}
PROVIDER_SCOPES = {"github": {"SCOPE": ["user:email"]}, "google": {"SCOPE": ["profile", "email"]}}
PROVIDER_SITES = {"orcid": "https://orcid.org", "github": "https://github.com", "google": "https://accounts.google.com"}
SOCIALACCOUNT_PROVIDERS = {
    name: {
        "APPS": [{"client_id": client.partition(":")[0], "secret": client.partition(":")[2]}],
        **PROVIDER_SCOPES.get(name, {}),
    }
    for name, client in PROVIDER_CLIENTS.items()
    if client
}
# What "my data" holds, by section: each function takes the person and returns what JSON can hold.
PERSONAL_DATA = {
    "account": "accounts.services.personal_data.account_of",
    "agreements": "accounts.services.personal_data.signatures_of",
    "mails": "accounts.services.personal_data.mails_to",
    "mails_that_came_back": "accounts.services.personal_data.bounces_of",
    "access": "datasets.services.personal_data.access_of",
}
# What forgets a person whose account is deleted, in this order: each function takes the person.
FORGETTING = ["datasets.services.forgetting.forget_access", "accounts.services.forgetting.forget_account"]
# What is kept of each model, for how long, and what ends it: each is a list of accounts.services.retention.Rule.
RETENTION = ["accounts.services.retention.RULES", "datasets.services.retention.RULES"]

# Chrome holds the redirect to a provider against the form that led to it.
FORMS_LEAD_TO = [SELF, *(PROVIDER_SITES[name] for name in SOCIALACCOUNT_PROVIDERS)]
# What pages may load: their own files, nothing inline, nothing from elsewhere.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "style-src": [SELF],
        "script-src": [SELF],
        "font-src": [SELF],
        "img-src": [SELF],
        "connect-src": [SELF],
        "form-action": FORMS_LEAD_TO,
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"

# Logs: one JSON object a line. Paths are never logged, for links are secrets; views are (portal.logs).
LOG_LEVEL = env.str("LOG_LEVEL", default="INFO")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "portal.logs.JsonFormatter"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        # In the place of Django's own handlers, which print paths and mail them to admins.
        "django": {"handlers": [], "propagate": True},
        "django.server": {"handlers": [], "level": "ERROR", "propagate": True},
        # RequestLogMiddleware writes a line a request, refusals included.
        "django.request": {"level": "ERROR"},
        "django.security.DisallowedHost": {"level": "CRITICAL"},
        # The sweeper alone would fill them, three lines every ten seconds.
        "celery.app.trace": {"level": "WARNING"},
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.beat": {"level": "WARNING"},
    },
}
