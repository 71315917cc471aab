"""Stacks with one section of monitoring, for tests of the services that make it up."""

from __future__ import annotations

from typing import Any

from infra.config.load import Written
from infra.errors import Finding, Severity
from infra.pipeline import Built, build
from infra.services.base import Workload

_MODELS = {"a": {"source": "synthetic", "device": "cpu"}}


def decided(section: str, settings: dict[str, Any], **more: Any) -> tuple[Built, list[Finding]]:
    """Return a stack with settings in one section of monitoring, and what is said of that section."""
    values = {"models": _MODELS, "monitoring": {section: settings}, **more}
    built, findings = build(Written(values, {}), "mine", [])
    assert built is not None
    return built, [finding for finding in findings if finding.path.startswith(f"hearth:monitoring.{section}")]


def made(section: str, settings: dict[str, Any], **more: Any) -> Workload:
    """Return the workload of settings in which nothing is wrong."""
    built, findings = decided(section, settings, **more)
    assert [str(finding) for finding in findings if finding.severity is Severity.ERROR] == []
    (found,) = (workload for workload in built.workloads if workload.service == section)
    return found


def said(section: str, settings: dict[str, Any], **more: Any) -> list[str]:
    """Return what is said of settings, as people read it, notices left out."""
    _, findings = decided(section, settings, **more)
    return [str(finding) for finding in findings if finding.severity is not Severity.NOTICE]


def file_of(workload: Workload, path: str) -> str:
    """Return the text of a rendered file."""
    return next(file.content for file in workload.files if file.path == path)
