"""How a container was made, and the limits that `docker update` changes: pure, as in containers.

Docker's defaults are written out, so that what nobody asked for is found; what the daemon's own configuration may add to
every container (ulimits, a default runtime) is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from infra.drift.difference import Wins
from infra.drift.look import NOTHING, Arguments, Found, Inspected

_MIB: Final = 2**20
_UNITS_NS: Final = {"h": 3_600_000_000_000, "m": 60_000_000_000, "s": 1_000_000_000}
# Docker's word for an argument that isn't there.
_UNLIMITED: Final = -1


def memory(declared: Arguments, seen: Inspected, _: Inspected) -> Iterator[Found]:
    """The RAM limit and, with it, that of swap, in MiB."""
    host = seen["HostConfig"]
    wanted, there = declared.get("memory", 0), host.get("Memory", 0) // _MIB
    swap, swap_there = declared.get("memory_swap", 0), host.get("MemorySwap", 0)
    # A kernel that doesn't account for swap has no limit, whatever was asked for.
    differs = swap_there not in {_UNLIMITED, swap * _MIB} and wanted == there
    if wanted != there or differs:
        more = (f" ({_mib(swap)} with swap)", f" ({_mib(swap_there // _MIB)} with swap)") if differs else ("", "")
        yield "memory limit", _mib(wanted) + more[0], _mib(there) + more[1], Wins.DECLARED


def limits(declared: Arguments, seen: Inspected, _: Inspected) -> Iterator[Found]:
    """Cores, shares of them, processes and disk: what `docker update` changes without a trace."""
    host = seen["HostConfig"]
    wanted_cores, cores = float(declared.get("cpus", 0)), (host.get("NanoCpus") or 0) / 1e9
    rows: tuple[tuple[str, Any, Any, Wins], ...] = (
        ("cores", wanted_cores, cores, Wins.DECLARED),
        ("core set", declared.get("cpu_set", ""), host.get("CpusetCpus", ""), Wins.DECLARED),
        ("core shares", 0, host.get("CpuShares", 0), Wins.SEEN),
        ("core quota", 0, host.get("CpuQuota", 0), Wins.SEEN),
        ("memory nodes", "", host.get("CpusetMems", ""), Wins.SEEN),
        ("memory reservation", 0, host.get("MemoryReservation", 0), Wins.SEEN),
        ("process limit", 0, max(host.get("PidsLimit") or 0, 0), Wins.SEEN),
        ("disk weight", 0, host.get("BlkioWeight") or 0, Wins.SEEN),
    )
    for aspect, wanted, there, wins in rows:
        if (wanted or 0) != (there or 0):
            yield aspect, _shown(wanted), _shown(there), wins


def form(declared: Arguments, seen: Inspected, image: Inspected) -> Iterator[Found]:
    """What only a container that is made anew can have otherwise."""
    config, host = seen["Config"], seen["HostConfig"]
    base: Mapping[str, Any] = image.get("Config") or {}
    rows: list[tuple[str, Any, Any]] = [
        ("user", base.get("User") or "", config.get("User") or ""),
        ("working directory", base.get("WorkingDir") or "", config.get("WorkingDir") or ""),
        ("hostname", declared["hostname"], config.get("Hostname")),
        ("init", declared["init"], bool(host.get("Init"))),
        ("IPC namespace", declared["ipc_mode"], host.get("IpcMode")),
        ("PID namespace", "", host.get("PidMode") or ""),
        ("stop time-out", declared["stop_timeout"], config.get("StopTimeout")),
        ("log driver", (declared["log_driver"], declared["log_opts"]), _log(host)),
        ("shared memory", _mib(declared["shm_size"]), _mib((host.get("ShmSize") or 0) // _MIB)),
        ("security options", _options(declared.get("security_opts")), _options(host.get("SecurityOpt"))),
        ("groups", sorted(declared.get("group_adds", ())), sorted(host.get("GroupAdd") or ())),
        ("rights dropped", [], sorted(host.get("CapDrop") or ())),
        ("read-only", False, bool(host.get("ReadonlyRootfs"))),
        ("names of other hosts", [], sorted(host.get("ExtraHosts") or ())),
        ("name servers", [], list(host.get("Dns") or ())),
        ("devices", sorted(one["host_path"] for one in declared.get("devices", ())), _devices(host)),
    ]
    if "runtime" in declared:
        rows.append(("runtime", declared["runtime"], host.get("Runtime")))
    for aspect, wanted, there in rows:
        if wanted != there:
            yield aspect, _shown(wanted), _shown(there), Wins.SEEN
    yield from _health_check(declared.get("healthcheck"), base.get("Healthcheck"), config.get("Healthcheck"))


def _health_check(wanted: Mapping[str, Any] | None, of_image: Any, there: Any) -> Iterator[Found]:
    """A container without a health check of its own has its image's."""
    there = there or {}
    expected = _api_words(wanted) if wanted is not None else dict(of_image or {})
    if any(value != there.get(key) for key, value in expected.items()) or bool(expected) != bool(there):
        told = [" ".join(one.get("Test") or ()) or NOTHING for one in (expected, there)]
        if told[0] == told[1]:
            told = [_times(one) for one in (expected, there)]
        yield "health check", told[0], told[1], Wins.SEEN


def _api_words(check: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "Test": check["tests"],
        "Interval": _ns(check["interval"]),
        "Timeout": _ns(check["timeout"]),
        "StartPeriod": _ns(check["start_period"]),
        "Retries": check["retries"],
    }


def _times(check: Mapping[str, Any]) -> str:
    every, limit, first = ((check.get(key) or 0) / 1e9 for key in ("Interval", "Timeout", "StartPeriod"))
    return f"every {every:g} s for {limit:g} s, {check.get('Retries')} tries, after {first:g} s"


def _ns(duration: str) -> int:
    return sum(int(number) * _UNITS_NS[unit] for number, unit in re.findall(r"(\d+)([hms])", duration))


def _log(host: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    config = host.get("LogConfig") or {}
    return config.get("Type", ""), dict(config.get("Config") or {})


def _options(options: Any) -> list[str]:
    # Docker writes the older sign of some.
    return sorted(str(option).replace(":", "=", 1) for option in options or ())


def _devices(host: Mapping[str, Any]) -> list[str]:
    return sorted(one["PathOnHost"] for one in host.get("Devices") or ())


def _mib(size_mib: int) -> str:
    return f"{size_mib} MiB" if size_mib else "none"


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        kind, options = value
        return " ".join([kind, *(f"{key}={options[key]}" for key in sorted(options))])
    if isinstance(value, list):
        return ", ".join(value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}" if value else "none"
    return str(value) if value else "none"
