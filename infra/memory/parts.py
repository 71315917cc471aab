"""A model's weights as a list of named parts: how many elements, who holds them, and what quantization calls them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cache

from infra.memory.architecture import Architecture, Attention, Dense, Layer, Mla, Moe, State


class Held(Enum):
    """Which share of a weight one tensor-parallel rank holds."""

    SPLIT = "split"
    KV_HEADS = "kv heads"
    EXPERTS = "experts"
    WHOLE = "whole"


@dataclass(frozen=True)
class Part:
    """One weight of a layer. `module` is its name below the layer; without one it is never quantized.

    `stored` is false for what memory holds and the checkpoint doesn't; parts of one `tensor` are allocated as one.
    """

    elements: int
    held: Held
    module: str = ""
    kv_heads: int = 1
    stored: bool = True
    tensor: str = ""

    @property
    def is_expert(self) -> bool:
        """Whether it belongs to the routed experts."""
        return self.held is Held.EXPERTS


@cache
def layer_parts(layer: Layer, hidden: int, names: str) -> tuple[Part, ...]:
    """Return the weights of one layer; `names` is the architecture's name, which decides what modules are called."""
    parts = [Part(layer.norms * hidden, Held.WHOLE)]
    match layer.mixer:
        case Attention() as mixer:
            parts += _attention(mixer, hidden)
        case Mla() as mixer:
            parts += _mla(mixer, hidden)
        case State() as mixer:
            stem = "linear_attn" if mixer.kind == "gated delta net" else "mixer"
            parts.append(Part(mixer.parameters, Held.SPLIT, f"{stem}.in_proj_qkv"))
            parts.append(Part(mixer.replicated_parameters, Held.WHOLE))
        case None:
            pass
    two = len(layer.feed_forward) > 1
    for block in layer.feed_forward:
        parts += _experts(block, hidden, names, beside_dense=two) if isinstance(block, Moe) else _dense(block, hidden)
    return tuple(parts)


def parameters(architecture: Architecture) -> int:
    """Return how many parameters the language model has, tied embeddings counted once."""
    count = sum(
        part.elements * number
        for layer, number in architecture.layer_counts.items()
        for part in layer_parts(layer, architecture.hidden, architecture.name)
        if part.stored
    )
    count += architecture.vocab * architecture.hidden * (1 if architecture.tied_embeddings else 2)
    count += architecture.final_norms * architecture.hidden + architecture.learned_positions * architecture.hidden
    return count + architecture.per_layer_embedding_parameters


def _attention(mixer: Attention, hidden: int) -> list[Part]:
    q = mixer.heads * mixer.head_dim
    k, v = mixer.kv_heads * mixer.head_dim, mixer.kv_heads * mixer.v_head_dim
    out = mixer.heads * mixer.v_head_dim
    parts = [
        Part(hidden * q * (2 if mixer.gated else 1), Held.SPLIT, "self_attn.q_proj", tensor="qkv"),
        Part(out * hidden, Held.SPLIT, "self_attn.o_proj"),
    ]
    if not mixer.shares_kv:
        parts += [
            Part(hidden * k, Held.KV_HEADS, "self_attn.k_proj", mixer.kv_heads, tensor="qkv"),
            # The fused projection keeps its slot for V even where K serves as V (models/gemma4.py).
            Part(hidden * v, Held.KV_HEADS, "self_attn.v_proj", mixer.kv_heads, stored=not mixer.k_is_v, tensor="qkv"),
        ]
    if mixer.qkv_bias:
        parts += [Part(q, Held.SPLIT), Part(k + v, Held.KV_HEADS, kv_heads=mixer.kv_heads)]
    small = (hidden if mixer.out_bias else 0) + (2 * mixer.head_dim if mixer.qk_norm else 0)
    small += mixer.heads if mixer.sinks else 0
    return [*parts, Part(small, Held.WHOLE)] if small else parts


def _mla(mixer: Mla, hidden: int) -> list[Part]:
    q_width = mixer.heads * (mixer.nope_dim + mixer.rope_dim)
    parts = []
    if mixer.q_lora_rank is None:
        parts.append(Part(hidden * q_width, Held.SPLIT, "self_attn.q_proj"))
    else:
        parts += [
            Part(hidden * mixer.q_lora_rank, Held.WHOLE, "self_attn.q_a_proj"),
            Part(mixer.q_lora_rank * q_width, Held.SPLIT, "self_attn.q_b_proj"),
            Part(mixer.q_lora_rank, Held.WHOLE),
        ]
    up = mixer.kv_lora_rank * mixer.heads * (mixer.nope_dim + mixer.v_dim)
    parts += [
        Part(hidden * (mixer.kv_lora_rank + mixer.rope_dim), Held.WHOLE, "self_attn.kv_a_proj_with_mqa"),
        Part(up, Held.SPLIT, "self_attn.kv_b_proj"),
        Part(mixer.heads * mixer.v_dim * hidden, Held.SPLIT, "self_attn.o_proj"),
        Part(mixer.kv_lora_rank, Held.WHOLE),
    ]
    if mixer.indexer is not None:
        width = mixer.indexer.heads * mixer.indexer.head_dim
        parts += [
            Part((mixer.q_lora_rank or hidden) * width, Held.WHOLE, "self_attn.indexer.wq_b"),
            Part(hidden * mixer.indexer.head_dim, Held.WHOLE, "self_attn.indexer.wk"),
            Part(hidden * mixer.indexer.heads + 2 * mixer.indexer.head_dim, Held.WHOLE),
        ]
    return parts


def _dense(block: Dense, hidden: int) -> list[Part]:
    width = block.intermediate
    parts = [
        Part(hidden * width * (2 if block.gated else 1), Held.SPLIT, "mlp.gate_proj" if block.gated else "mlp.up_proj"),
        Part(width * hidden, Held.SPLIT, "mlp.down_proj"),
    ]
    if block.bias:
        parts += [Part(width * (2 if block.gated else 1), Held.SPLIT), Part(hidden, Held.WHOLE)]
    return parts


def _experts(block: Moe, hidden: int, names: str, *, beside_dense: bool) -> list[Part]:
    if beside_dense:
        stem = ""
    elif names.startswith(("Mixtral", "MiniMax")):
        stem = "block_sparse_moe."
    else:
        stem = "mixer." if names.startswith("NemotronH") else "mlp."
    shared = "shared_experts" if not names.startswith("Qwen") else "shared_expert"
    inner = block.latent or hidden
    matrices = 3 if block.gated else 2
    parts = [
        Part(block.experts * (matrices - 1) * inner * block.intermediate, Held.EXPERTS, f"{stem}experts.0.up_proj"),
        Part(block.experts * inner * block.intermediate, Held.EXPERTS, f"{stem}experts.0.down_proj"),
        Part(hidden * block.experts + (block.experts if block.bias else 0), Held.WHOLE, f"{stem}gate"),
    ]
    if block.bias:
        parts.append(Part(block.experts * (2 * block.intermediate + hidden), Held.EXPERTS))
    if block.shared_intermediate:
        count = matrices * hidden * block.shared_intermediate
        parts.append(Part(count, Held.SPLIT, f"{stem}{shared}.down_proj"))
    if block.shared_gate and block.shared_intermediate:
        parts.append(Part(hidden, Held.WHOLE))
    if block.latent:
        parts.append(Part(2 * hidden * block.latent, Held.WHOLE, f"{stem}latent_proj"))
    return parts
