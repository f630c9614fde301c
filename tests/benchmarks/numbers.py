"""100,000 people, a million links, five million downloads: `python -m tests.benchmarks.numbers [--share 0.01]`.

Fills the database of DATABASE_URL, which must be there with a catalogue (tests.benchmarks.rows), and whose tables the
role there must own. Nothing is random: the same numbers give the same rows. Rows are made by PostgreSQL, except
signatures, whose chain is made by the code that checks it (`manage.py verify_evidence` passes). Secondary indexes and
foreign keys of the largest tables are taken away meanwhile and made again, which checks what they refer to.
"""

import argparse
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import django
from django.db import connection

django.setup()

from allauth.account.models import EmailAddress  # noqa: E402
from django.contrib.admin.models import LogEntry  # noqa: E402
from django.db.backends.utils import CursorWrapper  # noqa: E402

from accounts.models import AgreementVersion, OutgoingMail, Receipt, Signature, User  # noqa: E402
from accounts.services.evidence import commit_values, hash_record  # noqa: E402
from datasets.models import (  # noqa: E402
    AccessGrant,
    AccessRequest,
    Archive,
    DailyUsage,
    Dataset,
    DownloadLink,
    DownloadRecord,
    Release,
)
from tests.benchmarks.filling import Filling, chosen, copied  # noqa: E402
from tests.benchmarks.rows import READER  # noqa: E402

PEOPLE, DATASETS_EACH, LINKS, RECORDS, MAILS, LOGGED = 100_000, 3, 1_000_000, 5_000_000, 500_000, 200_000
# Numbers of rows begin here, above those that are there.
BASE = 1_000_000
# Whose numbers are given here, so that their sequences must be told.
NUMBERED = [
    *(
        "accounts_user",
        "account_emailaddress",
        "accounts_signature",
        "accounts_receipt",
        "accounts_outgoingmail",
        "django_admin_log",
    ),
    *("datasets_accessrequest", "datasets_accessgrant", "datasets_downloadlink", "datasets_downloadrecord"),
]
# Three years, in which everything came about evenly; `now` is the loader's.
YEARS = timedelta(days=1_095)
COUNTRIES = "US DE GB CN IN FR IT ES NL CH AT SE NO DK FI IS GH NG ZA KE EG BR AR CL MX CA AU NZ JP KR"
GIVEN = "Ada Ben Chi Dana Elif Femi Grace Hugo Ines Jun Kofi Lena Mina Noor Omar Petra Quinn Rosa Sven Tala"
FAMILY = "Abebe Berg Costa Diaz Eze Fischer Garcia Haas Ito Jensen Khan Lopez Meyer Novak Okafor Patel Rossi"
CLIENTS = "curl/8.5.0 aria2/1.36.0 Wget/1.21.4"
TEMPLATES = "access/link agreement/receipt access/ends account/email_confirmation"


def moment(share: str) -> str:
    """SQL: the moment at which this share (0 to 1) of the three years had passed."""
    return f"now() - interval '{YEARS.days} days' * (1 - ({share})::float)"


class Load(Filling):
    """What is loaded: how much of the numbers, and the catalogue that it is about."""

    def __init__(self, cursor: CursorWrapper, share: float) -> None:
        super().__init__(cursor)
        self.share = share
        self.now = datetime.now(UTC)
        self.datasets = list(Dataset.objects.order_by("pk").values_list("pk", flat=True))
        newest = Release.objects.published().order_by("dataset", "-pk").values_list("dataset", "pk")
        self.releases = {dataset: [pk for owner, pk in newest if owner == dataset] for dataset in self.datasets}
        self.each = min(map(len, self.releases.values()))
        self.grants = self.some(PEOPLE) * DATASETS_EACH

    def some(self, number: int) -> int:
        return max(1, int(number * self.share))


def people(load: Load) -> None:
    number = load.some(PEOPLE)
    with load.bare(User):
        load.fill(
            User,
            f"FROM generate_series(0, {number - 1}) AS n",
            id=f"{BASE} + n",
            password="'!'",
            email="'person' || n || '@site' || mod(n, 2000) || '.example.org'",
            name=f"{chosen(GIVEN.split(), 'n')} || ' ' || {chosen(FAMILY.split(), 'n / 20')} || ' ' || n",
            institution="'Institute ' || mod(n, 5000) || ' of Imaging, University of Town' || mod(n, 700)",
            country=chosen(COUNTRIES.split(), "mod(n * 7, 30)"),
            position=chosen([choice for choice, _name in User.Position.choices], "n"),
            research_purpose="repeat('Measuring how well undersampled scans can be reconstructed. ', 3)",
            is_active="mod(n, 200) <> 1",
            is_staff="mod(n, 20000) = 2",
            date_joined=moment(f"n::float / {number}"),
        )
    load.fill(
        EmailAddress,
        f"FROM accounts_user WHERE id >= {BASE}",
        id="id",
        user_id="id",
        email="email",
        verified="true",
        primary="true",
    )


def signed(load: Load) -> Iterator[Signature]:
    """One a person, in the order of the days; each follows the one before, or the last that is there."""
    version = AgreementVersion.objects.published().latest("number")
    last = Signature.objects.order_by("-pk").first()
    head = last.record_hash if last else "0" * 64
    count = load.some(PEOPLE)
    for number in range(count):
        signature = Signature(
            pk=BASE + number,
            user_id=BASE + number,
            version=version,
            typed_name=f"Person {number}",
            email=f"person{number}@site{number % 2000}.example.org",
            address=f"198.51.{number // 250 % 250}.{number % 250}",
            agent="Mozilla/5.0",
            salt=f"{number:064x}",
            statements=version.statements,
            text_sha256=version.sha256,
            rendered_sha256=version.sha256,
            signed_at=load.now - YEARS + YEARS / count * number,
            previous_hash=head,
        )
        signature.commitments = commit_values(signature)
        head = signature.record_hash = hash_record(signature)
        yield signature


def signatures(load: Load) -> None:
    """Through COPY, for they are made here."""
    fields = [field for field in Signature._meta.concrete_fields if not field.generated]
    names = ", ".join(f'"{field.column}"' for field in fields)
    buffer = io.StringIO()
    with load.bare(Signature):
        for number, signature in enumerate(signed(load), 1):
            values = [field.get_db_prep_save(getattr(signature, field.attname), connection) for field in fields]
            buffer.write("\t".join(copied(value) for value in values) + "\n")
            if number % 20_000 == 0 or number == load.some(PEOPLE):
                buffer.seek(0)
                load.cursor.copy_expert(f"COPY accounts_signature ({names}) FROM STDIN", buffer)
                buffer = io.StringIO()
    load.fill(
        Receipt,
        f"FROM accounts_signature WHERE id >= {BASE}",
        id="id",
        signature_id="id",
        state="'done'",
        reason="'No document was made: these are numbers.'",
        attempts="1",
        created_at="signed_at",
        finished_at="signed_at",
    )
    load.say(f"{load.some(PEOPLE):,} signatures")


def access(load: Load) -> None:
    person, day = f"{BASE} + n / {DATASETS_EACH}", moment(f"n::float / {load.grants}")
    dataset = chosen(load.datasets, f"n / {DATASETS_EACH} + mod(n, {DATASETS_EACH})")
    series = f"FROM generate_series(0, {load.grants - 1}) AS n"
    declined, waiting = "mod(n, 50) = 7", f"n >= {load.grants - load.some(2_000)}"
    with load.told(AccessRequest, BASE):
        load.fill(
            AccessRequest,
            f"{series} WHERE mod(n, 2) = 1",
            id=f"{BASE} + n",
            user_id=person,
            dataset_id=dataset,
            signature_id=person,
            purpose="'Measuring how well undersampled scans can be reconstructed.'",
            status=f"CASE WHEN {waiting} THEN 'pending' WHEN {declined} THEN 'declined' ELSE 'approved' END",
            reason=f"CASE WHEN {declined} AND NOT {waiting} THEN 'The purpose says too little.' ELSE '' END",
            created_at=day,
            decided_at=f"CASE WHEN {waiting} THEN NULL ELSE {day} + interval '2 days' END",
        )
    revoked, held = "mod(n, 60) = 8", f"WHERE mod(n, 2) = 0 OR NOT ({waiting} OR {declined})"
    with load.told(AccessGrant, BASE):
        load.fill(
            AccessGrant,
            f"{series} {held}",
            id=f"{BASE} + n",
            user_id=person,
            dataset_id=dataset,
            request_id=f"CASE WHEN mod(n, 2) = 1 THEN {BASE} + n END",
            status=f"CASE WHEN {revoked} THEN 'revoked' ELSE 'active' END",
            starts_at=day,
            ends_at=f"{day} + interval '180 days' * (1 + mod(n, 5))",
            reason=f"CASE WHEN {revoked} THEN 'The project has closed.' ELSE '' END",
            revoked_at=f"CASE WHEN {revoked} THEN {day} + interval '30 days' END",
        )


def links(load: Load) -> None:
    """One a grant and release, live unless the grant was revoked; and, up to their number, ones that were replaced."""
    state = "CASE WHEN g.status = 'revoked' THEN 'revoked' WHEN k >= {each} THEN 'replaced' ELSE 'live' END"
    ended = "CASE WHEN g.status = 'revoked' OR k >= {each} THEN g.starts_at + interval '30 days' END"
    listed = [chosen(load.releases[dataset][: load.each], "k") for dataset in load.datasets]
    cases = " ".join(f"WHEN {pk} THEN {release}" for pk, release in zip(load.datasets, listed, strict=True))
    # As many rounds as give the wanted number; each grant has a place for every one of them in the numbers of links.
    rounds = -(-load.some(LINKS) // load.grants)
    with load.bare(DownloadLink):
        load.fill(
            DownloadLink,
            f"FROM datasets_accessgrant g, generate_series(0, {rounds - 1}) AS k WHERE g.id >= {BASE}",
            id=f"{BASE} + (g.id - {BASE}) * {rounds} + k",
            grant_id="g.id",
            release_id=f"CASE g.dataset_id {cases} END",
            nonce=f"hashint8extended(g.id * {rounds} + k, 1)",
            status=state.format(each=load.each),
            created_at="g.starts_at",
            ended_at=ended.format(each=load.each),
        )


def records(load: Load) -> None:
    """Few take much: a link's place in the order decides how often it is used; one record in a hundred is READER's."""
    number = load.some(RECORDS)
    archives = Archive.objects.verified().order_by("release", "pk").values_list("release", "pk")
    table: dict[int, list[int]] = {}
    for release, pk in archives:
        table.setdefault(release, []).append(pk)
    several = min(map(len, table.values()))
    cases = " ".join(f"WHEN {release} THEN {chosen(pks[:several], 'l.which')}" for release, pks in table.items())
    load.cursor.execute(
        "CREATE TEMPORARY TABLE used AS SELECT row_number() OVER (ORDER BY id) - 1 AS place, id, release_id"
        f" FROM datasets_downloadlink WHERE id >= {BASE}"
    )
    load.cursor.execute(
        "INSERT INTO used SELECT -row_number() OVER (ORDER BY l.id), l.id, l.release_id FROM datasets_downloadlink l"
        " JOIN datasets_accessgrant g ON g.id = l.grant_id JOIN accounts_user u ON u.id = g.user_id WHERE u.email = %s",
        [READER],
    )
    own = load.cursor.rowcount
    load.cursor.execute("CREATE UNIQUE INDEX ON used (place)")
    load.cursor.execute("ANALYZE used")
    load.cursor.execute("SELECT count(*) FROM used WHERE place >= 0")
    count = load.cursor.fetchone()[0]
    draw = "(hashint4extended(n, 1) & 1073741823)::float / 1073741824"
    source = f"""FROM (
        SELECT n, CASE WHEN mod(n, 100) = 0 THEN -1 - mod(n / 100, {own})
                ELSE floor({count} * power({draw}, 2))::bigint END AS place,
            (hashint4extended(n, 2) & 1073741823)::int AS which
        FROM generate_series(0, {number - 1}) AS n) AS l JOIN used u ON u.place = l.place ORDER BY l.n"""
    with load.bare(DownloadRecord):
        load.fill(
            DownloadRecord,
            source,
            id=f"{BASE} + l.n",
            link_id="u.id",
            archive_id=f"CASE u.release_id {cases} END",
            first_byte="CASE WHEN mod(l.n, 3) = 0 THEN 1000000::bigint * mod(l.which, 90000) ELSE 0 END",
            asked="100694526932 - CASE WHEN mod(l.n, 3) = 0 THEN 1000000::bigint * mod(l.which, 90000) ELSE 0 END",
            issued_at=moment(f"l.n::float / {number}"),
            address=f"CASE WHEN l.n > {number} * 0.9 THEN ('198.51.' || mod(l.which, 250) || '.7')::inet END",
            agent=chosen(CLIENTS.split(), "l.which"),
            country=chosen(COUNTRIES.split(), "l.which"),
        )


def usage(load: Load) -> None:
    load.fill(
        DailyUsage,
        "FROM datasets_downloadrecord r JOIN datasets_downloadlink l ON l.id = r.link_id"
        f" WHERE l.id >= {BASE} AND r.issued_at > now() - interval '90 days' AND r.first_byte = 0 GROUP BY 1, 2",
        day="(r.issued_at AT TIME ZONE 'UTC')::date",
        grant_id="l.grant_id",
        asked="sum(r.asked)",
    )


def mails(load: Load) -> None:
    number, day = load.some(MAILS), moment(f"n::float / {load.some(MAILS)}")
    failed = "mod(n, 400) = 3"
    with load.bare(OutgoingMail):
        load.fill(
            OutgoingMail,
            f"FROM generate_series(0, {number - 1}) AS n JOIN accounts_user u ON u.id ="
            f" {BASE} + mod(n, {load.some(PEOPLE)}) ORDER BY n",
            id=f"{BASE} + n",
            uuid="gen_random_uuid()",
            template=chosen(TEMPLATES.split(), "n"),
            to="u.email",
            user_id="u.id",
            state=f"CASE WHEN {failed} THEN 'failed' ELSE 'done' END",
            reason=f"CASE WHEN {failed} THEN '550 no such mailbox' ELSE '' END",
            attempts="1",
            created_at=day,
            finished_at=day,
        )


def log(load: Load) -> None:
    number = load.some(LOGGED)
    load.fill(
        LogEntry,
        f"FROM generate_series(0, {number - 1}) AS n",
        id=f"{BASE} + n",
        action_time=moment(f"n::float / {number}"),
        user_id=chosen(list(User.objects.filter(is_staff=True).values_list("pk", flat=True)), "n"),
        content_type_id="(SELECT id FROM django_content_type WHERE model = 'accessrequest')",
        object_id=f"'' || ({BASE} + n)",
        object_repr="'a request'",
        action_flag="2",
        change_message="'approved.'",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--share", type=float, default=1.0, help="of the numbers (default: 1)")
    options = parser.parse_args()
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off; SET maintenance_work_mem = '256MB'; SET work_mem = '64MB'")
        load = Load(cursor, options.share)
        for part in (people, signatures, access, links, records, usage, mails, log):
            part(load)
        for table in NUMBERED:
            cursor.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))")
        cursor.execute("VACUUM ANALYZE")
        load.say("vacuumed and analysed")


if __name__ == "__main__":
    main()
