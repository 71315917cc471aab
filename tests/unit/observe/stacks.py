"""A stack of two engines, each with a card of its own, and what their hosts would answer."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.config.inventory import Host
from infra.config.load import read_stack_file
from infra.observe.hosts import Container, HostAnswer
from infra.observe.reading import Metrics, Status
from infra.pipeline import PROJECT, Built, build
from infra.services.files import digest
from infra.targets.docker.mapping import Names, container

MODELS: dict[str, Any] = {
    "chat": {"source": "Qwen/Qwen3-8B", "context": 8192, "memory_fraction": 0.4, "place": "box", "gpus": ["0"]},
    "coder": {
        "source": "meta-llama/Llama-3.1-8B-Instruct",
        "context": 8192,
        "memory_fraction": 0.4,
        "place": "box",
        "gpus": ["1"],
        "after": ["chat"],
    },
}
REPORTED = {"weights_gib": 15.27, "kv_cache_gib": 13.55, "kv_cache_tokens": 98672.0, "concurrency": 12.04}
SERVING = Status("running", starts=1, start_s=81.4, reported=REPORTED, version=(0, 32, 0))
LOAD = Metrics(fraction=0.4, blocks=6167, block_size=16, kv_used=0.31, running=2, waiting=0)


def write(root: Path, models: dict[str, Any] | None = None, stack: str = "mine") -> None:
    hosts = {"box": {"gpus": [{"id": "0", "model": "H100-80GB"}, {"id": "1", "model": "H100-80GB"}]}}
    config = {"models": MODELS if models is None else models, "inventory": {"hosts": hosts}, "edge": {"expose": None}}
    document = {"config": {f"hearth:{key}": value for key, value in config.items()}}
    (root / f"Pulumi.{stack}.yaml").write_text(json.dumps(document))


def built_of(root: Path, stack: str = "mine") -> Built:
    built, _ = build(read_stack_file(root, stack)[0], stack, [])
    assert built is not None
    return built


def declared(built: Built, instance: str, root: Path, **more: Any) -> Container:
    """Return the container of an engine as the target would have made it, serving."""
    (workload,) = (workload for workload in built.workloads if workload.instance == instance)
    made = container(workload, Names(PROJECT, built.plan.stack), root)
    values: dict[str, Any] = {
        "instance": instance,
        "is_running": True,
        "state": "running",
        "exit_code": 0,
        "health": "healthy",
        "labels": {f"{PROJECT}.config-digest": digest(workload.files), f"{PROJECT}.image": workload.image},
        "command": (*made["entrypoints"], *made["command"]),
        "status": SERVING,
        "metrics": LOAD,
    }
    return Container(**{**values, **more})


@dataclass
class Hosts:
    """Answers for the hosts of a stack; `changes` are fields of an engine's container, None for one that is gone."""

    root: Path
    changes: dict[str, dict[str, Any] | None] = field(default_factory=dict)
    problem: str = ""
    further: tuple[Container, ...] = ()

    def __call__(self, name: str, host: Host, stack: str) -> HostAnswer:
        del host
        if self.problem:
            return HostAnswer(name, problem=self.problem, fix="plug it in")
        built = built_of(self.root, stack)
        found = []
        for placement in built.plan.placements:
            change = self.changes.get(placement.instance, {})
            if placement.host == name and change is not None:
                found.append(declared(built, placement.instance, self.root, **change))
        return HostAnswer(name, (*found, *self.further))
