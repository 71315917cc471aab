"""One engine's memory on its cards, term by term, and what is left for the KV cache."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from infra.interval import ZERO, Interval
from infra.memory.activation import activation_bytes, cold_copy_bytes
from infra.memory.engine import EngineSpec
from infra.memory.kv_cache import CacheLayout, layout_of
from infra.memory.lora import lora_bytes
from infra.memory.overhead import counted_graph_bytes, graph_bytes, non_torch_bytes
from infra.memory.weights import pipeline_stages, weights_bytes


@dataclass(frozen=True)
class Estimate:
    """What one rank of an engine takes of its card, in bytes. `pool` may be negative: then nothing is left.

    `needed_bytes` is the smallest pool that serves one request of the whole context; `tokens` is what vLLM will
    print as "GPU KV cache size", `concurrency` how many requests of the whole context fit at once.
    """

    requested: Interval
    weights: Interval
    activation: Interval
    non_torch: Interval
    graphs: Interval
    pool: Interval
    needed_bytes: int
    tokens: Interval
    concurrency: Interval
    longest_context: int
    layout: CacheLayout | None


@lru_cache(maxsize=8192)
def estimate(spec: EngineSpec) -> Estimate | None:
    """Return the terms of the rank that has the least room; None for an unknown architecture."""
    if spec.checkpoint.architecture is None:
        return None
    stages = [stage_estimate(spec, stage) for stage in range(spec.parallel.pipeline)]
    return min(stages, key=lambda stage: (stage.concurrency.value, stage.pool.value))


def stage_estimate(spec: EngineSpec, stage: int) -> Estimate:
    """Return the terms of one pipeline stage; every log line but the pool's is one rank's own."""
    architecture = spec.checkpoint.architecture
    assert architecture is not None
    layers = pipeline_stages(len(architecture.layers), spec.parallel.pipeline, spec.behaviour.version)[stage]
    weights = weights_bytes(
        architecture,
        spec.checkpoint.quantization,
        spec.parallel,
        layers=layers,
        dtype_bytes=spec.dtype_bytes,
        kind=spec.card.kind,
        version=spec.behaviour.version,
        text_only=spec.text_only,
    )
    below, above = spec.checkpoint.weight_doubt
    weights = Interval(weights.low * (1 - below), weights.value, weights.high * (1 + above))
    weights += lora_bytes(spec)
    activation = activation_bytes(spec, samples=stage == spec.parallel.pipeline - 1)
    non_torch = non_torch_bytes(spec) + cold_copy_bytes(spec)
    graphs = graph_bytes(spec)
    pool = spec.requested - weights - activation - non_torch - counted_graph_bytes(spec)
    if spec.kv_cache_bytes is not None:
        pool = Interval.exact(spec.kv_cache_bytes)
    layout = layout_of(
        architecture,
        spec.parallel,
        layers=layers,
        element_bytes=spec.element_bytes,
        kv_cache_dtype=spec.kv_cache_dtype,
        block_size=spec.blocks,
        behaviour=spec.behaviour,
    )
    if layout is None:
        return Estimate(spec.requested, weights, activation, non_torch, graphs, pool, 0, ZERO, ZERO, spec.tokens, None)
    tokens, batched = spec.tokens, spec.batched_tokens
    return Estimate(
        requested=spec.requested,
        weights=weights,
        activation=activation,
        non_torch=non_torch,
        graphs=graphs,
        pool=pool,
        needed_bytes=layout.request_bytes(tokens, batched),
        tokens=_each(pool, lambda size: _printed_tokens(layout, size, spec)),
        concurrency=_each(pool, lambda size: layout.blocks_in(size) / max(1, layout.request_blocks(tokens, batched))),
        longest_context=layout.longest_context(pool.value, batched, max(tokens, architecture.default_context)),
        layout=layout,
    )


def _each(pool: Interval, count: Callable[[float], float]) -> Interval:
    return Interval(count(pool.low), count(pool.value), count(pool.high))


def _printed_tokens(layout: CacheLayout, pool_bytes: float, spec: EngineSpec) -> float:
    """Return the figure of "GPU KV cache size": per group up to 0.20.1, concurrency times context from then on."""
    blocks = layout.blocks_in(pool_bytes)
    if spec.behaviour.tokens_from_concurrency and layout.number_of_groups > 1:
        return float(int(blocks / layout.request_blocks(spec.tokens, spec.batched_tokens) * spec.tokens))
    return float(blocks // layout.number_of_groups * layout.block_size)
