"""Containers as they were really inspected, and as somebody has changed them."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.drift.containers import compare
from infra.drift.difference import Wins

# Recorded from Docker 20.10, of a stack made by `up`; uploads are compared with the container's files, not with this.
INSPECTED: dict[str, Any] = json.loads((Path(__file__).parent / "inspected.json").read_text())
Changed = Callable[[dict[str, Any]], Any]


def found(instance: str = "litellm", change: Changed = lambda _: None, **now: Any) -> list[tuple[str, str, str, Wins]]:
    case = copy.deepcopy(INSPECTED[instance])
    change(case["seen"])
    return list(compare(case["declared"], case["seen"], case["image"], now or case["image"]))


@pytest.mark.parametrize("instance", sorted(INSPECTED))
def test_what_was_made_as_declared_differs_in_nothing(instance: str) -> None:
    assert found(instance) == []


def put(*path: str, value: Any) -> Changed:
    def change(seen: dict[str, Any]) -> None:
        at = seen
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = value

    return change


def add(*path: str, value: Any) -> Changed:
    def change(seen: dict[str, Any]) -> None:
        at = seen
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = [*(at.get(path[-1]) or []), value]

    return change


NETWORK = "hearth-mine"
CHANGES: dict[str, tuple[Changed, str, Wins]] = {
    "stopped": (put("State", "Status", value="exited"), "state", Wins.DECLARED),
    "paused": (put("State", "Status", value="paused"), "state", Wins.SEEN),
    "unhealthy": (put("State", "Health", "Status", value="unhealthy"), "state", Wins.SEEN),
    "a variable more": (add("Config", "Env", value="MINE=1"), "environment MINE", Wins.SEEN),
    "a variable otherwise": (add("Config", "Env", value="NO_DOCS=False"), "environment NO_DOCS", Wins.SEEN),
    "no variables": (put("Config", "Env", value=["PATH=/bin"]), "environment ", Wins.SEEN),
    "a label": (put("Config", "Labels", "hearth.service", value="x"), "label hearth.service", Wins.SEEN),
    "a label more": (put("Config", "Labels", "mine", value="x"), "label mine", Wins.SEEN),
    "an argument": (add("Config", "Cmd", value="--debug"), "command", Wins.SEEN),
    "restart": (put("HostConfig", "RestartPolicy", "Name", value="no"), "restart policy", Wins.DECLARED),
    "memory": (put("HostConfig", "Memory", value=2**30), "memory limit", Wins.DECLARED),
    "another network": (put("NetworkSettings", "Networks", "x", value={}), "network x", Wins.SEEN),
    "no alias": (put("NetworkSettings", "Networks", NETWORK, value={}), f"network {NETWORK}", Wins.SEEN),
    "no network": (put("NetworkSettings", "Networks", value={}), f"network {NETWORK}", Wins.SEEN),
    "a directory": (
        add("Mounts", value={"Type": "bind", "Source": "/etc", "Destination": "/x", "RW": False}),
        "mount /x",
        Wins.SEEN,
    ),
    "a port": (
        put("HostConfig", "PortBindings", value={"4000/tcp": [{"HostIp": "", "HostPort": "4000"}]}),
        "published ports",
        Wins.SEEN,
    ),
    "cores": (put("HostConfig", "NanoCpus", value=1_500_000_000), "cores", Wins.DECLARED),
    "a core set": (put("HostConfig", "CpusetCpus", value="0"), "core set", Wins.DECLARED),
    "shares": (put("HostConfig", "CpuShares", value=10), "core shares", Wins.SEEN),
    "a quota": (put("HostConfig", "CpuQuota", value=5000), "core quota", Wins.SEEN),
    "processes": (put("HostConfig", "PidsLimit", value=50), "process limit", Wins.SEEN),
    "a reservation": (put("HostConfig", "MemoryReservation", value=2**20), "memory reservation", Wins.SEEN),
    "a user": (put("Config", "User", value="1000"), "user", Wins.SEEN),
    "a directory to work in": (put("Config", "WorkingDir", value="/x"), "working directory", Wins.SEEN),
    "a hostname": (put("Config", "Hostname", value="x"), "hostname", Wins.SEEN),
    "no init": (put("HostConfig", "Init", value=None), "init", Wins.SEEN),
    "the host's IPC": (put("HostConfig", "IpcMode", value="host"), "IPC namespace", Wins.SEEN),
    "the host's processes": (put("HostConfig", "PidMode", value="host"), "PID namespace", Wins.SEEN),
    "a stop time-out": (put("Config", "StopTimeout", value=1), "stop time-out", Wins.SEEN),
    "a log driver": (put("HostConfig", "LogConfig", value={"Type": "journald", "Config": {}}), "log driver", Wins.SEEN),
    "shared memory": (put("HostConfig", "ShmSize", value=2**30), "shared memory", Wins.SEEN),
    "an open profile": (
        put("HostConfig", "SecurityOpt", value=["seccomp:unconfined"]),
        "security options",
        Wins.SEEN,
    ),
    "a device": (put("HostConfig", "Devices", value=[{"PathOnHost": "/dev/kfd"}]), "devices", Wins.SEEN),
    "another name's address": (put("HostConfig", "ExtraHosts", value=["x:1.2.3.4"]), "names of other hosts", Wins.SEEN),
    "no health check": (put("Config", "Healthcheck", value={"Test": ["NONE"]}), "health check", Wins.SEEN),
    "rarer health checks": (put("Config", "Healthcheck", "Interval", value=10**12), "health check", Wins.SEEN),
    "a name more": (
        put("NetworkSettings", "Networks", NETWORK, "Aliases", value=["litellm", "mine"]),
        f"network {NETWORK}",
        Wins.SEEN,
    ),
    "cards": (add("HostConfig", "DeviceRequests", value={"DeviceIDs": None}), "cards", Wins.SEEN),
    "a right": (add("HostConfig", "CapAdd", value="CAP_SYS_ADMIN"), "privileges", Wins.SEEN),
    "privileged": (put("HostConfig", "Privileged", value=True), "privileges", Wins.SEEN),
}


@pytest.mark.parametrize("name", CHANGES)
def test_each_change_is_told_by_its_own_name_alone(name: str) -> None:
    change, aspect, wins = CHANGES[name]
    told = found(change=change)
    assert told
    assert all(one[0].startswith(aspect) and one[3] is wins for one in told)
    assert name == "no variables" or len(told) == 1


def test_an_undeclared_variable_is_told_without_its_value() -> None:
    ((_, declared, seen, _),) = found(change=add("Config", "Env", value="MY_TOKEN=very secret"))
    assert (declared, seen) == ("-", "set")


def test_a_tag_that_means_another_image_by_now_is_told_with_both() -> None:
    ((aspect, declared, seen, wins),) = found(Id="sha256:0123456789abcdef")
    assert (aspect, wins) == ("image", Wins.DECLARED)
    assert "0123456789ab" in declared
    assert seen == INSPECTED["litellm"]["seen"]["Image"].removeprefix("sha256:")[:12]


def test_a_step_that_has_ended_well_is_as_declared() -> None:
    case = copy.deepcopy(INSPECTED["litellm"])
    case["declared"]["must_run"] = False
    case["seen"]["State"] |= {"Status": "exited", "ExitCode": 0}
    assert list(compare(case["declared"], case["seen"], case["image"], case["image"])) == []
    case["seen"]["State"]["ExitCode"] = 1
    (told,) = compare(case["declared"], case["seen"], case["image"], case["image"])
    assert told[:3] == ("state", "ended well", "ended with code 1")
