"""nginx on an instance, with the bundle's configuration in the place of the platform's."""

import shutil

from tests.rehearsal.machine import Machine, StepError

CONFIGURATION = "/var/proxy/nginx.conf"
# The one word that is another here: Amazon Linux has this account. Root is whoever runs the rehearsal.
ACCOUNT = "user nginx;"


def configure(machine: Machine) -> None:
    """Put the bundle's files where the platform does."""
    folder = machine.var / "proxy"
    shutil.copytree(machine.app / "staging" / ".platform" / "nginx", folder)
    path = folder / "nginx.conf"
    text = path.read_text()
    if ACCOUNT not in text:
        raise StepError(f"nginx.conf does not say {ACCOUNT!r}.")
    path.write_text(text.replace(ACCOUNT, "user root;"))
    machine.run([program(), "-t", "-q", "-c", CONFIGURATION], environment={}, cwd="/var/app")


def program() -> str:
    found = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if found is None:
        raise StepError("The rehearsal needs nginx: apt-get install nginx-light.")
    return found


def start(machine: Machine) -> None:
    machine.start("nginx", [program(), "-g", "daemon off;", "-c", CONFIGURATION], environment={}, cwd="/var/app")
