"""Every column of the database, and whether it holds something about a person.

`personal` columns must appear in "my data"; tests/portal/test_my_data_columns.py sees to both. `secret` ones open an
account, or are somebody's at the cost of somebody else: they are about the person and are never exported. `other`
says why the rest is nobody's. A new column fails the test until it stands here.
"""

from dataclasses import dataclass, field

# Why something is not personal.
NUMBER = "a number of a row"
MADE = "made of columns that are said"
WORK = "how far the work is"
OURS = "the site's own"
SAID = "said in the row that it is the history of"
HASH = "which row it is, and of what kind"
WORK_COLUMNS = "attempts deaths due_at leased_until"


@dataclass(frozen=True)
class Columns:
    """Of one table: names with blanks between them."""

    personal: str = ""
    secret: dict[str, str] = field(default_factory=dict)
    """By why it is not exported."""
    other: dict[str, str] = field(default_factory=dict)
    """By why it is nobody's."""


def ours(names: str) -> Columns:
    return Columns(other={OURS: names})


VERSION = (
    "number text summary changes statements sha256 editorial urgent required_from status published_at agreement_id"
)
DATASET = (
    "slug name summary description anatomy citation doi access_policy access_days preview_audience is_listed position"
    " agreement_id"
)
RELEASE = "version summary notes status reason created_at publish_at published_at withdrawn_at dataset_id"
ERRATUM = "text created_at published_at release_id"
EVENT = "pgh_id pgh_created_at pgh_label pgh_context_id pgh_obj_id"

TABLES = {
    # Accounts
    "accounts_user": Columns(
        personal="email name institution country position research_purpose date_joined last_login is_active is_staff"
        " is_superuser sessions_ended unsubscribed_at undigested_at",
        secret={"its hash could be guessed at": "password"},
        other={NUMBER: "id", MADE: "words"},
    ),
    "accounts_user_groups": Columns(personal="group_id", other={NUMBER: "id user_id"}),
    "accounts_user_user_permissions": Columns(personal="permission_id", other={NUMBER: "id user_id"}),
    "accounts_signature": Columns(
        personal="typed_name email address agent salt statements text_sha256 rendered_sha256 commitments signed_at"
        " previous_hash record_hash version_id",
        other={NUMBER: "id user_id"},
    ),
    "accounts_receipt": Columns(
        other={NUMBER: "id signature_id", WORK: f"{WORK_COLUMNS} state reason created_at finished_at"}
    ),
    "accounts_receiptdocument": Columns(
        other={NUMBER: "receipt_id", "made of the signature, and the person's to download": "content sha256 made_at"}
    ),
    "accounts_outgoingmail": Columns(
        personal="template to keys state reason created_at finished_at",
        other={NUMBER: "id uuid once user_id carrier_id", WORK: f"{WORK_COLUMNS} to_many give_up_at"},
    ),
    "accounts_bounce": Columns(personal="address kind said at settled_at", other={NUMBER: "id user_id mail_id event"}),
    "accounts_deletion": Columns(
        personal="why state created_at written_at",
        other={NUMBER: "id user_id by_id mail_id", WORK: f"{WORK_COLUMNS} reason finished_at"},
    ),
    "accounts_forgetting": Columns(
        other={NUMBER: "id person", "what is left of who was forgotten": "function rows at"}
    ),
    "accounts_agreement": ours("id slug title"),
    "accounts_agreementevent": ours(f"id slug title {EVENT}"),
    "accounts_maintainergroupevent": ours(f"id name {EVENT}"),
    "accounts_grouprightevent": ours(f"id group_id permission_id {EVENT}"),
    "accounts_groupmemberevent": Columns(
        personal="group_id pgh_created_at pgh_label", other={NUMBER: "id pgh_id pgh_context_id pgh_obj_id user_id"}
    ),
    "accounts_accountevent": Columns(
        personal="is_active is_staff is_superuser pgh_created_at",
        other={HASH: "pgh_id pgh_label pgh_context_id pgh_obj_id"},
    ),
    "accounts_agreementversion": ours(f"id {VERSION}"),
    "accounts_agreementversionevent": ours(f"id {VERSION} {EVENT}"),
    # Of allauth
    "account_emailaddress": Columns(personal="email verified primary", other={NUMBER: "id user_id"}),
    "account_emailconfirmation": Columns(
        secret={"it would confirm an address; no such row is made, for addresses are confirmed by codes": "key"},
        other={NUMBER: "id email_address_id", WORK: "created sent"},
    ),
    "mfa_authenticator": Columns(
        personal="type created_at last_used_at",
        secret={"it is what the codes are made with; the name in it is exported": "data"},
        other={NUMBER: "id user_id"},
    ),
    "socialaccount_socialaccount": Columns(
        personal="provider uid last_login date_joined extra_data", other={NUMBER: "id user_id"}
    ),
    "socialaccount_socialapp": ours("id provider name client_id secret key provider_id settings"),
    "socialaccount_socialtoken": Columns(
        secret={"it would open the account there; none is stored (SOCIALACCOUNT_STORE_TOKENS)": "token token_secret"},
        other={NUMBER: "id account_id app_id", WORK: "expires_at"},
    ),
    # Of Django
    "django_admin_log": Columns(
        personal="action_time object_repr change_message",
        other={NUMBER: "id object_id user_id content_type_id", OURS: "action_flag"},
    ),
    "django_session": Columns(
        secret={"who has it is signed in": "session_key session_data"}, other={WORK: "expire_date"}
    ),
    "django_content_type": ours("id app_label model"),
    "django_migrations": ours("id app name applied"),
    "auth_group": ours("id name"),
    "auth_group_permissions": ours("id group_id permission_id"),
    "auth_permission": ours("id name content_type_id codename"),
    "pghistory_context": Columns(
        other={NUMBER: "id", "the number of the maintainer who acted": "metadata", WORK: "created_at updated_at"}
    ),
    # Datasets
    "datasets_accessrequest": Columns(
        personal="dataset_id purpose status reason created_at decided_at",
        other={NUMBER: "id user_id signature_id", "the number of the maintainer who acted": "decided_by_id"},
    ),
    "datasets_accessrequestevent": Columns(
        personal="purpose status reason pgh_created_at",
        other={
            SAID: "id dataset_id created_at decided_at user_id signature_id decided_by_id",
            HASH: "pgh_id pgh_label pgh_context_id pgh_obj_id",
        },
    ),
    "datasets_accessgrant": Columns(
        personal="dataset_id status starts_at ends_at reason revoked_at daily_bytes",
        other={NUMBER: "id user_id request_id", "the number of the maintainer who acted": "revoked_by_id"},
    ),
    "datasets_accessgrantevent": Columns(
        personal="status ends_at reason daily_bytes pgh_created_at",
        other={
            SAID: "id dataset_id starts_at revoked_at user_id request_id revoked_by_id",
            HASH: "pgh_id pgh_label pgh_context_id pgh_obj_id",
        },
    ),
    "datasets_downloadlink": Columns(
        personal="release_id status created_at ended_at",
        secret={"the link is made of it": "nonce"},
        other={NUMBER: "id grant_id"},
    ),
    "datasets_downloadrecord": Columns(
        personal="archive_id first_byte asked issued_at address agent country", other={NUMBER: "id link_id"}
    ),
    "datasets_dailyusage": Columns(personal="day asked", other={NUMBER: "grant_id"}),
    "datasets_downloadday": ours("day dataset_id requests downloads asked unsized"),
    "datasets_downloadshare": ours("id period dataset_id kind label requests downloads asked unsized"),
    "datasets_countedperson": Columns(personal="institution", other={NUMBER: "user_id"}),
    "datasets_downloadcount": ours(
        "id cursor settled settled_at mark mark_transaction marked_at today counted_until standing"
    ),
    "datasets_catalogueedition": ours("id number"),
    "datasets_evidenceanchor": ours(
        f"id {WORK_COLUMNS} state reason created_at finished_at day count head moment key version_id etag note"
    ),
    "datasets_notice": Columns(
        other={
            OURS: f"id {WORK_COLUMNS} state reason created_at finished_at kind version_id release_id erratum_id text"
            " cursor reached",
            "the number of the maintainer who tried it": "test_for_id",
        }
    ),
    "datasets_erratum": ours(f"id {ERRATUM}"),
    "datasets_erratum_archives": ours("id erratum_id archive_id"),
    "datasets_erratumevent": ours(f"id {ERRATUM} {EVENT}"),
    "datasets_dataset": ours(f"id {DATASET}"),
    "datasets_datasetevent": ours(f"id {DATASET} {EVENT}"),
    "datasets_release": ours(f"id {RELEASE}"),
    "datasets_releaseevent": ours(f"id {RELEASE} {EVENT}"),
    "datasets_archive": ours(
        "id name key version_id etag size sha256 part_size part_hashes split coils status reason release_id"
    ),
    "datasets_archiveevent": ours(
        f"id name key version_id etag size sha256 part_size split coils status reason release_id {EVENT}"
    ),
    "datasets_volume": ours(
        "id path offset size acquisition slices coils readout phase field_strength words archive_id"
    ),
    "datasets_ingest": ours(
        f"id {WORK_COLUMNS} state reason created_at finished_at started_at bytes_read volumes_read archive_id"
    ),
    "datasets_fixitycheck": ours(
        f"id {WORK_COLUMNS} state reason created_at finished_at cursor checked drifted release_id"
    ),
    "datasets_drift": ours(
        "id finding size etag version_id is_delivered first_seen_at last_seen_at ended_at archive_id told_in_id"
    ),
    "datasets_preview": ours(f"id {WORK_COLUMNS} state reason created_at finished_at folder report asked_at volume_id"),
}
