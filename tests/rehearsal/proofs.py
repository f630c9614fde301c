"""What is looked at in the deployed site, from outside, and the table of it."""

import hashlib
import json
import re
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.names import ARCHIVE, SLUG
from tests.rehearsal.beanstalk import Deployment
from tests.rehearsal.clients import Address, Site, ask_instance, visitor
from tests.rehearsal.load import Load
from tests.rehearsal.machine import STOP_SECONDS, Machine

LINK = re.compile(r"https?://[^/\s]+(/get/[A-Za-z0-9_-]{33}/)")
SPOOFED, CLIENT = "203.0.113.66", "127.0.0.9"
NOT_PROVED = (
    "a real balancer, its certificate and its health checks over the network: an nginx stands for it",
    "systemd, cfn-init, the platform's own RPMs and the user webapp: processes run as whoever runs this",
    "RDS, ElastiCache, S3 and SES: PostgreSQL, Valkey, rclone's S3 server and a mail sink stand for them",
    "IAM: what the roles may do is checked in the templates, not tried",
    "CloudWatch: what is written to it is tested with a stub, and its alarms only as text",
)


@dataclass(frozen=True)
class Proof:
    what: str
    found: str
    holds: bool


def table(proofs: Sequence[Proof]) -> str:
    lines = [f"{'proved' if proof.holds else 'FAILS':8}{proof.what:58}{proof.found}" for proof in proofs]
    return "\n".join([*lines, "", "Not proved here:", *(f"        {line}" for line in NOT_PROVED)])


# From outside --------------------------------------------------------------------------------------------------


def of_the_door(address: Address, instance: int) -> list[Proof]:
    """TLS, redirects, hosts and health."""
    home = address.ask("/")
    hsts = home.headers.get("strict-transport-security", "")
    plain = ask_instance(address.plain_port, "/datasets/", {"Host": address.host})
    unsecured = ask_instance(instance, "/datasets/", {"Host": address.host, "X-Forwarded-Proto": "http"})
    stranger = address.ask("/", headers={"Host": "evil.example"})
    health = ask_instance(instance, "/healthz", {"Host": "10.0.12.34"})
    location = plain.headers.get("location", "")
    return [
        Proof("the site knows that it is asked over TLS", f"{home.status}, no redirect", home.status == 200),
        Proof("HSTS", hsts, "max-age=31536000" in hsts and "includeSubDomains" in hsts),
        Proof("plain HTTP is redirected by the balancer", f"{plain.status} {location}", plain.status == 301),
        Proof("and by the site, should the balancer not", str(unsecured.status), unsecured.status == 301),
        Proof("another host's name is refused", str(stranger.status), stranger.status == 400),
        Proof("health answers to an instance's address as Host", str(health.status), health.status == 200),
        of_the_assets(address),
    ]


def of_the_assets(address: Address) -> Proof:
    """The admin's style sheet has its hash in its name, and is kept."""
    page = address.ask("/admin/login/")
    if page.status == 302:
        page = address.ask(page.headers["location"])
    paths = re.findall(r'href="(/assets/[^"]+\.[0-9a-f]{12}\.css)"', page.body.decode())
    answers = [address.ask(path) for path in paths]
    kept = {answer.headers.get("cache-control", "") for answer in answers if answer.status == 200}
    holds = bool(paths) and all(answer.status == 200 for answer in answers) and all("immutable" in it for it in kept)
    return Proof("the admin's style sheets are hashed and cached", f"{len(paths)} of them: {', '.join(kept)}", holds)


def of_the_worker(ping: str) -> Proof:
    answered = len(re.findall(r"\bOK\b|pong", ping))
    return Proof("every worker answers a ping", f"{answered} answered", answered >= 2)


def of_readiness(instance: int) -> Proof:
    answer = ask_instance(instance, "/readyz", {"Host": "10.0.12.34"})
    words = json.loads(answer.body)
    return Proof(
        "readiness: every part",
        ", ".join(f"{part} {word}" for part, word in words.items()),
        set(words.values()) == {"ok"},
    )


def of_the_leaders(deployments: Sequence[Deployment]) -> Proof:
    """One machine ran the leader's command, and it ran before the others."""
    ran = [[name for name, _seconds in deployment.steps if "container command" in name] for deployment in deployments]
    leaders = [names for deployment, names in zip(deployments, ran, strict=True) if deployment.is_leader]
    followers = [names for deployment, names in zip(deployments, ran, strict=True) if not deployment.is_leader]
    holds = all("migrate" in names[0] for names in leaders) and not any("migrate" in str(names) for names in followers)
    found = f"{len(leaders)} leaders: {', '.join(leaders[0])}; others: {', '.join(followers[0])}"
    return Proof("leaders migrate, followers do not", found, holds and bool(followers))


# The main job --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reader:
    """Somebody who holds a link."""

    email: str
    link: str
    """Its path."""

    @property
    def token(self) -> str:
        return self.link.removeprefix("/get/").rstrip("/")


def go_the_whole_way(site: Site, email: str, folder: Path) -> tuple[Reader, Proof]:
    """Register, confirm, sign, and download with curl what the mail's link leads to; from an address that is not the
    balancer's, with a header that names another."""
    person = visitor(site, email)
    registered = person.register()
    signed = person.sign(SLUG)
    found = LINK.search(site.wait_for_mail(email, "link").text)
    assert found, "The mail has no link."
    reader = Reader(email, found[1])
    sums = site.address.ask(f"{reader.link}SHA256SUMS").body.decode()
    curl = [*site.address.curl(), "--interface", CLIENT, "-H", f"X-Forwarded-For: {SPOOFED}"]
    target = folder / ARCHIVE
    subprocess.run(
        [*curl, "--location", "-o", str(target), f"{site.url}{reader.link}{ARCHIVE}"], check=True, timeout=60
    )
    digest = hashlib.sha256(target.read_bytes()).hexdigest()
    holds = registered.status == signed.status == 200 and f"{digest}  {ARCHIVE}" in sums
    return reader, Proof("register, sign, mail, download, SHA-256", f"{target.stat().st_size:,} bytes by curl", holds)


def of_addresses(recorded: Sequence[str]) -> Proof:
    """What the download records of that person say."""
    return Proof(
        "client addresses, with a spoofed X-Forwarded-For",
        f"recorded {', '.join(sorted(set(recorded)))}; the client was {CLIENT}, the header said {SPOOFED}",
        set(recorded) == {CLIENT},
    )


# While it is deployed again --------------------------------------------------------------------------------------


def of_the_load(what: str, load: Load) -> Proof:
    failed = "; ".join(f"{times} × {how}" for how, times in Counter(load.failed).most_common(3))
    found = f"{len(load.failed)} of {load.number:,} failed, slowest {load.slowest:.1f} s {failed}"
    return Proof(f"{what}: no request fails", found, load.number > 100 and not load.failed)


def of_the_stop(what: str, took: dict[str, float]) -> Proof:
    slowest = max(took, key=lambda name: took[name])
    found = f"{len(took)} processes, slowest {slowest} {took[slowest]:.1f} s"
    return Proof(f"{what}: SIGTERM ends every process", found, took[slowest] < STOP_SECONDS)


def of_the_work(what: str, standing: dict[str, dict[str, int]]) -> Proof:
    """All work that was under way came to its end."""
    left = {kind: dict(rows) for kind, rows in standing.items() if rows["open"] or rows["failed"]}
    done = sum(rows["done"] for rows in standing.values())
    return Proof(f"{what}: no work is lost", f"{done:,} rows done, left: {left or 'none'}", not left)


def of_the_mails(site: Site) -> Proof:
    times = Counter(dict(mail.headers).get("Message-ID", "none") for mail in site.mails())
    twice = sum(number > 1 for number in times.values())
    return Proof("each mail once, by Message-ID", f"{len(times):,} mails, {twice} twice", bool(times) and not twice)


def of_the_logs(machines: Sequence[Machine], secrets: Sequence[str]) -> Proof:
    """No log of an instance holds a link's token or a secret."""
    files = [path for machine in machines for path in machine.logs()]
    leaks = sorted({path.name for path in files for secret in secrets if secret.encode() in path.read_bytes()})
    masked = any(b"/get/" in path.read_bytes() for path in files if "nginx" in str(path))
    found = f"{len(files)} files, links are masked" if not leaks else f"in {', '.join(leaks)}"
    return Proof("no link and no secret in any log", found, masked and not leaks)
