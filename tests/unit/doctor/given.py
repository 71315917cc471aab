"""A stack over a host with four NVIDIA cards and one without, a host with AMD's, and answers with which all is well."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from infra.config.load import Written
from infra.doctor.asked import Asked, asked_of
from infra.doctor.report import Daemon, HostReport, Listener
from infra.facts.cards import Card, nvidia_cards
from infra.facts.machine import FileSystem
from infra.interval import GIB
from infra.pipeline import Built, build
from tests.unit.facts.printed import H100_CSV, H100_TOPOLOGY

ROOT = Path("/srv/hearth")
CARDS = nvidia_cards(H100_CSV, "", H100_TOPOLOGY)
UUIDS = [card.id for card in CARDS]
CHAT = {"source": "Qwen/Qwen3-8B", "context": 8192, "place": "gpu-a", "gpus": [UUIDS[0]]}
AMD_CARD = Card(
    id="GPU-9246abcdef012345",
    model="AMD Instinct MI300X",
    index=0,
    memory_bytes=196592 * 2**20,
    vendor="amd",
    render_node="/dev/dri/renderD128",
)


def hosts() -> dict[str, Any]:
    return {
        "front": {"connection": "ssh://ops@front.example.com", "address": "10.0.0.10", "memory": "64GiB"},
        "gpu-a": {
            "connection": "ssh://ops@gpu-a.example.com",
            "address": "10.0.0.11",
            "memory": "1007GiB",
            "gpus": [{"id": card.id, "model": "H100-80GB", "index": card.index} for card in CARDS],
            "disks": [{"path": "/data/docker", "size": "3576GiB"}],
        },
    }


def values(**more: Any) -> dict[str, Any]:
    return {
        "imageSource": "official",
        "inventory": {"hosts": hosts()},
        "models": {"chat": CHAT},
        "edge": {"expose": 8080, "expose_address": "10.0.0.10"},
        **more,
    }


def built(**more: Any) -> Built:
    made, found = build(Written(values(**more), {}), "mine", [])
    assert made is not None, found
    return made


@cache
def fleet() -> dict[str, Asked]:
    return asked_of(built(), ROOT)


def amd_asked() -> Asked:
    host = {
        "connection": "ssh://ops@amd.example.com",
        "device_groups": [44, 992],
        "gpus": [{"id": AMD_CARD.id, "model": "MI300X", "render_node": "/dev/dri/renderD128"}],
    }
    model = {"source": "Qwen/Qwen3-8B", "device": "rocm", "context": 8192, "gpus": [AMD_CARD.id]}
    made = built(inventory={"hosts": {"amd": host}}, models={"chat": model}, edge={"expose": None})
    return asked_of(made, ROOT)["amd"]


def with_workloads(asked: Asked, **changes: Any) -> Asked:
    """Change a field of every engine."""
    return replace(
        asked, workloads=tuple(replace(one, **changes) if one.supervised else one for one in asked.workloads)
    )


def with_section(asked: Asked, **changes: Any) -> Asked:
    return replace(asked, section=type(asked.section).model_validate({**asked.section.model_dump(), **changes}))


DAEMON = Daemon(
    "29.8.2",
    "1.52",
    runtimes=("io.containerd.runc.v2", "nvidia", "runc"),
    cdi_devices=tuple(f"nvidia.com/gpu={name}" for name in UUIDS),
    reads_cdi=True,
    cgroup_driver="systemd",
    cgroup_version="2",
    cores=112,
)


def report(asked: Asked, **more: Any) -> HostReport:
    """Return answers of a host on which everything is well."""
    fields: dict[str, Any] = {
        "asked_at": 1_796_000_000.0,
        "clock_s": (-0.2, 0.3),
        "daemon": DAEMON,
        "docker_root": "/data/docker",
        "has_hook": True,
        "cards": CARDS if asked.on_cards("cuda") else (),
        "memory_bytes": asked.section.memory or 512 * GIB,
        "available_bytes": int((asked.section.memory or 512 * GIB) * 0.9),
        "overcommit": 0,
        "disks": {"/data/docker": FileSystem("/dev/md0", "/data", 3576 * GIB, 900 * GIB)},
        "directories": dict.fromkeys(asked.read_directories, True),
        "listeners": (Listener("0.0.0.0", 22, "sshd"),),
        "addresses": ("127.0.0.1", "::1", asked.section.address or "10.0.0.9", "fe80::1"),
        "routes": {way.address: asked.section.address for way in asked.ways},
        "names": dict.fromkeys((*asked.hubs, "registry-1.docker.io", "ghcr.io", "nvcr.io"), True),
        "reached": dict.fromkeys((way.name for way in asked.ways), "refused"),
    }
    if asked.on_cards("rocm"):
        fields |= {
            "cards": (AMD_CARD,),
            "has_kfd": True,
            "render_nodes": ("/dev/dri/renderD128",),
            "device_groups": (44, 992),
        }
    return HostReport(**{**fields, **more})
