"""A command's prefix that runs it as an ordinary user, from root."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

NOBODY = 65534


def as_ordinary_user(*needed: Path) -> list[str]:
    """The prefix: user and group 65534, no capabilities, in a mount namespace of its own.

    Args:
        needed: Folders that the command must be able to enter, beside Python's. Where one lies in a folder that is closed to
            others, such as root's home, that folder is covered by an empty one in which only what is needed appears.
    """
    wanted = {Path(path).resolve() for path in (sys.base_prefix, sys.prefix, *needed)}
    closed = {folder for path in wanted for folder in path.parents if not folder.stat().st_mode & 0o001}
    covers = sorted(folder for folder in closed if not closed & set(folder.parents))
    moved = sorted(path for path in wanted if any(path.is_relative_to(cover) for cover in covers))
    quoted = [shlex.quote(str(path)) for path in moved]
    lines = ["set -e", "K=$(mktemp -d)"]
    for number, path in enumerate(quoted):
        lines += [f"mkdir $K/{number}", f"mount --bind {path} $K/{number}"]
    lines += [f"mount -t tmpfs -o mode=755 tmpfs {shlex.quote(str(cover))}" for cover in covers]
    for number, path in enumerate(quoted):
        lines += [f"mkdir -p {path}", f"mount --move $K/{number} {path}", f"rmdir $K/{number}"]
    user = f'exec setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups --inh-caps=-all "$@"'
    return ["unshare", "--mount", "--propagation", "private", "bash", "-c", "\n".join([*lines, "rmdir $K", user]), "_"]
