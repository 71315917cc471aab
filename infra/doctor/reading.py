"""What a host's commands print, read. Pure, and never raises for what a host says."""

from __future__ import annotations

import json
import re
import socket
from ipaddress import IPv6Address, ip_address
from typing import Any, Final

from infra.doctor.report import CardUser, Daemon, Listener, Outcome, Running
from infra.facts.script import Answer, Answers

_MIB: Final = 2**20
_TIMED_OUT: Final = 124
_COLUMNS: Final = 4
_ID: Final = re.compile(r"[0-9a-f]{64}")
_LISTENS: Final = "0A"


def daemon(info: str, version: str) -> Daemon | None:
    """Read `docker info` and the server's half of `docker version`, both as JSON; None when no daemon answered."""
    said, server = _object(info), _object(version)
    name = said.get("ServerVersion")
    if not isinstance(name, str) or not name:
        return None
    devices = said.get("DiscoveredDevices")
    runtimes = said.get("Runtimes")
    registries = said.get("RegistryConfig")
    return Daemon(
        version=name,
        api=str(server.get("ApiVersion") or ""),
        runtimes=tuple(sorted(map(str, runtimes))) if isinstance(runtimes, dict) else (),
        cdi_devices=tuple(
            sorted(str(one.get("ID")) for one in devices if isinstance(one, dict) and one.get("Source", "cdi") == "cdi")
        )
        if isinstance(devices, list)
        else (),
        reads_cdi=bool(said.get("CDISpecDirs")),
        cgroup_driver=str(said.get("CgroupDriver") or ""),
        cgroup_version=str(said.get("CgroupVersion") or ""),
        limits_memory=said.get("MemoryLimit") is not False,
        limits_swap=said.get("SwapLimit") is not False,
        has_cpu_sets=said.get("CPUSet") is not False,
        has_proxy=bool(said.get("HttpsProxy")),
        has_mirror=bool(isinstance(registries, dict) and registries.get("Mirrors")),
        cores=said["NCPU"] if isinstance(said.get("NCPU"), int) else None,
    )


def containers(printed: str) -> tuple[Running, ...]:
    """Read `docker ps` in the script's form: id, stack, instance, name and ports, with tabs between."""
    rows = (line.split("\t") for line in printed.splitlines() if line.strip())
    return tuple(
        Running(row[0], row[1], row[2], row[3], _published("".join(row[4:]))) for row in rows if len(row) >= _COLUMNS
    )


def _published(text: str) -> tuple[tuple[str, int], ...]:
    """Read `127.0.0.1:9090->9090/tcp, :::80->80/tcp, 5000/tcp`: what the host listens on."""
    found = []
    for part in text.split(", "):
        match = re.fullmatch(r"(.*):(\d+)(?:-(\d+))?->.*/tcp", part.strip())
        if match:
            first, last = int(match[2]), int(match[3] or match[2])
            found += [(match[1].strip("[]"), port) for port in range(first, min(last, 65535) + 1)]
    return tuple(found)


def listeners(printed: str) -> tuple[Listener, ...]:
    """Read `ss -Hltnp`: the fourth column is address and port, what follows `users:((` the program."""
    found = []
    for line in printed.splitlines():
        words = line.split()
        if len(words) > _COLUMNS and words[0] == "LISTEN":
            address, _, port = words[3].rpartition(":")
            program = re.search(r'users:\(\("([^"]*)"', line)
            if port.isdecimal():
                found.append(Listener(_plain(address), int(port), program[1] if program else ""))
    return tuple(found)


def sockets(printed: str) -> tuple[Listener, ...]:
    """Read /proc/net/tcp and tcp6, where a host has no ss: address and port in hexadecimal, 0A for one that listens."""
    found = []
    for line in printed.splitlines():
        words = line.split()
        match = re.fullmatch(r"([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4})", words[1]) if len(words) > _COLUMNS else None
        if match and words[3] == _LISTENS:
            # Each word of four bytes stands in the host's own order: little-endian on everything that Docker runs on.
            raw = bytes.fromhex(match[1])
            raw = b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4))
            family = socket.AF_INET6 if len(raw) > _COLUMNS else socket.AF_INET
            found.append(Listener(_plain(socket.inet_ntop(family, raw)), int(match[2], 16)))
    return tuple(dict.fromkeys(found))


def _plain(address: str) -> str:
    """Return an address without brackets and interface; an IPv4 address that an IPv6 socket has as IPv4."""
    bare = address.strip("[]").partition("%")[0]
    if bare == "*":
        return "::"
    try:
        parsed = ip_address(bare)
    except ValueError:
        return bare
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return str(mapped or parsed)


def addresses(printed: str) -> tuple[str, ...]:
    """Read `ip -o addr`: every address of the host."""
    return tuple(dict.fromkeys(re.findall(r" inet6? ([0-9a-f.:]+)(?:/\d+)?", printed)))


def route(answer: Answer) -> str | None:
    """Read `ip -o route get ADDRESS`: where a packet comes from, empty without a way; None where nobody can tell."""
    if not answer.is_there:
        return None
    match = re.search(r"\bsrc ([0-9a-f.:]+)", answer.out)
    return match[1] if match and answer.code == 0 else ""


def outcome(answer: Answer) -> Outcome:
    """Say what came of a connection, from what bash said of it."""
    if answer.code == 0:
        return "open"
    if answer.code == _TIMED_OUT or "timed out" in answer.said:
        return "silent"
    if "refused" in answer.said:
        return "refused"
    return "no-way" if "route" in answer.said or "unreachable" in answer.said else "unknown"


def card_users(answered: Answers) -> tuple[CardUser, ...]:
    """Return who is on the cards: nvidia-smi's compute processes, and those of AMD's kernel driver."""
    found = []
    for line in answered.text("card-users").splitlines():
        words = [word.strip() for word in line.split(",")]
        if len(words) >= _COLUMNS and words[1].isdecimal():
            # A program's name may have commas.
            program, memory = ",".join(words[2:-1]), words[-1]
            size = int(memory) * _MIB if memory.isdecimal() else None
            found.append(CardUser(int(words[1]), program, size, words[0], _container(answered, words[1])))
    memory_of: dict[str, int] = {}
    for pid, size in re.findall(r"/kfd/proc/(\d+)/vram_\d+:(\d+)", answered.of("kfd-users").out):
        memory_of[pid] = memory_of.get(pid, 0) + int(size)
    found += [
        CardUser(int(pid), "", size, "", _container(answered, pid)) for pid, size in memory_of.items() if size > 0
    ]
    return tuple(found)


def _container(answered: Answers, pid: str) -> str:
    match = _ID.search(answered.of(f"cgroup:{pid}").out)
    return match[0] if match else ""


def available_bytes(meminfo: str) -> int | None:
    """Read MemAvailable of /proc/meminfo: what could be had without swapping."""
    match = re.search(r"^MemAvailable:\s*(\d{1,15}) kB", meminfo, re.MULTILINE)
    return int(match[1]) * 1024 if match else None


def seconds(printed: str) -> float | None:
    """Read `date +%s.%N`; a small date leaves %N as it is."""
    match = re.match(r"\s*(\d{9,11})(?:\.(\d{1,9}))?", printed)
    return float(f"{match[1]}.{match[2] or 5}") if match else None


def _object(printed: str) -> dict[str, Any]:
    try:
        data = json.loads(printed)
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}
