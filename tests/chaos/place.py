"""The whole site in a folder of its own: services that write durably, workers, beat and web server, kept running
however often they are killed."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from portal.embedded import application
from portal.embedded.stack import Stack
from portal.embedded.state import choose_ports
from tests.chaos.postbox import Postbox


@dataclass
class Place:
    stack: Stack
    url: str
    environment: dict[str, str]
    postbox: Postbox
    log: list[str]
    """What the supervisor said."""
    mistakes: list[str] = field(default_factory=list)
    """Answers that say that the site has a mistake, rather than that a part is away."""

    def pids(self) -> dict[str, int]:
        """The parts that run now, with their process ids."""
        found = {}
        for record in (self.stack.path / "run").glob("*.pid"):
            words = record.read_text().split() if record.exists() else []
            if words:
                found[record.stem] = int(words[0])
        return found

    def is_starting(self, part: str) -> bool:
        kept = self.stack.supervisor.kept[part]
        return kept.recovering or kept.again_at is not None

    def python(self, *arguments: str, read: str = "", **names: str) -> str:
        """Run a module with the site's names and return what it prints; what it says besides goes to the terminal."""
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=application.ROOT,
            env=application.application_environment(self.environment | names),
            input=read,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return done.stdout


@contextmanager
def place(say: Callable[[str], None], folder: Path | None = None) -> Iterator[Place]:
    """The running site with one dataset to sign for. The folder is kept when it was named."""
    outside = Path(tempfile.mkdtemp(prefix="portal-chaos-"))
    log: list[str] = []
    port = choose_ports(("site",), {})["site"]
    stack = Stack(folder or outside / "stack", site_port=port, patient=True, say=log.append)
    try:
        stack.start(say)
        # Each person comes from an address of their own, as the proxy says.
        environment = stack.environment() | {
            "DJANGO_SETTINGS_MODULE": "tests.chaos.settings",
            "TRUSTED_PROXY_COUNT": "1",
        }
        site = Place(stack, stack.site_url, environment, Postbox(stack.mail_folder), log)
        site.python("manage.py", "migrate", "-v0", **stack.owners_environment())
        say(site.python("-m", "tests.chaos.rows").strip())
        workers = (application.worker(environment), application.renderer(environment))
        parts = (*workers, application.beat(environment), application.web(environment, port))
        stack.run(*parts)
        say(f"The site runs at {site.url}, in {stack.path}")
        with site.postbox:
            yield site
    finally:
        stack.stop()
        shutil.rmtree(outside, ignore_errors=True)
