"""What Docker makes of a container's arguments, with all that it adds, reorders and writes otherwise."""

from __future__ import annotations

import random
import re
from typing import Any, Final

IMAGE: Final[dict[str, Any]] = {
    "Id": "sha256:" + "1f" * 32,
    "Config": {
        "Env": ["PATH=/usr/local/bin:/usr/bin", "LANG=C.UTF-8", "VERSION=1.2=3"],
        "Labels": {"org.opencontainers.image.version": "1.2"},
        "User": "65534",
        "WorkingDir": "/srv",
        "Volumes": {"/var/lib/thing": {}},
        "Healthcheck": {"Test": ["CMD-SHELL", "true"], "Interval": 30_000_000_000},
    },
}
_CONTAINER_ID: Final = "c0ffee" * 10 + "c0ff"
_UNITS_S: Final = {"h": 3600, "m": 60, "s": 1}


def made(arguments: dict[str, Any], image: dict[str, Any] = IMAGE, seed: int = 0) -> dict[str, Any]:
    """Return the container as Docker 20.10 inspects it while it runs."""
    base = image["Config"]
    declared = dict(entry.split("=", 1) for entry in arguments["envs"])
    environment = [f"{key}={value}" for key, value in declared.items()]
    environment += [entry for entry in base["Env"] if entry.split("=", 1)[0] not in declared]
    random.Random(seed).shuffle(environment)  # noqa: S311 - an order, no secret
    labels = {**base["Labels"], **{one["label"]: one["value"] for one in arguments["labels"]}}
    return {
        "Id": _CONTAINER_ID,
        "Image": image["Id"],
        "State": {"Status": "running", "Running": True, "Paused": False, "Restarting": False, "ExitCode": 0},
        "Config": {
            "Env": environment,
            "Labels": dict(sorted(labels.items(), reverse=True)),
            "Entrypoint": arguments["entrypoints"],
            "Cmd": arguments["command"] or None,
            "User": base["User"],
            "WorkingDir": base["WorkingDir"],
            "Hostname": arguments["hostname"],
            "StopTimeout": arguments["stop_timeout"],
            "Healthcheck": _health_check(arguments.get("healthcheck"), base.get("Healthcheck")),
        },
        "HostConfig": _host(arguments),
        "Mounts": [*_mounts(arguments), _anonymous()],
        "NetworkSettings": {"Networks": {one["name"]: _attached(one) for one in arguments["networks_advanced"]}},
    }


def _host(arguments: dict[str, Any]) -> dict[str, Any]:
    capabilities = (arguments.get("capabilities") or {}).get("adds")
    requests = [
        {
            "Driver": one["driver"],
            "Count": 0,
            "DeviceIDs": one["device_ids"],
            "Capabilities": [one.get("capabilities", [])],
        }
        for one in arguments.get("device_requests", ())
    ]
    return {
        "RestartPolicy": {
            "Name": arguments["restart"],
            "MaximumRetryCount": arguments.get("max_retry_count", 0),
        },
        "Memory": arguments.get("memory", 0) * 2**20,
        # A kernel that doesn't count swap has -1 where there is a limit.
        "MemorySwap": -1 if "memory" in arguments else 0,
        "NanoCpus": 0,
        "CpusetCpus": arguments.get("cpu_set", ""),
        "PidsLimit": None,
        "BlkioWeight": 0,
        "PortBindings": {
            f"{one['internal']}/{one['protocol']}": [{"HostIp": one["ip"], "HostPort": str(one["external"])}]
            for one in arguments["ports"]
        }
        or None,
        "CapAdd": capabilities,
        "CapDrop": None,
        "Privileged": False,
        "DeviceRequests": requests or None,
        "Devices": [
            {"PathOnHost": one["host_path"], "PathInContainer": one["container_path"], "CgroupPermissions": "rwm"}
            for one in arguments.get("devices", ())
        ],
        "GroupAdd": arguments.get("group_adds"),
        "SecurityOpt": arguments.get("security_opts"),
        "Init": arguments["init"],
        "IpcMode": arguments["ipc_mode"],
        "PidMode": "",
        "LogConfig": {"Type": arguments["log_driver"], "Config": dict(arguments["log_opts"])},
        "ShmSize": arguments["shm_size"] * 2**20,
        "Runtime": arguments.get("runtime", "runc"),
        "ReadonlyRootfs": False,
        # What the daemon's configuration gives every container.
        "Ulimits": [{"Name": "nofile", "Hard": 65536, "Soft": 65536}],
    }


def _health_check(check: dict[str, Any] | None, of_image: Any) -> Any:
    if check is None:
        return of_image
    return {
        "Test": check["tests"],
        "Interval": _ns(check["interval"]),
        "Timeout": _ns(check["timeout"]),
        "StartPeriod": _ns(check["start_period"]),
        "Retries": check["retries"],
    }


def _ns(text: str) -> int:
    return sum(int(number) * _UNITS_S[unit] for number, unit in re.findall(r"(\d+)([hms])", text)) * 10**9


def _mounts(arguments: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "Type": "volume" if "volume_name" in mount else "bind",
            **({"Name": mount["volume_name"]} if "volume_name" in mount else {}),
            "Source": mount.get("host_path", "/var/lib/docker/volumes/x/_data"),
            "Destination": mount["container_path"],
            "RW": not mount.get("read_only"),
        }
        for mount in reversed(arguments["volumes"])
    ]


def _anonymous() -> dict[str, Any]:
    return {"Type": "volume", "Name": "ab" * 32, "Destination": "/var/lib/thing", "RW": True}


def _attached(network: dict[str, Any]) -> dict[str, Any]:
    return {"Aliases": [_CONTAINER_ID[:12], *reversed(network["aliases"])], "IPAddress": "172.18.0.5"}
