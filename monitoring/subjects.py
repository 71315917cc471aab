"""What is watched: plain data that whoever deploys a stack fills in. Nothing here knows how it is deployed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """One address to scrape (`host:port`), and labels that say what it is."""

    instance: str
    address: str
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Job:
    """Targets of one kind of program, with one metrics path."""

    name: str
    metrics_path: str
    targets: tuple[Target, ...]


@dataclass(frozen=True)
class Subjects:
    """A whole stack, as monitoring sees it. `runbook_url` is what an alert's name is appended to."""

    stack: str
    jobs: tuple[Job, ...]
    chat_models: tuple[str, ...]
    embedding_models: tuple[str, ...]
    runbook_url: str

    def has(self, job: str) -> bool:
        """Whether a kind of program is watched."""
        return any(known.name == job for known in self.jobs)
