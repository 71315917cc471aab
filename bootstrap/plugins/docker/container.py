"""docker:index/container:Container: the table. What happens in time is in container_life."""

from collections.abc import Mapping
from typing import Any

from . import container_forms as forms
from .container_life import ContainerLife
from .network import labels_to
from .properties import Inspect, Property, Rule, at
from .shapes import (
    DURATION,
    FLAG,
    LABELS,
    NATURAL,
    NUMBER_TEXT,
    SET,
    TEXT,
    TEXTS,
    WHOLE,
    WORDS,
    ListOf,
    Record,
    Scalar,
    Shape,
    text,
)
from .values import Properties

# The official plugin takes only the first of several devices here; deviceRequests take them all.
_GPUS = text(r"all|\d+|device=[^,]+")
_MODE = text("0[0-7]{3}")
_FILLED = text("(?s).+")  # the official plugin refuses empty words and files

_PORT = Record(
    {"internal": WHOLE, "external": WHOLE, "ip": TEXT, "protocol": text("tcp|udp|sctp")},
    required=("internal",),
    defaults={"ip": "0.0.0.0", "protocol": "tcp"},  # noqa: S104 - Docker's default
)
_ENDPOINT = Record({"name": TEXT, "aliases": SET, "ipv4Address": TEXT}, required=("name",))
_NETWORK_DATA = Record(
    {
        "networkName": TEXT,
        "ipAddress": TEXT,
        "ipPrefixLength": WHOLE,
        "gateway": TEXT,
        "globalIpv6Address": TEXT,
        "globalIpv6PrefixLength": WHOLE,
        "ipv6Gateway": TEXT,
        "macAddress": TEXT,
    }
)
_HOST = Record({"host": TEXT, "ip": TEXT}, required=("host", "ip"))
_VOLUME = Record(
    {"containerPath": TEXT, "hostPath": text("/.*"), "volumeName": TEXT, "readOnly": FLAG}, required=("containerPath",)
)
_MOUNT = Record(
    {
        "target": TEXT,
        "type": text("bind|volume|tmpfs"),
        "source": TEXT,
        "readOnly": FLAG,
        "bindOptions": Record({"propagation": text("r?(private|shared|slave)")}),
        "volumeOptions": Record({"noCopy": FLAG, "subpath": TEXT}),
        "tmpfsOptions": Record({"sizeBytes": WHOLE, "mode": WHOLE}),
    },
    required=("target", "type"),
)
_UPLOAD = Record(
    {"file": TEXT, "content": _FILLED, "executable": FLAG, "permissions": _MODE},
    required=("file", "content"),
    defaults={"executable": False},
)
_HEALTH = Record(
    {
        "tests": WORDS,
        "interval": DURATION,
        "timeout": DURATION,
        "startPeriod": DURATION,
        "startInterval": DURATION,
        "retries": NATURAL,
    },
    defaults={"interval": "0s", "timeout": "0s", "startPeriod": "0s", "startInterval": "0s", "retries": 0},
)
_ULIMIT = Record({"name": TEXT, "soft": WHOLE, "hard": WHOLE}, required=("name", "soft", "hard"))
_DEVICE_REQUEST = Record(
    {"driver": TEXT, "count": WHOLE, "deviceIds": SET, "capabilities": SET, "options": TEXTS},
    defaults={"driver": "cdi"},
)
_DEVICE = Record(
    {"hostPath": TEXT, "containerPath": TEXT, "permissions": text("[rwm]+")},
    required=("hostPath",),
    defaults={"permissions": "rwm"},
)
# The client sends CAP_SYS_NICE for SYS_NICE, and that is read back: a bare name works, and is drift, as with the official plugin.
_CAPABILITIES = Record({"adds": SET, "drops": SET})


def _must_run(seen: Inspect, known: Properties) -> bool:
    """False for a container that stopped although it must run: the difference that makes a preview say so."""
    return bool(known.get("mustRun", True)) and bool(seen["State"]["Running"])


def _exit_code(seen: Inspect, known: Properties) -> Any:
    """The code of the last end that was seen; a container that runs (again) keeps it, as with the official plugin."""
    return known.get("exitCode") if seen["State"]["Running"] else seen["State"].get("ExitCode")


def _row(shape: Shape, rule: Rule, path: str, to: Any = None, back: Any = None, **more: Any) -> Property:
    write, read = at(path, *(convert for convert in (to, back) if convert))
    return Property(shape, rule, write=write, read=more.pop("read", read), **more)


def _megabytes(rule: Rule, path: str, **more: Any) -> Property:
    return _row(NATURAL, rule, path, lambda value: value * forms.MIB, lambda value: value // forms.MIB, **more)


_REPLACE, _UPDATE, _STATE, _OUTPUT = Rule.REPLACE, Rule.UPDATE, Rule.STATE, Rule.OUTPUT


class Container(ContainerLife):
    """A container. Names and ports are fixed, so every replacement removes the old one first."""

    kind = "docker:index/container:Container"
    delete_before_replace = True
    table: Mapping[str, Property] = {
        # What it runs.
        "name": Property(TEXT, _REPLACE, read=lambda seen, _known: seen["Name"].removeprefix("/"), required=True),
        "image": Property(TEXT, _REPLACE, write=at("Config.Image")[0], read=forms.image_back, required=True),
        "command": _row(ListOf(_FILLED, ordered=True), _REPLACE, "Config.Cmd", computed=True),
        "entrypoints": _row(WORDS, _REPLACE, "Config.Entrypoint", computed=True),
        # Never read back, as in the official plugin: they are mixed with the image's own.
        "envs": Property(SET, _REPLACE, write=at("Config.Env")[0], computed=True),
        "labels": Property(LABELS, _REPLACE, write=at("Config.Labels", labels_to)[0], computed=True),
        "user": _row(TEXT, _REPLACE, "Config.User", computed=True),
        "workingDir": _row(TEXT, _REPLACE, "Config.WorkingDir", computed=True),
        "hostname": _row(TEXT, _REPLACE, "Config.Hostname", computed=True),
        "init": _row(FLAG, _REPLACE, "HostConfig.Init", computed=True),
        "uploads": Property(ListOf(_UPLOAD), _REPLACE),
        # Network.
        "networkMode": _row(TEXT, _REPLACE, "HostConfig.NetworkMode", default="bridge"),
        "networksAdvanced": Property(ListOf(_ENDPOINT), _REPLACE),
        "networkDatas": Property(ListOf(_NETWORK_DATA), _OUTPUT, read=forms.networks_back),
        "bridge": Property(TEXT, _OUTPUT, read=at("NetworkSettings.Bridge")[1]),
        "ports": Property(
            ListOf(_PORT),
            _REPLACE,
            write=forms.ports_to,
            read=forms.ports_back,
            read_if_set=True,
            same=forms.same_ports,
        ),
        "hosts": _row(ListOf(_HOST), _REPLACE, "HostConfig.ExtraHosts", forms.hosts_to, forms.hosts_back),
        "dns": _row(SET, _REPLACE, "HostConfig.Dns"),
        # Storage.
        "volumes": Property(ListOf(_VOLUME), _REPLACE, write=forms.volumes_to),
        "mounts": _row(ListOf(_MOUNT), _REPLACE, "HostConfig.Mounts", forms.mounts_to, forms.mounts_back),
        "tmpfs": _row(TEXTS, _REPLACE, "HostConfig.Tmpfs"),
        "readOnly": _row(FLAG, _REPLACE, "HostConfig.ReadonlyRootfs"),
        # Resources. Memory and shared memory are in MiB.
        "memory": _megabytes(_UPDATE, "HostConfig.Memory", sticky=True),
        "memoryReservation": _megabytes(_UPDATE, "HostConfig.MemoryReservation", sticky=True),
        "memorySwap": _row(
            Scalar(int, "integer", pattern=r"-1|\d+"),
            _UPDATE,
            "HostConfig.MemorySwap",
            forms.swap_to,
            read=forms.swap_back,
            sticky=True,
        ),
        "shmSize": _megabytes(_REPLACE, "HostConfig.ShmSize", computed=True),
        "cpus": _row(NUMBER_TEXT, _REPLACE, "HostConfig.NanoCpus", forms.cpus_to, forms.cpus_back),
        "cpuSet": _row(text(r"\d+([,-]\d+)*"), _UPDATE, "HostConfig.CpusetCpus", sticky=True),
        "cpuShares": _row(NATURAL, _UPDATE, "HostConfig.CpuShares", sticky=True),
        "ulimits": _row(
            ListOf(_ULIMIT), _REPLACE, "HostConfig.Ulimits", forms.ulimits_to, forms.ulimits_back, read_if_set=True
        ),
        "gpus": _row(
            _GPUS, _REPLACE, "HostConfig.DeviceRequests", forms.gpus_to, read=forms.gpus_back, read_if_set=True
        ),
        "deviceRequests": _row(
            ListOf(_DEVICE_REQUEST),
            _REPLACE,
            "HostConfig.DeviceRequests",
            forms.device_requests_to,
            forms.device_requests_back,
            read_if_set=True,
        ),
        "devices": _row(
            ListOf(_DEVICE), _REPLACE, "HostConfig.Devices", forms.devices_to, read=forms.devices_back, read_if_set=True
        ),
        # Rights.
        "groupAdds": _row(SET, _REPLACE, "HostConfig.GroupAdd"),
        "runtime": _row(TEXT, _REPLACE, "HostConfig.Runtime", computed=True),
        "ipcMode": _row(TEXT, _REPLACE, "HostConfig.IpcMode", read=forms.ipc_back, computed=True),
        "pidMode": _row(TEXT, _REPLACE, "HostConfig.PidMode", read_if_set=True),
        "privileged": _row(FLAG, _REPLACE, "HostConfig.Privileged"),
        "capabilities": Property(_CAPABILITIES, _REPLACE, write=forms.capabilities_to, read=forms.capabilities_back),
        "securityOpts": _row(SET, _REPLACE, "HostConfig.SecurityOpt", computed=True),
        "sysctls": _row(TEXTS, _REPLACE, "HostConfig.Sysctls"),
        # Log.
        "logDriver": _row(TEXT, _REPLACE, "HostConfig.LogConfig.Type", computed=True),
        "logOpts": _row(TEXTS, _REPLACE, "HostConfig.LogConfig.Config", read_if_set=True),
        # Life.
        "restart": _row(
            text("no|on-failure|always|unless-stopped"),
            _UPDATE,
            "HostConfig.RestartPolicy.Name",
            back=lambda name: name or "no",
            default="no",
        ),
        "maxRetryCount": _row(NATURAL, _UPDATE, "HostConfig.RestartPolicy.MaximumRetryCount"),
        "healthcheck": _row(_HEALTH, _REPLACE, "Config.Healthcheck", forms.health_to, forms.health_back, computed=True),
        "mustRun": Property(FLAG, _STATE, read=_must_run, default=True),
        "start": Property(FLAG, _STATE, default=True),
        "wait": Property(FLAG, _STATE, default=False),
        "waitTimeout": Property(NATURAL, _STATE, default=60),
        "containerReadRefreshTimeoutMilliseconds": Property(NATURAL, _STATE, default=15000),
        "destroyGraceSeconds": Property(NATURAL, _STATE),
        "removeVolumes": Property(FLAG, _STATE, default=True),
        "stopSignal": _row(TEXT, _REPLACE, "Config.StopSignal", computed=True),
        "stopTimeout": _row(NATURAL, _REPLACE, "Config.StopTimeout", computed=True),
        "exitCode": Property(WHOLE, _OUTPUT, read=_exit_code),
        # Not implemented as inputs; the state says so in the official plugin's words, so that it can take over.
        **{
            name: Property(FLAG, _OUTPUT, read=lambda _seen, _known: False)
            for name in ("attach", "logs", "rm", "stdinOpen", "tty")
        },
    }
