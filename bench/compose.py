"""The same containers as a compose file: the peer that Hearth's start is measured against."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from infra.pipeline import Built
from infra.services.base import Workload
from infra.targets.docker.mapping import Names, container, secret_uploads


def compose_file(built: Built, secrets: dict[str, str], folder: Path, root: Path) -> dict[str, Any]:
    """Return a compose document for a stack; files and secrets are written below `folder` and mounted."""
    names = Names("compose", built.plan.stack)
    services = {workload.instance: _service(workload, names, secrets, folder, root) for workload in built.workloads}
    volumes = {
        volume.name: {"name": names.of(volume.name)}
        for workload in built.workloads
        for volume in workload.volumes
        if volume.host_path is None
    }
    network = {"default": {"name": names.network}}
    return {"version": "3.8", "services": services, "volumes": volumes, "networks": network}


def _service(workload: Workload, names: Names, secrets: dict[str, str], folder: Path, root: Path) -> dict[str, Any]:
    made = container(workload, names, root)
    uploads = {file.path: file.content for file in workload.files}
    uploads |= {path: secrets[secret.name] for path, secret in secret_uploads(workload).items()}
    mounts = []
    for path, content in uploads.items():
        source = folder / workload.instance / path.lstrip("/")
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_text(content)
        mounts.append(f"{source}:{path}:ro")
    for volume in workload.volumes:
        source_name = volume.name if volume.host_path is None else str(root / volume.host_path)
        mounts.append(f"{source_name}:{volume.path}{':ro' if volume.read_only else ''}")
    health = made.get("healthcheck", {})
    return {
        "container_name": made["name"],
        "image": workload.image,
        "entrypoint": [part.replace("$", "$$") for part in made["entrypoints"]],
        # Compose replaces $NAME itself; a doubled sign is a literal one.
        "command": [part.replace("$", "$$") for part in made["command"]],
        "environment": dict(workload.environment),
        "hostname": workload.instance,
        "init": made["init"],
        "cap_add": made.get("capabilities", {}).get("adds", []),
        "labels": {"hearth.bench": names.network},
        "networks": {"default": {"aliases": made["networks_advanced"][0]["aliases"]}},
        "ports": [f"{port.address}:{port.host_port}:{port.container_port}" for port in workload.published],
        "restart": made["restart"],
        "shm_size": f"{made['shm_size']}m",
        "volumes": mounts,
        "healthcheck": {
            "test": health["tests"],
            "interval": health["interval"],
            "timeout": health["timeout"],
            "start_period": health["start_period"],
            "retries": health["retries"],
        },
    }
