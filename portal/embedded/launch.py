"""Start one program that ends with its parent, if need be without root's identity.

Usage: python -I launch.py PARENT SIGNAL OWNER COMMAND...

PARENT is the process id that must live; when it dies, even by SIGKILL, Linux sends SIGNAL to the program.
OWNER is `same`, `namespace` or `nobody`. PostgreSQL refuses to run as root, so root starts it as `namespace`: in a user
namespace of its own, where it is `nobody`, has no capability, and still reads and writes the folders of the one who
started it. `nobody` changes to that account where user namespaces are forbidden.

A script on the standard library alone, because a program started between fork and exec may not take a lock.
"""

import ctypes
import os
import pwd
import sys
from pathlib import Path

CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1


def enter_namespace() -> None:
    """Become `nobody` to this program and to what it starts; stay the owner of the files outside."""
    libc = ctypes.CDLL(None, use_errno=True)
    account = pwd.getpwnam("nobody")
    uid, gid = os.geteuid(), os.getegid()
    if libc.unshare(CLONE_NEWUSER) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    Path("/proc/self/uid_map").write_text(f"{account.pw_uid} {uid} 1\n")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/gid_map").write_text(f"{account.pw_gid} {gid} 1\n")


def become_nobody() -> None:
    account = pwd.getpwnam("nobody")
    os.setgroups([])
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)


def end_with(parent: int, signal: int) -> None:
    """Ask the kernel for `signal` when the parent dies. Elsewhere than on Linux the next run clears up instead."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal)
    if os.getppid() != parent:
        sys.exit("The process that asked for this program is gone.")


def main() -> None:
    parent, signal, owner, *command = sys.argv[1:]
    if owner == "namespace":
        enter_namespace()
    elif owner == "nobody":
        become_nobody()
    # Last, because a change of identity clears it.
    end_with(int(parent), int(signal))
    os.execv(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main()
