"""Checks who may write to a file or folder that the server trusts."""

import grp
import os
import pwd
import stat
from pathlib import Path
from shlex import quote


def writable_by_others(path: Path) -> str | None:
    """Return the command that removes other users' write access; None if only the owner has it, or `path` does not
    exist.

    Many Linux distributions create a group for each user, with the user's name. If the owner is its only member, it
    does not count as other users.
    """
    try:
        status = os.stat(path)
    except OSError:
        return None
    shared = stat.S_IWOTH | (0 if _is_of_owner_alone(status) else stat.S_IWGRP)
    return f"chmod go-w {quote(str(path))}" if status.st_mode & shared else None


def _is_of_owner_alone(status: os.stat_result) -> bool:
    try:
        group = grp.getgrgid(status.st_gid)
        owner = pwd.getpwuid(status.st_uid)
    except KeyError:
        return False
    return group.gr_name == owner.pw_name and not set(group.gr_mem) - {owner.pw_name}
