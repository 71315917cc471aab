"""How a container's inputs look to the daemon, and back."""

from typing import Any

from .properties import Inspect
from .shapes import duration, nanoseconds
from .values import Properties

MIB = 1 << 20

Item = dict[str, Any]


def ports_to(body: Item, ports: list[Item]) -> None:
    """Exposed and published ports."""
    for port in ports:
        key = f"{port['internal']}/{port.get('protocol') or 'tcp'}"
        body.setdefault("ExposedPorts", {})[key] = {}
        external = port.get("external")
        binding = {"HostIp": port.get("ip") or "0.0.0.0", "HostPort": str(external) if external else ""}  # noqa: S104 - Docker's default
        body["HostConfig"].setdefault("PortBindings", {}).setdefault(key, []).append(binding)


def ports_back(seen: Inspect, known: Properties) -> list[Item] | None:
    """What is really published. Nothing is while the container is stopped, unless it may be."""
    if not seen["State"]["Running"] and not known.get("mustRun", True):
        return known.get("ports")
    published = (seen.get("NetworkSettings") or {}).get("Ports") or {}
    found = []
    for key, bindings in published.items():
        internal, _, protocol = key.partition("/")
        for binding in bindings or []:
            external = int(binding["HostPort"])
            found.append(
                {"internal": int(internal), "external": external, "ip": binding["HostIp"], "protocol": protocol}
            )
    return sorted(found, key=lambda port: (port["internal"], port["external"]))


def same_ports(new: list[Item], old: list[Item]) -> bool:
    """Whether the published ports are the wanted ones; a port without `external` is content with the one that Docker chose."""

    def key(port: Item, *, external: bool) -> tuple[Any, ...]:
        where = port.get("ip") or "0.0.0.0"  # noqa: S104 - Docker's default
        return port["internal"], port.get("protocol") or "tcp", where, port.get("external") if external else None

    chosen = {(port["internal"], port.get("protocol") or "tcp"): bool(port.get("external")) for port in new}

    def keys(ports: list[Item]) -> list[tuple[Any, ...]]:
        return sorted(
            (key(port, external=chosen.get((port["internal"], port.get("protocol") or "tcp"), True)) for port in ports),
            key=repr,
        )

    return keys(new) == keys(old)


def volumes_to(body: Item, volumes: list[Item]) -> None:
    """Volumes and host folders as binds."""
    for volume in volumes:
        path = volume["containerPath"]
        body.setdefault("Volumes", {})[path] = {}
        source = volume.get("hostPath") or volume.get("volumeName")
        if source:
            body["HostConfig"].setdefault("Binds", []).append(
                f"{source}:{path}:{'ro' if volume.get('readOnly') else 'rw'}"
            )


_MOUNT_OPTIONS = {
    "bindOptions": ("BindOptions", {"propagation": "Propagation"}),
    "volumeOptions": ("VolumeOptions", {"noCopy": "NoCopy", "subpath": "Subpath"}),
    "tmpfsOptions": ("TmpfsOptions", {"sizeBytes": "SizeBytes", "mode": "Mode"}),
}


def mounts_to(mounts: list[Item]) -> list[Item]:
    """Mounts for the daemon."""
    made = []
    for mount in mounts:
        one: Item = {
            "Target": mount["target"],
            "Type": mount["type"],
            "Source": mount.get("source", ""),
            "ReadOnly": bool(mount.get("readOnly")),
        }
        for ours, (theirs, keys) in _MOUNT_OPTIONS.items():
            if mount.get(ours):
                one[theirs] = {keys[key]: value for key, value in mount[ours].items() if value}
        made.append(one)
    return made


def mounts_back(mounts: list[Item]) -> list[Item]:
    """Mounts as the schema has them."""
    found = []
    for mount in mounts:
        one: Item = {
            "target": mount["Target"],
            "type": mount["Type"],
            "source": mount.get("Source", ""),
            "readOnly": mount.get("ReadOnly", False),
        }
        for ours, (theirs, keys) in _MOUNT_OPTIONS.items():
            options = {
                key: mount[theirs][name] for key, name in keys.items() if mount.get(theirs) and mount[theirs].get(name)
            }
            if options:
                one[ours] = options
        found.append(one)
    return found


def hosts_to(hosts: list[Item]) -> list[str]:
    """Extra lines of /etc/hosts."""
    return [f"{host['host']}:{host['ip']}" for host in hosts]


def hosts_back(hosts: list[str]) -> list[Item]:
    """Extra lines of /etc/hosts as the schema has them."""
    return [{"host": name, "ip": address} for name, _, address in (host.partition(":") for host in hosts)]


def ulimits_to(ulimits: list[Item]) -> list[Item]:
    """Limits for the daemon."""
    return [{"Name": limit["name"], "Soft": limit["soft"], "Hard": limit["hard"]} for limit in ulimits]


def ulimits_back(ulimits: list[Item]) -> list[Item]:
    """Limits as the schema has them."""
    return [{"name": limit["Name"], "soft": limit["Soft"], "hard": limit["Hard"]} for limit in ulimits]


def capabilities_to(body: Item, capabilities: Item) -> None:
    """Added and dropped capabilities."""
    for ours, theirs in (("adds", "CapAdd"), ("drops", "CapDrop")):
        body["HostConfig"][theirs] = [capability(name) for name in capabilities.get(ours) or []]


def capabilities_back(seen: Inspect, _known: Properties) -> Item | None:
    """Added and dropped capabilities as the schema has them."""
    adds, drops = seen["HostConfig"].get("CapAdd") or [], seen["HostConfig"].get("CapDrop") or []
    return {"adds": adds, "drops": drops} if adds or drops else None


def capability(name: str) -> str:
    """A capability by the name that the kernel has for it, whatever prefix or case was written."""
    upper = name.upper()
    return upper if upper == "ALL" or upper.startswith("CAP_") else "CAP_" + upper


def devices_to(devices: list[Item]) -> list[Item]:
    """Devices for the daemon."""
    return [
        {
            "PathOnHost": device["hostPath"],
            "PathInContainer": device.get("containerPath") or device["hostPath"],
            "CgroupPermissions": device.get("permissions") or "rwm",
        }
        for device in devices
    ]


def devices_back(seen: Inspect, known: Properties) -> list[Item]:
    """Devices as the schema has them; the path inside only where it was asked for."""
    asked = {device["hostPath"] for device in known.get("devices") or [] if device.get("containerPath")}
    found = []
    for device in seen["HostConfig"].get("Devices") or []:
        one = {"hostPath": device["PathOnHost"], "permissions": device["CgroupPermissions"]}
        if device["PathOnHost"] in asked:
            one["containerPath"] = device["PathInContainer"]
        found.append(one)
    return found


def device_requests_to(requests: list[Item]) -> list[Item]:
    """Device requests for the daemon."""
    return [
        {
            "Driver": request.get("driver") or "cdi",
            "Count": request.get("count", 0),
            "DeviceIDs": request.get("deviceIds") or [],
            "Capabilities": [request.get("capabilities") or []],
            "Options": request.get("options") or {},
        }
        for request in requests
    ]


def device_requests_back(requests: list[Item]) -> list[Item]:
    """Device requests as the schema has them."""
    return [
        {
            "driver": request["Driver"],
            "count": request["Count"],
            "deviceIds": request.get("DeviceIDs") or [],
            "capabilities": [name for group in request.get("Capabilities") or [] for name in group],
            "options": request.get("Options") or {},
        }
        for request in requests
    ]


def gpus_to(gpus: str) -> list[Item]:
    """`all`, a count, or `device=GPU-…` as docker run has them."""
    request: Item = {"Driver": "", "Count": 0, "Capabilities": [["gpu"]], "Options": {}}
    if gpus == "all":
        request["Count"] = -1
    elif gpus.isdecimal():
        request["Count"] = int(gpus)
    else:
        request["DeviceIDs"] = [gpus.removeprefix("device=")]
    return [request]


def gpus_back(seen: Inspect, known: Properties) -> str | None:
    """The same notation; what it can't say stays as it was asked for."""
    requests = seen["HostConfig"].get("DeviceRequests") or []
    if not requests:
        return None
    if len(requests) == 1 and requests[0].get("DeviceIDs"):
        return "device=" + ",".join(requests[0]["DeviceIDs"])
    if len(requests) == 1 and requests[0].get("Count") == -1:
        return "all"
    return known.get("gpus")


_HEALTH_TIMES = {
    "interval": "Interval",
    "timeout": "Timeout",
    "startPeriod": "StartPeriod",
    "startInterval": "StartInterval",
}


def health_to(health: Item) -> Item:
    """A health check for the daemon."""
    made: Item = {theirs: nanoseconds(health[ours]) for ours, theirs in _HEALTH_TIMES.items() if health.get(ours)}
    return made | {"Test": health.get("tests") or [], "Retries": health.get("retries", 0)}


def health_back(health: Item) -> Item:
    """A health check as the schema has it."""
    found: Item = {ours: duration(health.get(theirs, 0)) for ours, theirs in _HEALTH_TIMES.items()}
    return found | {"tests": health.get("Test") or [], "retries": health.get("Retries", 0)}


def cpus_to(cpus: str) -> int:
    """Processors as billionths."""
    return nanoseconds(cpus + "s")


def cpus_back(nano: int) -> str | None:
    """Billionths as processors."""
    return duration_number(nano) if nano else None


def duration_number(nano: int) -> str:
    """Billionths as a decimal number without trailing zeros."""
    whole, rest = divmod(nano, 1_000_000_000)
    return f"{whole}.{rest:09d}".rstrip("0").rstrip(".")


def swap_to(megabytes: int) -> int:
    """Memory with swap; -1 is no limit."""
    return megabytes * MIB if megabytes > 0 else megabytes


def swap_back(seen: Inspect, known: Properties) -> int | None:
    """Memory with swap; the daemon's own choice (none, or twice the memory) reads as not set, unless it was asked for."""
    bound = int(seen["HostConfig"].get("MemorySwap") or 0)
    own_choice = bound <= 0 or bound == 2 * int(seen["HostConfig"].get("Memory") or 0)
    if not known.get("memorySwap") and own_choice:
        return None
    return bound // MIB if bound > 0 else bound


def image_back(seen: Inspect, known: Properties) -> str:
    """The image by its id where it was asked for by id, else by the name it was asked for."""
    return str(seen["Image"] if str(known.get("image", "")).startswith("sha256:") else seen["Config"]["Image"])


def ipc_back(seen: Inspect, known: Properties) -> str | None:
    """The ipc mode; another container's is asked for by name, but kept by id."""
    mode = seen["HostConfig"].get("IpcMode")
    asked = str(known.get("ipcMode", ""))
    return asked if asked.startswith("container:") and str(mode).startswith("container:") else mode


def networks_back(seen: Inspect, _known: Properties) -> list[Item]:
    """Where the container is reached, per network."""
    networks = (seen.get("NetworkSettings") or {}).get("Networks") or {}
    return [
        {
            "networkName": name,
            "ipAddress": network.get("IPAddress", ""),
            "ipPrefixLength": network.get("IPPrefixLen", 0),
            "gateway": network.get("Gateway", ""),
            "globalIpv6Address": network.get("GlobalIPv6Address", ""),
            "globalIpv6PrefixLength": network.get("GlobalIPv6PrefixLen", 0),
            "ipv6Gateway": network.get("IPv6Gateway", ""),
            "macAddress": network.get("MacAddress", ""),
        }
        for name, network in sorted(networks.items())
    ]


def upload_mode(upload: Item) -> int:
    """The file mode of an upload."""
    if upload.get("permissions"):
        return int(upload["permissions"], 8)
    return 0o744 if upload.get("executable") else 0o644
