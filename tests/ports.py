"""Ports for servers that tests start."""

from __future__ import annotations

import random
import socket

# Below the range that the kernel gives to outgoing connections (net.ipv4.ip_local_port_range, 32768 on): a port that was
# free a moment ago would else be some client's when the server asks for it.
_FIRST, _LAST = 20000, 32000


def free_ports(count: int) -> list[int]:
    """Return ports of the loopback interface that nobody listens on now."""
    ports: list[int] = []
    while len(ports) < count:
        port = random.randint(_FIRST, _LAST)  # noqa: S311 - no secret
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in ports:
            ports.append(port)
    return ports
