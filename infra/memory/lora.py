"""Buffers for LoRA adapters, which vLLM allocates with the weights.

Source: vllm/lora/layers/*.py create_lora_weights: per adapted module a stacked A (rank x input) and B (output x rank).
"""

from __future__ import annotations

from infra.interval import ZERO, Interval
from infra.memory.architecture import Attention, Dense
from infra.memory.engine import EngineSpec


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
            if isinstance(part, Dense):
                width += 2 * hidden + 2 * part.intermediate / tensor + part.intermediate / tensor + hidden
        elements += width * count
    size = elements * spec.max_loras * spec.max_lora_rank * spec.dtype_bytes
    return Interval(size * 0.9, size, size * 1.2)
