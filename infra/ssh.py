"""How a host is logged in to: the user's own ssh, with its keys, its known hosts and its configuration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

CONNECT_S: Final = 10


def ssh_command(connection: str, ssh_options: Sequence[str] = ()) -> list[str]:
    """Return the command that runs what stands behind it on the host of `ssh://user@host:port`.

    Raises:
        ValueError: the connection is no such address.
    """
    parts = urlsplit(connection)
    host, user, port = parts.hostname, parts.username, parts.port
    # ssh would take a name that starts with - for an option, and options run commands.
    if not host or parts.scheme != "ssh" or host.startswith("-") or (user or "").startswith("-"):
        msg = f"{connection!r} is no way to a host"
        raise ValueError(msg)
    command = ["ssh", "-o", "BatchMode=yes", "-o", f"ConnectTimeout={CONNECT_S}", "-T"]
    command += ["-p", str(port)] if port else []
    command += ["-l", user] if user else []
    return [*command, *ssh_options, "--", host]
