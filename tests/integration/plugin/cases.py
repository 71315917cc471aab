"""What a changed input, and a change made by hand, must lead to: the promises that Hearth builds on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.integration.plugin.stack import IMAGE

Inputs = dict[str, Any]


@dataclass(frozen=True)
class Change:
    """One input of a container before and after, and the operation that must follow.

    live: where `docker container inspect` shows the new value, and that value. forced: Hearth asks for replacement itself
    (replace_on_changes with delete_before_replace), because the official plugin announces an update there and applies nothing.
    """

    name: str
    before: Inputs
    after: Inputs
    operation: str
    live: tuple[str, Any] | None = None
    forced: list[str] = field(default_factory=list)


def _upload(**more: Any) -> Inputs:
    return {"uploads": [{"file": "/etc/app.conf", "content": "one", **more}]}


def _swap(low: int) -> Inputs:
    return {"memory": low, "memory_swap": low}


_ALIAS = {"name": "bridge-of-row"}

REPLACED = (
    Change(
        "command", {"command": ["sleep", "1"]}, {"command": ["sleep", "2"]}, "replace", ("Config.Cmd", ["sleep", "2"])
    ),
    Change("envs", {"envs": ["A=1"]}, {"envs": ["A=2"]}, "replace", ("Config.Env", ["A=2"])),
    Change("a secret env", {"envs": ["B=1", {"$secret": "S=1"}]}, {"envs": ["B=1", {"$secret": "S=2"}]}, "replace"),
    Change("entrypoints", {"entrypoints": ["/bin/sh"]}, {"entrypoints": ["/bin/busybox"]}, "replace"),
    Change("image", {}, {"image": IMAGE + "-other"}, "replace", ("Config.Image", IMAGE + "-other")),
    Change(
        "labels",
        {"labels": [{"label": "a", "value": "1"}]},
        {"labels": [{"label": "a", "value": "2"}]},
        "replace",
        ("Config.Labels", {"a": "2"}),
    ),
    Change(
        "aliases",
        {"networks_advanced": [{**_ALIAS, "aliases": ["x"]}]},
        {"networks_advanced": [{**_ALIAS, "aliases": ["y"]}]},
        "replace",
    ),
    Change(
        "ports",
        {"ports": [{"internal": 80, "external": 0, "ip": "127.0.0.1"}]},
        {"ports": [{"internal": 81, "ip": "127.0.0.1"}]},
        "replace",
    ),
    Change("uploads", _upload(), _upload(content="two"), "replace"),
    Change("a secret upload", _upload(content={"$secret": "one"}), _upload(content={"$secret": "two"}), "replace"),
    Change("upload permissions", _upload(), _upload(permissions="0600"), "replace"),
    Change("an executable upload", _upload(), _upload(executable=True), "replace"),
    Change(
        "volumes",
        {"volumes": [{"container_path": "/a", "host_path": "/tmp"}]},
        {"volumes": [{"container_path": "/b", "host_path": "/tmp"}]},
        "replace",
        ("HostConfig.Binds", ["/tmp:/b:rw"]),
    ),
    Change(
        "a read-only volume",
        {"volumes": [{"container_path": "/a", "host_path": "/tmp"}]},
        {"volumes": [{"container_path": "/a", "host_path": "/tmp", "read_only": True}]},
        "replace",
        ("HostConfig.Binds", ["/tmp:/a:ro"]),
    ),
    Change(
        "mounts",
        {"mounts": [{"target": "/a", "type": "bind", "source": "/tmp"}]},
        {"mounts": [{"target": "/a", "type": "bind", "source": "/tmp", "read_only": True}]},
        "replace",
        forced=["mounts"],
    ),
    Change("shm_size", {"shm_size": 32}, {"shm_size": 64}, "replace", ("HostConfig.ShmSize", 64 << 20)),
    Change("cpus", {"cpus": "0.5"}, {"cpus": "0.75"}, "replace", ("HostConfig.NanoCpus", 750_000_000)),
    Change(
        "log_opts",
        {"log_driver": "json-file", "log_opts": {"max-size": "1m"}},
        {"log_driver": "json-file", "log_opts": {"max-size": "2m"}},
        "replace",
        ("HostConfig.LogConfig.Config", {"max-size": "2m"}),
    ),
    Change(
        "log_driver",
        {"log_driver": "json-file"},
        {"log_driver": "local"},
        "replace",
        ("HostConfig.LogConfig.Type", "local"),
    ),
    Change(
        "ulimits",
        {"ulimits": [{"name": "nofile", "soft": 10, "hard": 20}]},
        {"ulimits": [{"name": "nofile", "soft": 11, "hard": 20}]},
        "replace",
    ),
    Change("read_only", {"read_only": False}, {"read_only": True}, "replace", ("HostConfig.ReadonlyRootfs", True)),
    Change(
        "capabilities",
        {"capabilities": {"drops": ["ALL"]}},
        {"capabilities": {"drops": ["ALL"], "adds": ["CAP_CHOWN"]}},
        "replace",
        ("HostConfig.CapAdd", ["CAP_CHOWN"]),
    ),
    Change(
        "security_opts",
        {"security_opts": ["no-new-privileges:true"]},
        {"security_opts": ["no-new-privileges:false"]},
        "replace",
    ),
    Change("user", {"user": "root"}, {"user": "nobody"}, "replace", ("Config.User", "nobody")),
    Change("working_dir", {"working_dir": "/bin"}, {"working_dir": "/etc"}, "replace", ("Config.WorkingDir", "/etc")),
    Change("hostname", {"hostname": "one"}, {"hostname": "two"}, "replace", ("Config.Hostname", "two")),
    Change("stop_timeout", {"stop_timeout": 3}, {"stop_timeout": 4}, "replace", ("Config.StopTimeout", 4)),
    Change(
        "stop_signal", {"stop_signal": "SIGTERM"}, {"stop_signal": "SIGINT"}, "replace", ("Config.StopSignal", "SIGINT")
    ),
    Change(
        "ipc_mode", {"ipc_mode": "private"}, {"ipc_mode": "shareable"}, "replace", ("HostConfig.IpcMode", "shareable")
    ),
    Change("pid_mode", {"pid_mode": "host"}, {}, "replace", ("HostConfig.PidMode", "")),
    Change(
        "hosts",
        {"hosts": [{"host": "h", "ip": "10.0.0.1"}]},
        {"hosts": [{"host": "h", "ip": "10.0.0.2"}]},
        "replace",
        ("HostConfig.ExtraHosts", ["h:10.0.0.2"]),
    ),
    Change("dns", {"dns": ["10.0.0.1"]}, {"dns": ["10.0.0.2"]}, "replace", ("HostConfig.Dns", ["10.0.0.2"])),
    Change("group_adds", {"group_adds": ["1"]}, {"group_adds": ["2"]}, "replace", ("HostConfig.GroupAdd", ["2"])),
    Change("sysctls", {"sysctls": {"net.core.somaxconn": "64"}}, {"sysctls": {"net.core.somaxconn": "65"}}, "replace"),
    Change("privileged", {"privileged": False}, {"privileged": True}, "replace", ("HostConfig.Privileged", True)),
    Change("devices", {"devices": [{"host_path": "/dev/null"}]}, {"devices": [{"host_path": "/dev/zero"}]}, "replace"),
    Change("gpus", {"gpus": "device=GPU-0"}, {"gpus": "all"}, "replace", ("HostConfig.DeviceRequests.0.Count", -1)),
    Change(
        "device_requests",
        {"device_requests": [{"driver": "nvidia", "device_ids": ["0"], "capabilities": ["gpu"]}]},
        {"device_requests": [{"driver": "nvidia", "device_ids": ["1"], "capabilities": ["gpu"]}]},
        "replace",
        ("HostConfig.DeviceRequests.0.DeviceIDs", ["1"]),
    ),
    Change(
        "runtime", {}, {"runtime": "io.containerd.runc.v2"}, "replace", ("HostConfig.Runtime", "io.containerd.runc.v2")
    ),
    Change(
        "healthcheck",
        {"healthcheck": {"tests": ["CMD", "true"], "interval": "1m0s"}},
        {"healthcheck": {"tests": ["CMD", "true"], "interval": "2m0s"}},
        "replace",
        ("Config.Healthcheck.Interval", 120_000_000_000),
        ["healthcheck"],
    ),
    Change(
        "tmpfs",
        {"tmpfs": {"/t": "size=1m"}},
        {"tmpfs": {"/t": "size=2m"}},
        "replace",
        ("HostConfig.Tmpfs", {"/t": "size=2m"}),
        ["tmpfs"],
    ),
    Change("init", {"init": False}, {"init": True}, "replace", ("HostConfig.Init", True), ["init"]),
)

IN_PLACE = (
    Change(
        "restart",
        {"restart": "no"},
        {"restart": "unless-stopped"},
        "update",
        ("HostConfig.RestartPolicy.Name", "unless-stopped"),
    ),
    Change(
        "max_retry_count",
        {"restart": "on-failure", "max_retry_count": 1},
        {"restart": "on-failure", "max_retry_count": 2},
        "update",
        ("HostConfig.RestartPolicy.MaximumRetryCount", 2),
    ),
    Change("memory, up", _swap(64), _swap(96), "update", ("HostConfig.Memory", 96 << 20)),
    Change("memory, down", _swap(96), _swap(64), "update", ("HostConfig.MemorySwap", 64 << 20)),
    Change(
        "memory_swap",
        {"memory": 64, "memory_swap": 64},
        {"memory": 64, "memory_swap": 128},
        "update",
        ("HostConfig.MemorySwap", 128 << 20),
    ),
    Change(
        "memory_reservation",
        {"memory": 64, "memory_swap": 64, "memory_reservation": 16},
        {"memory": 64, "memory_swap": 64, "memory_reservation": 32},
        "update",
        ("HostConfig.MemoryReservation", 32 << 20),
    ),
    Change("cpu_set", {"cpu_set": "0"}, {"cpu_set": "0-0"}, "update", ("HostConfig.CpusetCpus", "0-0")),
    Change("cpu_shares", {"cpu_shares": 512}, {"cpu_shares": 256}, "update", ("HostConfig.CpuShares", 256)),
)

STATE_ONLY = (
    Change("destroy_grace_seconds", {"destroy_grace_seconds": 1}, {"destroy_grace_seconds": 2}, "update"),
    Change("wait_timeout", {"wait_timeout": 60}, {"wait_timeout": 90}, "update"),
    Change("remove_volumes", {"remove_volumes": True}, {"remove_volumes": False}, "update"),
)

UNCHANGED = (
    Change("envs in another order", {"envs": ["A=1", "B=2"]}, {"envs": ["B=2", "A=1"]}, "same"),
    Change(
        "labels in another order",
        {"labels": [{"label": "a", "value": "1"}, {"label": "b", "value": "2"}]},
        {"labels": [{"label": "b", "value": "2"}, {"label": "a", "value": "1"}]},
        "same",
    ),
    Change("a default written out", {}, {"restart": "no", "privileged": False, "start": False}, "same"),
)

CHANGES = (*REPLACED, *IN_PLACE, *STATE_ONLY, *UNCHANGED)


@dataclass(frozen=True)
class ByHand:
    """What someone does with the docker command, and what a check for drift must say of the resource.

    commands: {c}, {n} and {v} stand for the names of the row's container, network and volume. resource: the one that is looked at.
    """

    name: str
    commands: tuple[str, ...]
    operation: str
    resource: str = "c"


BY_HAND = (
    ByHand("stopped", ("stop -t 0 {c}",), "replace"),
    ByHand("killed", ("kill {c}",), "replace"),
    ByHand("removed", ("rm -f {c}",), "create"),
    ByHand("given another restart policy", ("update --restart always {c}",), "update"),
    ByHand("given other memory", ("update --memory 80m --memory-swap 80m {c}",), "update"),
    ByHand("renamed", ("rename {c} {c}-renamed",), "replace"),
    ByHand("disconnected from its network", ("network disconnect {n} {c}",), "replace"),
    ByHand("its volume removed with it", ("rm -f {c}", "volume rm {v}"), "create", "v"),
    ByHand("its network removed with it", ("rm -f {c}", "network rm {n}"), "create", "n"),
)

NOT_SEEN = (
    ByHand("paused", ("pause {c}",), "same"),
    ByHand("reconnected to its network", ("network disconnect {n} {c}", "network connect {n} {c}"), "same"),
    ByHand("an uploaded file edited inside", ("exec {c} sh -c 'echo edited > /etc/app.conf'",), "same"),
)
