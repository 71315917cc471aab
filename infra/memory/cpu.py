"""Engines on CPU: the cache's pool, and the RAM that one engine takes.

Sources: vllm/platforms/cpu.py, vllm/v1/worker/cpu_worker.py of 0.10.2 to 0.33.0; process sizes measured on the local
stack (docs/benchmarks.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from infra.interval import GIB, Interval
from infra.memory.engine import EngineSpec
from infra.memory.kv_cache import CacheLayout, layout_of
from infra.memory.observed import DOUBT_BYTES
from infra.memory.verdict import Verdict
from infra.memory.weights import weights_bytes

# Python, torch and vLLM of one engine without weights, measured: 0.6 to 0.9 GiB.
_PROCESS_BYTES: Final = Interval(0.5 * GIB, 0.8 * GIB, 1.6 * GIB)
# Activations of a batch of 2048 tokens and compiled code.
_WORKING_SHARE: Final = 0.05
_OLD_DEFAULT_POOL: Final = 4 * GIB
_SHARE_SINCE: Final = (0, 13)
_WHOLE_SHARE_SINCE: Final = (0, 20)
_HALF: Final = 0.5
_BLOCK: Final = 128
_OLD_BLOCK: Final = 16
_BLOCK_SINCE: Final = (0, 11, 2)


@dataclass(frozen=True)
class CpuJudgement:
    """One CPU engine: its pool, the RAM it takes, what the pool holds, and the verdict."""

    verdict: Verdict
    reasons: tuple[str, ...]
    pool_bytes: float
    weights: Interval
    ram: Interval
    tokens: int
    concurrency: float
    needed_bytes: int


def judge_cpu(spec: EngineSpec, memory_bytes: int | None) -> CpuJudgement:
    """Judge one engine on a host with so much RAM (None: nobody said)."""
    architecture = spec.checkpoint.architecture
    if architecture is None:
        pool = float(spec.kv_cache_bytes or 0)
        ram = _PROCESS_BYTES + Interval.exact(pool)
        return CpuJudgement(Verdict.UNKNOWN, (spec.checkpoint.unknown,), pool, Interval.exact(0), ram, 0, 0.0, 0)
    layers = range(len(architecture.layers))
    weights = weights_bytes(
        architecture,
        spec.checkpoint.quantization,
        spec.parallel,
        layers=layers,
        dtype_bytes=spec.dtype_bytes,
        kind=None,
        version=spec.behaviour.version,
    )
    seen = spec.measured
    if seen is not None and seen.weights_bytes is not None:
        weights = Interval.around(seen.weights_bytes, either_way=DOUBT_BYTES).at_least(0.0)
    working = _PROCESS_BYTES + weights.scaled(_WORKING_SHARE)
    found, reasons = _pool(spec, memory_bytes, weights + working)
    pool = found or 0.0
    ram = weights + working + Interval.exact(max(0.0, pool))
    layout = _layout(spec)
    verdict = Verdict.FITS
    needed = tokens = 0
    users = 0.0
    if layout is not None:
        blocks = layout.blocks_in(pool)
        needed = layout.request_bytes(spec.tokens, spec.batched_tokens)
        tokens = blocks * layout.block_size
        users = blocks / max(1, layout.request_blocks(spec.tokens, spec.batched_tokens))
        text = f"one request of {spec.tokens:,} tokens needs {_gib(needed)} GiB of KV cache, the pool has {_gib(pool)}"
        if found is None:
            verdict = Verdict.TIGHT
        else:
            verdict, reasons = (Verdict.NO if pool < needed else Verdict.FITS), (text, *reasons)
    if memory_bytes is not None and ram.low > memory_bytes:
        text = f"it takes {_gib(ram.value)} GiB RAM, the host has {_gib(memory_bytes)}"
        verdict, reasons = Verdict.NO, (text, *reasons)
    return CpuJudgement(verdict, reasons, pool, weights, ram, tokens, users, needed)


def _layout(spec: EngineSpec) -> CacheLayout | None:
    architecture = spec.checkpoint.architecture
    assert architecture is not None
    default = _BLOCK if spec.behaviour.version >= _BLOCK_SINCE else _OLD_BLOCK
    return layout_of(
        architecture,
        spec.parallel,
        layers=range(len(architecture.layers)),
        element_bytes=spec.element_bytes,
        kv_cache_dtype=spec.kv_cache_dtype,
        block_size=spec.block_size or default,
        behaviour=spec.behaviour,
    )


def _pool(spec: EngineSpec, memory_bytes: int | None, taken: Interval) -> tuple[float | None, tuple[str, ...]]:
    if spec.kv_cache_bytes is not None:
        return float(spec.kv_cache_bytes), ()
    version = spec.behaviour.version
    if version < _SHARE_SINCE:
        return float(_OLD_DEFAULT_POOL), ("kv_cache isn't set: this version takes 4 GiB",)
    share = spec.share if version >= _WHOLE_SHARE_SINCE else _HALF
    if memory_bytes is None:
        text = (
            f"kv_cache isn't set: it takes {share:.0%} of the host's RAM for itself, and nobody says how much that is"
        )
        return None, (text,)
    pool = memory_bytes * share - (taken.value if version >= _WHOLE_SHARE_SINCE else 0.0)
    return pool, (f"kv_cache isn't set: it takes {share:.0%} of the host's RAM for itself",)


def _gib(size: float) -> str:
    return f"{size / GIB:.2f}"
