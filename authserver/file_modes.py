"""Checks who owns a file or folder that the server trusts, and who may write to it."""

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


def user_name(uid: int) -> str:
    """The user's name, or the number of a user without one."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def how_to_own(path: Path, owner: int) -> str:
    """What to do if `owner` has a file or folder that this process should own: a sentence, and a line to paste.

    Root is told to run the command as the owner, which is the server's user.
    """
    if os.geteuid() == 0 and owner != 0:
        name = user_name(owner)
        user = quote(f"#{name}" if name.isdecimal() else name)
        return f"Run the command as the server's user:\n\n    sudo -u {user} authserver ..."
    return f"Make the server's user its owner:\n\n    chown {os.geteuid()} {quote(str(path))}"
