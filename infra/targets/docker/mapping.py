"""A workload in pulumi-docker's words: pure, so that it can be read and tested without the engine.

Everything is written out, also where Docker has a default: what the daemon fills in by itself would come back
as a difference (networkMode, log options).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from infra.config.secrets import SecretRef
from infra.errors import Finding, Severity
from infra.services.base import Probe, Volume, Workload
from infra.services.files import digest

SECRET_DIRECTORY: Final = "/run/secrets/hearth"  # noqa: S105 - a directory
# Programs want their secrets as environment variables; declaring them as such would show them in `docker inspect`.
_WITH_SECRETS: Final = f'for file in {SECRET_DIRECTORY}/*; do export "${{file##*/}}=$(cat "$file")"; done; exec "$@"'
_LOG_OPTIONS: Final = {"max-size": "20m", "max-file": "3"}
_POLICIES: Final = {"no": "no", "on-failure": "on-failure", "always": "unless-stopped"}
# Docker kills at the end of its own grace period; the program's is shorter, so that it ends by itself.
_STOP_MARGIN_S: Final = 10


@dataclass(frozen=True)
class Names:
    """Names as the daemon sees them: two stacks can live on one host."""

    project: str
    stack: str

    def of(self, name: str) -> str:
        """Return the physical name of a container or volume."""
        return f"{self.project}-{self.stack}-{name}"

    @property
    def network(self) -> str:
        """Return the name of the stack's network."""
        return f"{self.project}-{self.stack}"

    def labels(self, **more: str) -> dict[str, str]:
        """Return the labels that say whose this is."""
        own = {f"{self.project}.{key}": value for key, value in more.items()}
        return {f"{self.project}.project": self.project, f"{self.project}.stack": self.stack, **own}


def label_list(labels: dict[str, str]) -> list[Any]:
    """Return labels in the provider's shape, sorted."""
    return [{"label": key, "value": value} for key, value in sorted(labels.items())]


def container(workload: Workload, names: Names, root: Path) -> dict[str, Any]:
    """Return the container's arguments. Its `image` is a reference, and a secret's content a SecretRef."""
    arguments: dict[str, Any] = {
        "name": names.of(workload.instance),
        "image": workload.image,
        "envs": [f"{key}={value}" for key, value in sorted({**workload.environment, **_card_names(workload)}.items())],
        "hostname": workload.instance,
        # A supervised program is PID 1 itself: it reaps what ends, and signals reach it first.
        "init": not workload.supervised,
        "ipc_mode": "private",
        "labels": label_list(
            names.labels(
                instance=workload.instance,
                service=workload.service,
                **{"config-digest": digest(workload.files), "image": workload.image},
            )
        ),
        "log_driver": "json-file",
        "log_opts": _LOG_OPTIONS,
        "must_run": not workload.one_shot,
        "network_mode": "bridge",
        "networks_advanced": [
            {"name": names.network, "aliases": sorted({workload.instance, *workload.aliases, *workload.answers_for})}
        ],
        "ports": [
            {"internal": port.container_port, "external": port.host_port, "ip": port.address, "protocol": "tcp"}
            for port in workload.published
        ],
        "volumes": [_mount(volume, names, root) for volume in workload.volumes],
        "uploads": _uploads(workload),
        "shm_size": (workload.shm_bytes or 64 * 2**20) // 2**20,
        "stop_timeout": math.ceil(workload.restart.timeout_stop) + _STOP_MARGIN_S,
        "destroy_grace_seconds": math.ceil(workload.restart.timeout_stop) + _STOP_MARGIN_S,
        "wait": False,
        **_command(workload),
        **_restart(workload),
        **_devices(workload),
    }
    if workload.memory_bytes:
        arguments["memory"] = workload.memory_bytes // 2**20
        arguments["memory_swap"] = workload.memory_bytes // 2**20
    if workload.capabilities:
        arguments["capabilities"] = {"adds": [f"CAP_{name}" for name in sorted(workload.capabilities)]}
    if workload.cpu_set:
        arguments["cpu_set"] = workload.cpu_set
    if workload.probe:
        arguments["healthcheck"] = _healthcheck(workload.probe, workload.start_timeout_s)
    return arguments


def secret_uploads(workload: Workload) -> dict[str, SecretRef]:
    """Return every secret of a container by the path of the file that it is written to, sorted.

    Uploaded files belong to root, and programs run as whom their image says (nobody, 472): such a file must be readable by
    all. Nobody but that one program is inside.
    """
    environment = {f"{SECRET_DIRECTORY}/{name}": secret for name, secret in workload.secret_environment.items()}
    return dict(sorted({**environment, **workload.secret_files}.items()))


def _uploads(workload: Workload) -> list[dict[str, Any]]:
    files = [{"file": file.path, "content": file.content, "permissions": "0644"} for file in workload.files]
    secrets = [
        {"file": path, "content": secret, "permissions": "0444"} for path, secret in secret_uploads(workload).items()
    ]
    return files + secrets


def restart_findings(workload: Workload) -> list[Finding]:
    """Return what Docker's own restart policy can't promise; nothing is dropped in silence."""
    if workload.supervised:
        return []
    restart, path = workload.restart, f"{workload.instance}.restart"
    lost = {
        "restart_sec": restart.restart_sec,
        "restart_max_delay": restart.restart_max_delay,
        "start_limit_interval": restart.start_limit_interval,
        "watchdog_sec": restart.watchdog_sec,
        "start_limit_burst": restart.start_limit_burst if restart.policy == "always" else None,
    }
    fix = "remove it, or use policy: on-failure with start_limit_burst, which Docker has"
    return [
        Finding(
            path,
            f"{key} {value:g} has no equivalent in Docker's restart policy {_POLICIES[restart.policy]}",
            fix,
            Severity.WARNING,
        )
        for key, value in lost.items()
        if value is not None
    ]


def _mount(volume: Volume, names: Names, root: Path) -> dict[str, Any]:
    if volume.host_path is None:
        return {"volume_name": names.of(volume.name), "container_path": volume.path, "read_only": volume.read_only}
    return {"host_path": str(root / volume.host_path), "container_path": volume.path, "read_only": volume.read_only}


def _command(workload: Workload) -> dict[str, list[str]]:
    if workload.secret_environment:
        return {"entrypoints": ["/bin/sh", "-c", _WITH_SECRETS, "hearth"], "command": list(workload.command)}
    return {"entrypoints": [workload.command[0]], "command": list(workload.command[1:])}


def _restart(workload: Workload) -> dict[str, Any]:
    restart = workload.restart
    if workload.supervised:
        # Its own program keeps the promise, and stays when it is out of starts. Docker's part is to start it with the
        # host, whatever the policy: a unit that systemd doesn't restart is started at boot all the same.
        return {"restart": _POLICIES["always"]}
    mapped: dict[str, Any] = {"restart": _POLICIES[restart.policy]}
    if restart.policy == "on-failure" and restart.start_limit_burst is not None:
        mapped["max_retry_count"] = restart.start_limit_burst
    return mapped


def _devices(workload: Workload) -> dict[str, Any]:
    """Return what gives a container its cards. Its ranks share one IPC namespace of their own, so that it needs no other."""
    if not workload.gpus:
        return {}
    if workload.device == "rocm":
        nodes = ("/dev/kfd", *(workload.device_nodes or ("/dev/dri",)))
        return {
            "devices": [{"host_path": path, "container_path": path, "permissions": "rwm"} for path in nodes],
            "group_adds": [str(number) for number in workload.device_groups] or ["video", "render"],
            "security_opts": ["seccomp=unconfined"],
        }
    if workload.gpu_access == "runtime":
        return {"runtime": "nvidia"}
    if workload.gpu_access == "cdi":
        names = [f"nvidia.com/gpu={name}" for name in workload.gpus]
        return {"device_requests": [{"driver": "cdi", "device_ids": names}]}
    # `gpus: device=0,1` reaches the daemon as device 0 alone and drifts for ever (pulumi-docker 5.2): a request has a list.
    return {"device_requests": [{"driver": "nvidia", "device_ids": list(workload.gpus), "capabilities": ["gpu"]}]}


def _card_names(workload: Workload) -> dict[str, str]:
    """Return the variables by which a container's own cards are told from those that it isn't to use."""
    if not workload.gpus:
        return {}
    names = ",".join(workload.gpus)
    if workload.device == "rocm":
        return {} if workload.device_nodes else {"ROCR_VISIBLE_DEVICES": names}
    if workload.gpu_access == "runtime":
        return {"NVIDIA_VISIBLE_DEVICES": names, "NVIDIA_DRIVER_CAPABILITIES": "compute,utility"}
    return {}


def _healthcheck(probe: Probe, start_timeout_s: float) -> dict[str, Any]:
    url = f"http://127.0.0.1:{probe.port}{probe.path}"
    clients = {
        # The container's own proxy isn't for its loopback.
        "curl": ["curl", "-fsS", "--noproxy", "*", "-o", "/dev/null", url],
        "wget": ["wget", "-q", "-O", "/dev/null", url],
        "python3": ["python3", "-c", f"import urllib.request as r; r.urlopen({url!r}, timeout={probe.timeout_s:g})"],
    }
    return {
        "tests": ["CMD", *clients[probe.client]],
        "interval": _go_duration(probe.interval_s),
        "timeout": _go_duration(probe.timeout_s),
        "start_period": _go_duration(start_timeout_s),
        "retries": probe.retries,
    }


def _go_duration(duration_s: float) -> str:
    """Write seconds as Go does (1m0s): the daemon's answer is compared as text."""
    minutes, seconds = divmod(round(duration_s), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{seconds}s"
    return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"
