"""Buffers for LoRA adapters, which vLLM allocates with the weights.

Source: vllm/lora/layers/*.py create_lora_weights: per adapted module a stacked A (rank x input) and B (output x rank).
"""

from __future__ import annotations

from typing import Final

from infra.interval import ZERO, Interval
from infra.memory.architecture import Architecture, Attention, Dense, Moe
from infra.memory.engine import EngineSpec

_EXPERTS_SINCE: Final = (0, 11, 1)
_EMBEDDING_MODULES: Final = ("Llama", "Mistral")
_QWEN3_EMBEDDINGS_SINCE: Final = (0, 16)
# lora_extra_vocab_size
_EXTRA_ROWS: Final = 256
_EXTRA_ROWS_UNTIL: Final = (0, 12)


def lora_bytes(spec: EngineSpec) -> Interval:
    """Return the bytes of `max_loras` adapters' stacked buffers on one rank."""
    architecture = spec.checkpoint.architecture
    if architecture is None or spec.max_loras == 0:
        return ZERO
    hidden, tensor = architecture.hidden, spec.parallel.tensor
    elements = 0.0
    for layer, count in architecture.layer_counts.items():
        width = 0.0
        if isinstance(layer.mixer, Attention):
            q = layer.mixer.heads * layer.mixer.head_dim
            kv = layer.mixer.kv_heads * layer.mixer.head_dim
            # A of q, k, v and o are whole on every rank, B of the split outputs are not.
            width += 3 * hidden + (q + 2 * kv) / tensor + q / tensor + hidden
        for part in layer.feed_forward:
            width += _feed_forward(part, hidden, spec)
        elements += width * count
    elements += _embeddings(architecture, spec.behaviour.version)
    size = elements * spec.max_loras * spec.max_lora_rank * spec.dtype_bytes
    return Interval(size * 0.9, size, size * 1.2)


def _feed_forward(part: Dense | Moe, hidden: int, spec: EngineSpec) -> float:
    """Return the rows and columns of one block's adapters: gate, up and down, of every expert from 0.11.1 on."""
    if isinstance(part, Dense):
        return 3 * hidden + 3 * part.intermediate / spec.parallel.tensor
    shared = 3 * hidden + 3 * part.shared_intermediate / spec.parallel.tensor if part.shared_intermediate else 0.0
    if spec.behaviour.version < _EXPERTS_SINCE:
        return shared
    return shared + part.experts * (3 * hidden + 3 * part.intermediate / spec.parallel.expert_ranks)


def _embeddings(architecture: Architecture, version: tuple[int, ...]) -> float:
    """Return what embedding and output head add: models that name them as modules, and the rows for added tokens."""
    named = architecture.name.startswith(_EMBEDDING_MODULES) or (
        architecture.name.startswith("Qwen3") and version >= _QWEN3_EMBEDDINGS_SINCE
    )
    if not named:
        return 0.0
    extra = _EXTRA_ROWS if version < _EXTRA_ROWS_UNTIL else 0
    head = -(-architecture.vocab // 256) * 256
    return architecture.vocab + extra + architecture.hidden + architecture.hidden + head
