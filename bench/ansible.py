"""The same containers as an Ansible playbook: the peer that a drift check is measured against.

Ansible and the one collection that it needs come from the package index, into a folder of their own.
"""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any, Final

from infra.pipeline import Built
from infra.services.base import Workload
from infra.targets.docker.mapping import Names, container, secret_uploads

# The package with every collection, and the core that it was made for. Of its 600 MB unpacked two folders are needed.
PACKAGE: Final = "ansible==12.3.0"
_CORE: Final = "ansible-core>=2.19,<2.20"
_COLLECTIONS: Final = tuple(
    f"ansible_collections/community/{name}/" for name in ("docker", "library_inventory_filtering_v1")
)


def ensure(folder: Path) -> Path:
    """Leave with ansible-playbook in `folder`, and return its virtualenv."""
    venv = folder / "venv"
    if not (venv / "bin" / "ansible-playbook").exists():
        pip = [str(venv / "bin" / "python"), "-m", "pip", "--quiet"]
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        subprocess.run([*pip, "install", _CORE, "requests"], check=True)
        subprocess.run([*pip, "download", "--no-deps", "--dest", str(folder), PACKAGE], check=True)
        (package,) = folder.glob("ansible-*.whl")
        with zipfile.ZipFile(package) as archive:
            wanted = [name for name in archive.namelist() if name.startswith(_COLLECTIONS)]
            archive.extractall(folder, wanted)
    return venv


def playbook(
    built: Built, names: Names, secrets: dict[str, str], root: Path, *, with_files: bool
) -> list[dict[str, Any]]:
    """Return one play with a task for each container and, with files, for each file that was uploaded into one."""
    tasks: list[dict[str, Any]] = []
    for workload in built.workloads:
        made = container(workload, names, root)
        tasks.append({"name": workload.instance, "community.docker.docker_container": _container(made)})
        if with_files:
            tasks += _files(workload, made["name"], secrets)
    return [{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}]


def _container(made: dict[str, Any]) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "name": made["name"],
        "image": made["image"],
        "pull": "never",
        "state": "started",
        "entrypoint": made["entrypoints"],
        "command": made["command"],
        "command_handling": "correct",
        "env": dict(entry.split("=", 1) for entry in made["envs"]),
        "labels": {one["label"]: one["value"] for one in made["labels"]},
        "networks": [{"name": one["name"], "aliases": one["aliases"]} for one in made["networks_advanced"]],
        "published_ports": [f"{one['ip']}:{one['external']}:{one['internal']}" for one in made["ports"]],
        "volumes": [_mount(one) for one in made["volumes"]],
        "restart_policy": made["restart"],
        "hostname": made["hostname"],
        "init": made["init"],
        "ipc_mode": made["ipc_mode"],
        "log_driver": made["log_driver"],
        "log_options": made["log_opts"],
        "shm_size": f"{made['shm_size']}M",
        "stop_timeout": made["stop_timeout"],
        "capabilities": (made.get("capabilities") or {}).get("adds", []),
        # Made on bridge and connected to its own network afterwards, as the provider does.
        "network_mode": "bridge",
        "comparisons": {"*": "strict", "networks": "allow_more_present", "volumes": "allow_more_present"},
    }
    health = made.get("healthcheck")
    if health is not None:
        check = {key: health[key] for key in ("interval", "timeout", "start_period", "retries")}
        arguments["healthcheck"] = {"test": health["tests"], **check}
    return arguments


def _mount(mount: dict[str, Any]) -> str:
    source = mount.get("volume_name") or mount["host_path"]
    return f"{source}:{mount['container_path']}:{'ro' if mount.get('read_only') else 'rw'}"


def _files(workload: Workload, name: str, secrets: dict[str, str]) -> list[dict[str, Any]]:
    uploads = {file.path: file.content for file in workload.files}
    uploads |= {path: secrets[secret.name] for path, secret in secret_uploads(workload).items()}
    return [
        {
            "name": f"{workload.instance} {path}",
            "no_log": True,
            "community.docker.docker_container_copy_into": {
                "container": name,
                "container_path": path,
                # Braces are the template engine's.
                "content": {"__ansible_unsafe": content},
                "owner_id": 0,
                "group_id": 0,
                "mode": 0o644,
            },
        }
        for path, content in uploads.items()
    ]
