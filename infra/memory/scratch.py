"""Scratch that kernels keep for good once the profile run has asked for it (vllm/v1/worker/workspace.py, 0.14 on)."""

from __future__ import annotations

from typing import Final

from infra.interval import ZERO, Interval
from infra.memory.architecture import Architecture, Mla, Moe
from infra.memory.engine import EngineSpec

_MIB: Final = 2**20
MOE_KEPT_SINCE: Final = (0, 14)
# v1/attention/backends/mla/{flashmla_sparse,indexer}.py: rows per token of context, and bytes per row.
_SPARSE_PREFILL_ROWS: Final = 5
_GATHER_ROWS: Final = 40
_GATHER_BYTES: Final = 132
_INDEXER_LOGITS_SINCE: Final = (0, 19)
_INDEXER_LOGITS_BYTES: Final = 512 * _MIB


def scratch_bytes(spec: EngineSpec, architecture: Architecture) -> Interval:
    """Return what expert kernels and sparse attention keep; it adds to whatever else is the peak."""
    if spec.behaviour.version < MOE_KEPT_SINCE:
        return ZERO
    return _experts(spec, architecture) + _sparse_attention(spec, architecture)


def _experts(spec: EngineSpec, architecture: Architecture) -> Interval:
    """Return the scratch of expert kernels.

    gpt-oss has kernels of its own that keep none; how others choose theirs isn't modelled, hence the wide bounds.
    """
    parts = {part for layer in architecture.layer_counts for part in layer.feed_forward}
    blocks = [part for part in parts if isinstance(part, Moe)]
    if not blocks or architecture.name.startswith("GptOss"):
        return ZERO
    block = max(blocks, key=lambda part: part.active * part.intermediate)
    width = block.intermediate / spec.parallel.expert_ranks
    inner = block.latent or architecture.hidden
    size = spec.batched_tokens * block.active * (max(width, inner) + max(2 * width, inner)) * 2
    return Interval(size * 0.5, size, size * 1.4)


def _sparse_attention(spec: EngineSpec, architecture: Architecture) -> Interval:
    """Return the workspaces of DeepSeek's sparse attention, which grow with the context: the larger one is kept."""
    latent = next((mixer for mixer in architecture.mixers if isinstance(mixer, Mla)), None)
    if latent is None or latent.indexer is None:
        return ZERO
    row = (latent.kv_lora_rank + latent.rope_dim) * 2
    gather = _GATHER_ROWS * spec.tokens * _GATHER_BYTES
    prefill = _SPARSE_PREFILL_ROWS * spec.tokens * row if spec.kv_cache_dtype == "fp8_ds_mla" else 0
    # The indexer's logits are given back, but they are the peak where nothing else is larger.
    logits = _INDEXER_LOGITS_BYTES if spec.behaviour.version >= _INDEXER_LOGITS_SINCE else 0
    kept = float(max(gather, prefill))
    return Interval(0.5 * kept, kept, kept + logits)
