"""One connection per host asks everything; what comes back becomes a HostReport."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Sequence
from typing import Final

from infra.doctor import reading
from infra.doctor.asked import Asked
from infra.doctor.questions import script_for
from infra.doctor.report import HostReport, Listener
from infra.facts import machine
from infra.facts.host import Run, cards_of, run_command, shell_of
from infra.facts.machine import FileSystem
from infra.facts.script import Answer, Answers, answers

_SSH_FAILED: Final = 255
_LONGEST: Final = 300
# What ssh says, and what mends it; the first that fits.
_FIXES: Final = (
    (
        "host key verification failed",
        "compare its key with what its owner says, and log in once by hand (`{by_hand}`): known hosts are checked",
    ),
    ("remote host identification has changed", "find out why its key changed, then `ssh-keygen -R {address}`"),
    ("permission denied", "let this user's key in there, or name one with ssh_options; `{by_hand} true` must work"),
    (
        "could not resolve hostname",
        "mend that name where it stands: in connection or ssh_options of hearth:inventory.hosts.{host}, or in ~/.ssh/config",
    ),
    ("connection refused", "start sshd there, or mend the port in hearth:inventory.hosts.{host}.connection"),
    ("timed out", "switch it on, or mend its address or the firewall before it; `{by_hand} true` must work"),
    ("no route to host", "switch it on, or mend the way to it; `{by_hand} true` must work"),
)


def ask_host(asked: Asked, run: Run = run_command) -> HostReport:
    """Ask one host. Never raises."""
    sent = time.time()
    argv, script, wrong = shell_of(asked.section.connection, script_for(asked), asked.section.ssh_options)
    if wrong is not None:
        return HostReport(sent, wrong.problem, wrong.fix)
    try:
        ran = run(argv, script)
    except subprocess.TimeoutExpired as error:
        return HostReport(sent, f"didn't answer within {error.timeout:g} s", "look at it by hand, then ask again")
    except OSError as error:
        return HostReport(sent, f"{argv[0]} can't be run: {error.strerror or error}", f"install {argv[0]}")
    answered = answers(ran.out)
    if not answered.is_whole:
        return _unreached(asked, sent, argv, " ".join(ran.said.split()) or f"exit status {ran.code}", ran.code)
    return report_of(answered, asked, sent, time.time())


def _unreached(asked: Asked, sent: float, argv: Sequence[str], said: str, code: int) -> HostReport:
    by_hand = " ".join(argv[:-1]).replace("-o BatchMode=yes ", "").replace(" -T", "") if len(argv) > 1 else ""
    how = "can't be reached" if code == _SSH_FAILED else "stopped answering"
    fix = next((text for sign, text in _FIXES if sign in said.lower()), "make `{by_hand} true` work without a password")
    if not by_hand:
        fix = "run it again"
    words = {"host": asked.host, "by_hand": by_hand, "address": argv[-2] if len(argv) > 1 else ""}
    return HostReport(sent, f"{how}: {said[-_LONGEST:].rstrip('.')}", fix.format(**words))


def report_of(answered: Answers, asked: Asked, sent: float, received: float) -> HostReport:
    """Understand a host's answers; `sent` and `received` are this machine's clock before and after."""
    meminfo = answered.text("meminfo")
    listing = answered.of("nvidia-cards")
    overcommit = answered.text("overcommit").strip()
    used = answered.text(f"used:{asked.hub_volume}").split()
    daemon = reading.daemon(answered.text("docker"), answered.text("docker-version"))
    said = answered.of("docker").said or answered.of("docker-version").said or "docker info says nothing"
    return HostReport(
        asked_at=sent,
        clock_s=_clock(answered, sent, received),
        daemon=daemon,
        daemon_said="" if daemon is not None else " ".join(said.split())[:_LONGEST].rstrip(".?! "),
        docker_root=answered.docker_root,
        containers=reading.containers(answered.text("containers")),
        images={
            name: int(text) for name, text in _texts(answered, "image:").items() if re.fullmatch(r"\d{1,15}", text)
        },
        volumes=frozenset(_texts(answered, "volume:")),
        fetched_bytes=int(used[0]) * 1024 if used and used[0].isdecimal() else None,
        has_hook=bool(answered.text("hook").strip()),
        cards=cards_of(answered),
        card_trouble=" ".join(f"{listing.out} {listing.said}".split())[:200] if listing.code else "",
        card_users=reading.card_users(answered),
        has_kfd=bool(answered.text("kfd").strip()),
        render_nodes=tuple(answered.of("render-files").out.split()),
        device_groups=machine.group_numbers(answered.of("device-groups").out),
        memory_bytes=machine.memory_bytes(meminfo),
        available_bytes=reading.available_bytes(meminfo),
        overcommit=int(overcommit) if overcommit in {"0", "1", "2"} else None,
        disks=_disks(answered),
        directories={name: answer.code == 0 for name, answer in _all(answered, "directory:")},
        listeners=_listeners(answered),
        addresses=reading.addresses(answered.text("addresses")) or None,
        routes=_routes(answered),
        names={name: answer.code == 0 for name, answer in _all(answered, "name:") if answer.is_there},
        reached={name: reading.outcome(answer) for name, answer in _all(answered, "reach:")},
    )


def _disks(answered: Answers) -> dict[str, FileSystem]:
    found = {path: machine.file_system(text) for path, text in _texts(answered, "disk:").items()}
    return {path: place for path, place in found.items() if place is not None}


def _routes(answered: Answers) -> dict[str, str]:
    found = {address: reading.route(answer) for address, answer in _all(answered, "route:")}
    return {address: source for address, source in found.items() if source is not None}


def _listeners(answered: Answers) -> tuple[Listener, ...] | None:
    if answered.of("listeners").code == 0:
        return reading.listeners(answered.text("listeners"))
    printed = answered.of("sockets").out
    return reading.sockets(printed) if printed.strip() else None


def _clock(answered: Answers, sent: float, received: float) -> tuple[float, float] | None:
    """Return how far the host's clock is ahead: it was read between what this machine's clock says before and after.

    The script's own time on the host is no doubt of either clock, so that only the connection's is left.
    """
    first, last = reading.seconds(answered.text("clock")), reading.seconds(answered.text("clock-after"))
    if first is None:
        return None
    took = max(0.0, last - first) if last is not None else 0.0
    return round(first + took - received, 3), round(first - sent, 3)


def _all(answered: Answers, start: str) -> list[tuple[str, Answer]]:
    return [(name.removeprefix(start), one) for name, one in answered.by_name.items() if name.startswith(start)]


def _texts(answered: Answers, start: str) -> dict[str, str]:
    return {name: answer.out.strip("\n") for name, answer in _all(answered, start) if answer.code == 0}
