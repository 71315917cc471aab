"""Stacks for the planner's tests: a few words for hosts and models, and the plan of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.config.schema import StackConfig
from infra.errors import Finding, Severity
from infra.plan import Plan, Previous, make_plan
from infra.plan.ledger import Entry

LLAMA_8B = "meta-llama/Llama-3.1-8B-Instruct"
LLAMA_70B = "meta-llama/Llama-3.3-70B-Instruct"
QWEN_14B = "Qwen/Qwen3-14B"
BGE = "BAAI/bge-m3"


def cards(number: int, model: str = "H100-80GB", **more: Any) -> list[dict[str, Any]]:
    return [{"id": str(index), "model": model, **more} for index in range(number)]


def host(number: int = 1, model: str = "H100-80GB", **more: Any) -> dict[str, Any]:
    return {"gpus": cards(number, model), **more}


def engine(source: str = LLAMA_8B, **more: Any) -> dict[str, Any]:
    return {"source": source, "context": 8192, **more}


def config_of(
    models: Mapping[str, Any],
    hosts: Mapping[str, Any] | None = None,
    groups: Mapping[str, Any] | None = None,
    **more: Any,
) -> StackConfig:
    inventory = {"hosts": hosts if hosts is not None else {"box": host()}, "groups": groups or {}}
    return StackConfig.model_validate({"models": models, "inventory": inventory, **more})


def planned(
    models: Mapping[str, Any],
    hosts: Mapping[str, Any] | None = None,
    groups: Mapping[str, Any] | None = None,
    previous: Previous | None = None,
    **more: Any,
) -> Plan:
    return make_plan(config_of(models, hosts, groups, **more), "hearth", "test", previous=previous, root=Path())


def where(plan: Plan) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {placement.instance: (placement.host, placement.gpus) for placement in plan.placements}


def entry(plan: Plan, instance: str) -> Entry:
    found = plan.entries[instance]
    assert isinstance(found, Entry)
    return found


def errors(plan: Plan) -> list[Finding]:
    return [finding for finding in plan.findings if finding.severity is Severity.ERROR]
