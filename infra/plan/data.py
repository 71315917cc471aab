"""The plan as plain values, for --json, for stack outputs and for pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.interval import GIB
from infra.plan.ledger import CardRow, Entry
from infra.plan.machine import CpuEntry, HostRow
from infra.plan.plan import Plan


def plan_data(plan: Plan) -> Mapping[str, Any]:
    """Return everything that is decided, with sizes in GiB and the bounds of every term."""
    return {
        "stack": plan.stack,
        "extends": plan.extends,
        "vllm_version": plan.vllm_version,
        "placements": [
            {
                **vars(placement),
                "gpus": list(placement.gpus),
                "after": list(placement.after),
                "restart": vars(placement.restart),
                "start": vars(placement.start),
            }
            for placement in plan.placements
        ],
        "cards": [_card(row) for row in plan.cards],
        "break_even": [vars(row) for row in plan.costs],
        "hosts": [_host(row) for row in plan.hosts],
        "findings": [
            {"path": one.path, "problem": one.problem, "fix": one.fix, "severity": str(one.severity)}
            for one in plan.findings
        ],
    }


def _card(row: CardRow) -> Mapping[str, Any]:
    return {
        "host": row.slot.host,
        "id": row.slot.id,
        "name": row.slot.card.name,
        "memory_gib": row.slot.card.memory.in_gib(),
        "is_measured": row.slot.card.is_measured,
        "left_gib": round(row.left_bytes / GIB, 3),
        "engines": [_entry(entry) for entry in row.entries],
    }


def _entry(entry: Entry) -> Mapping[str, Any]:
    figures = entry.judgement.estimate
    terms: dict[str, Any] = {}
    if figures is not None:
        terms = {
            "requested_gib": figures.requested.in_gib(),
            "weights_gib": figures.weights.in_gib(),
            "activation_gib": figures.activation.in_gib(),
            "non_torch_gib": figures.non_torch.in_gib(),
            "cuda_graph_gib": figures.graphs.in_gib(),
            "kv_cache_gib": figures.pool.in_gib(),
            "kv_cache_is_pinned": entry.spec.kv_cache_bytes is not None,
            "needed_gib": round(figures.needed_bytes / GIB, 3),
            "kv_cache_tokens": figures.tokens.rounded(0),
            "max_concurrency": figures.concurrency.rounded(2),
            "longest_context": figures.longest_context,
        }
    return {
        "instance": entry.instance,
        "model": entry.model,
        "verdict": str(entry.verdict),
        "reasons": list(entry.reasons),
        "fixes": [fix.text for fix in entry.fixes],
        "override": entry.override,
        "fraction": entry.spec.share,
        "measured": _origin(entry),
        "context": entry.spec.tokens,
        "free_at_start_gib": entry.free_bytes.in_gib(),
        **terms,
    }


def _host(row: HostRow) -> Mapping[str, Any]:
    return {
        "name": row.name,
        "memory_gib": round(row.memory_bytes / GIB, 3) if row.memory_bytes else None,
        "ram_gib": row.ram.in_gib(),
        "disk_gib": round(row.disk_bytes / GIB, 1),
        "notes": list(row.notes),
        "engines": [_cpu_entry(entry) for entry in row.entries],
    }


def _cpu_entry(entry: CpuEntry) -> Mapping[str, Any]:
    judged = entry.judgement
    return {
        "instance": entry.instance,
        "model": entry.model,
        "verdict": str(entry.verdict),
        "reasons": list(entry.reasons),
        "override": entry.override,
        "measured": _origin(entry),
        "context": entry.spec.tokens,
        "ram_gib": judged.ram.in_gib(),
        "weights_gib": judged.weights.in_gib(),
        "kv_cache_gib": round(judged.pool_bytes / GIB, 3),
        "kv_cache_tokens": judged.tokens,
        "max_concurrency": round(judged.concurrency, 2),
    }


def _origin(entry: Entry | CpuEntry) -> str | None:
    """Say when and where the figures were seen; None where they are computed."""
    return entry.spec.measured.origin if entry.spec.measured is not None else None
