"""Starts one process of the Procfile: python -m portal.start web

One bundle serves several environments of Elastic Beanstalk, which starts every line of its Procfile and starts again
what ends. PORTAL_PROCESSES says which of them this environment wants: `web` answers people, `worker` does the work,
`all` is both on one machine. What is not wanted sleeps. The name is read here, not in the settings: nothing of Django
is loaded before the process is what it shall be.
"""

import os
import sys

CELERY = (sys.executable, "-m", "celery", "-A", "portal.celery")
# Named, so that each is asked by its own name; neither worker has anybody to greet or to follow.
WORKER = (*CELERY, "worker", "--without-mingle", "--without-gossip", "--loglevel=INFO")
GUNICORN = (sys.executable, "-m", "gunicorn", "--config=python:portal.gunicorn")
# A process that is not wanted: it holds nothing, and ends when it is told to.
ASLEEP = ("sleep", "infinity")

SITE = (*GUNICORN, "portal.wsgi")
# The balancer asks a worker's machine how it is, too; nothing else is to be had there.
ANSWER = (*GUNICORN, "--workers=1", "--threads=2", "portal.alive")
BEHIND = {
    "worker": (*WORKER, "--queues=celery", "--hostname=worker@%h", "--concurrency=2"),
    # Pictures and archives take the processor for minutes: mails come first where both run.
    "renderer": ("nice", "-n", "10", *WORKER, "--queues=previews,ingest", "--hostname=renderer@%h", "--concurrency=1"),
    # On every machine that works; one of them sends (portal.beat).
    "beat": (*CELERY, "beat", "--pidfile=", "--loglevel=INFO"),
}
COMMANDS = {
    "web": {"web": SITE, **dict.fromkeys(BEHIND, ASLEEP)},
    "worker": {"web": ANSWER, **BEHIND},
    "all": {"web": SITE, **BEHIND},
}


def command_of(process: str, wanted: str) -> tuple[str, ...]:
    """What this process runs where those are wanted; SystemExit with a sentence when there is no such thing."""
    if wanted not in COMMANDS:
        raise SystemExit(f"PORTAL_PROCESSES is {wanted!r}: set web, worker or all.")
    if process not in COMMANDS[wanted]:
        raise SystemExit(f"There is no process {process!r}: {', '.join(COMMANDS[wanted])}.")
    return COMMANDS[wanted][process]


def main() -> None:
    command = command_of(" ".join(sys.argv[1:]), os.environ.get("PORTAL_PROCESSES", ""))
    os.execvp(command[0], command)  # noqa: S606 (no shell is wanted: this process becomes that one)


if __name__ == "__main__":
    main()
