"""What every target offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from infra.config.schema import StackConfig
from infra.errors import Finding
from infra.services.base import Workload


@dataclass(frozen=True)
class Deployment:
    """What a target is given: everything is decided. `secrets` maps secret names to Pulumi outputs;
    `root` is the checkout, which relative paths of a local host start from; hosts that are `left_alone` aren't looked at.
    """

    project: str
    stack: str
    root: Path
    config: StackConfig
    workloads: tuple[Workload, ...]
    secrets: Mapping[str, Any]
    left_alone: frozenset[str] = frozenset()


class Target(ABC):
    """A place that workloads can be deployed to. One folder below infra/targets is one target."""

    name: ClassVar[str]
    resolver: ClassVar[str]
    """Address of the name server inside the target's network, for programs that must be told."""
    joins_hosts: ClassVar[bool]
    """Whether workloads on different hosts find each other by name."""

    @abstractmethod
    def findings(self, config: StackConfig, workloads: tuple[Workload, ...]) -> tuple[Finding, ...]:
        """Return what this target can't do of what the workloads ask for."""

    @abstractmethod
    def deploy(self, deployment: Deployment, parent: Any) -> None:
        """Declare the resources below `parent`, a Pulumi resource: only this method imports pulumi."""
