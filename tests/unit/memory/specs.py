"""Engines for tests: everything has a value, so that a test names only what it is about."""

from __future__ import annotations

from typing import Any

from infra.catalogue.gpus import find_gpu
from infra.catalogue.versions import behaviour_of
from infra.interval import GIB, Interval
from infra.memory.checkpoint import checkpoint_of
from infra.memory.engine import Card, EngineSpec
from infra.memory.weights import Parallel

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"


def card(name: str, gib: float | None = None) -> Card:
    kind = find_gpu(name)
    assert kind is not None, name
    return Card(kind.name, Interval.exact(gib * GIB) if gib else kind.memory, kind)


def engine(
    model: str = LLAMA,
    *,
    gpu: str = "H100 80GB",
    gib: float | None = None,
    version: str = "0.19.0",
    quantization: str | None = None,
    tp: int = 1,
    pp: int = 1,
    expert: bool = False,
    **flags: Any,
) -> EngineSpec:
    """Return an engine on one kind of card; `flags` are fields of EngineSpec."""
    on = card(gpu, gib)
    capability = on.kind.compute_capability if on.kind else None
    checkpoint = checkpoint_of(model, quantization)
    assert checkpoint.architecture is not None, checkpoint.unknown
    parallel = Parallel(tensor=tp, pipeline=pp, expert=expert)
    return EngineSpec(checkpoint, on, behaviour_of(version, capability), parallel, **flags)
