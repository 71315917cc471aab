"""What only this machine can tell before anything is created: taken ports and missing model directories."""

from __future__ import annotations

import errno
import json
import socket
import subprocess
from pathlib import Path

from infra.errors import Finding, Severity
from infra.pipeline import PROJECT, Built
from infra.services.base import Published, Workload


def local_findings(built: Built, stack: str, root: Path, severity: Severity) -> list[Finding]:
    """Check what the workloads of a local host need of this machine. Never connects to another one."""
    found = []
    for workload in built.workloads:
        if built.config.inventory.hosts[workload.host].connection != "local":
            continue
        found += [_taken(workload, port, severity) for port in workload.published if _is_taken(port, stack)]
        found += [
            _absent(built, workload, volume.host_path, severity)
            for volume in workload.volumes
            # What is only read must be there; the daemon makes a directory that is written to.
            if volume.host_path is not None and volume.read_only and not (root / volume.host_path).exists()
        ]
    return found


def _taken(workload: Workload, port: Published, severity: Severity) -> Finding:
    problem = f"port {port.host_port} of {port.address} is taken by another program"
    return Finding(
        f"host {workload.host}: {workload.instance}", problem, "stop that program, or change expose", severity
    )


def _absent(built: Built, workload: Workload, path: str, severity: Severity) -> Finding:
    where = workload.instance
    names = [one.model for one in built.plan.placements if one.instance == workload.instance]
    for name in names:
        adapters = built.config.models[name].adapters
        adapter = next((adapter for adapter, written in adapters.items() if written.source == path), None)
        where = f"hearth:models.{name}.source" if adapter is None else f"hearth:models.{name}.adapters.{adapter}"
    return Finding(
        where,
        f"the directory {path} is not there",
        "`make up` brings the models of the local stack; else copy it there",
        severity,
    )


def _is_taken(port: Published, stack: str) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((port.address, port.host_port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE and not _is_ours(port, stack)
    return False


def _is_ours(port: Published, stack: str) -> bool:
    """Whether a container of this very stack holds the port: then nothing is taken."""
    query = ["docker", "ps", "--filter", f"label={PROJECT}.stack={stack}", "--format", "{{json .Ports}}"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return any(f":{port.host_port}->" in json.loads(line) for line in answer.stdout.splitlines() if line)
