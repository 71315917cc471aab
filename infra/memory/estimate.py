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
from infra.memory.observed import Observed, Terms, pool_of, preferred
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
    least = min(range(len(stages)), key=lambda number: (stages[number].concurrency.value, stages[number].pool.value))
    return stages[least] if spec.measured is None else stage_estimate(spec, least, spec.measured)


def stage_estimate(spec: EngineSpec, stage: int, seen: Observed | None = None) -> Estimate:
    """Return the terms of one pipeline stage; every log line but the pool's is one rank's own.

    What was seen of this very engine (`seen`) is preferred to what is computed.
    """
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
    terms = Terms(
        weights=weights + lora_bytes(spec),
        activation=activation_bytes(spec, samples=stage == spec.parallel.pipeline - 1),
        non_torch=non_torch_bytes(spec) + cold_copy_bytes(spec),
        graphs=graph_bytes(spec),
        counted_graphs=None if spec.graphs_are_outside else counted_graph_bytes(spec),
    )
    terms, pool = _settled(spec, terms, seen)
    layout = layout_of(
        architecture,
        spec.parallel,
        layers=layers,
        element_bytes=spec.element_bytes,
        kv_cache_dtype=spec.kv_cache_dtype,
        block_size=spec.blocks,
        behaviour=spec.behaviour,
    )
    sizes = (spec.requested, terms.weights, terms.activation, terms.non_torch, terms.graphs, pool)
    if layout is None:
        return Estimate(*sizes, 0, ZERO, ZERO, spec.tokens, None)
    tokens, batched = spec.tokens, spec.batched_tokens
    return Estimate(
        *sizes,
        needed_bytes=layout.request_bytes(tokens, batched),
        tokens=_each(pool, lambda size: _printed_tokens(layout, size, spec)),
        concurrency=_each(pool, lambda size: layout.blocks_in(size) / max(1, layout.request_blocks(tokens, batched))),
        longest_context=layout.longest_context(pool.value, batched, max(tokens, architecture.default_context)),
        layout=layout,
    )


def _settled(spec: EngineSpec, terms: Terms, seen: Observed | None) -> tuple[Terms, Interval]:
    """Return the terms and the pool they leave, as computed or as seen."""
    found = None
    if seen is not None:
        is_unified = spec.card.kind is not None and spec.card.kind.unified_memory
        terms = preferred(terms, seen, is_stage=spec.parallel.pipeline > 1, is_unified=is_unified)
        found = pool_of(spec.requested, spec.share, seen, is_unified=is_unified)
    if spec.kv_cache_bytes is not None:
        return terms, Interval.exact(spec.kv_cache_bytes)
    return terms, found if found is not None else spec.requested - terms.non_kv


def _each(pool: Interval, count: Callable[[float], float]) -> Interval:
    return Interval(count(pool.low), count(pool.value), count(pool.high))


def _printed_tokens(layout: CacheLayout, pool_bytes: float, spec: EngineSpec) -> float:
    """Return the figure of "GPU KV cache size": per group up to 0.20.1, concurrency times context from then on."""
    blocks = layout.blocks_in(pool_bytes)
    if spec.behaviour.tokens_from_concurrency and layout.number_of_groups > 1:
        return float(int(blocks / layout.request_blocks(spec.tokens, spec.batched_tokens) * spec.tokens))
    return float(blocks // layout.number_of_groups * layout.block_size)
