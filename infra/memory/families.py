"""Layers of the architectures that are made of attention and feed-forward blocks, read from config.json.

Sources: the classes of vllm/model_executor/models (0.33.0) and the defaults of the transformers configuration
classes for keys that a config.json may leave out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from infra.memory.architecture import Attention, Dense, FeedForward, Indexer, Layer, Mla, Moe
from infra.memory.keys import Keys


@dataclass(frozen=True)
class Traits:
    """What a config.json doesn't say because the architecture's code does."""

    qkv_bias: bool = False
    out_bias: bool = False
    qk_norm: bool = False
    gated_mlp: bool = True
    mlp_bias: bool = False
    norms: int = 2
    norm_has_bias: bool = False
    tied: bool = False
    tied_always: bool = False
    sliding_pattern: int | None = None
    shared_gate: bool = False
    sinks: bool = False
    final_norms: int = 1


LLAMA: Final = Traits()
_GEMMA: Final = Traits(tied=True)
TRAITS: Final[dict[str, Traits]] = {
    "LlamaForCausalLM": LLAMA,
    "LLaMAForCausalLM": LLAMA,
    "MistralForCausalLM": LLAMA,
    "MinistralForCausalLM": LLAMA,
    "Ministral3ForCausalLM": LLAMA,
    "InternLM2ForCausalLM": LLAMA,
    "InternLM3ForCausalLM": LLAMA,
    "YiForCausalLM": LLAMA,
    "ExaoneForCausalLM": LLAMA,
    "SmolLM3ForCausalLM": Traits(tied=True),
    "GraniteForCausalLM": LLAMA,
    "Phi3ForCausalLM": LLAMA,
    "PhiForCausalLM": Traits(qkv_bias=True, out_bias=True, gated_mlp=False, mlp_bias=True, norms=1, norm_has_bias=True),
    "Qwen2ForCausalLM": Traits(qkv_bias=True),
    "Qwen3ForCausalLM": Traits(qk_norm=True),
    "GemmaForCausalLM": _GEMMA,
    "Gemma2ForCausalLM": replace(_GEMMA, norms=4, sliding_pattern=2),
    "Gemma3ForCausalLM": replace(_GEMMA, norms=4, qk_norm=True, sliding_pattern=6),
    "Gemma4ForCausalLM": replace(_GEMMA, norms=4, qk_norm=True, sliding_pattern=6),
    "GlmForCausalLM": Traits(qkv_bias=True),
    "Glm4ForCausalLM": Traits(qkv_bias=True, norms=4),
    "Olmo2ForCausalLM": LLAMA,
    "OLMoForCausalLM": Traits(norms=0, final_norms=0),
    "StableLmForCausalLM": Traits(norm_has_bias=True),
    "Starcoder2ForCausalLM": Traits(
        qkv_bias=True, out_bias=True, gated_mlp=False, mlp_bias=True, norm_has_bias=True, tied=True
    ),
    "CohereForCausalLM": Traits(norms=1, tied=True, tied_always=True),
    "Cohere2ForCausalLM": Traits(norms=1, tied=True, tied_always=True, sliding_pattern=4),
    "OPTForCausalLM": Traits(
        qkv_bias=True, out_bias=True, gated_mlp=False, mlp_bias=True, norm_has_bias=True, tied=True
    ),
    "NemotronForCausalLM": Traits(gated_mlp=False, norm_has_bias=True),
    "SeedOssForCausalLM": Traits(qkv_bias=True),
    "MixtralForCausalLM": LLAMA,
    "Qwen2MoeForCausalLM": Traits(qkv_bias=True, shared_gate=True),
    "Qwen3MoeForCausalLM": Traits(qk_norm=True),
    "GptOssForCausalLM": Traits(qkv_bias=True, out_bias=True, mlp_bias=True, sinks=True, sliding_pattern=2),
    "Glm4MoeForCausalLM": LLAMA,
    "MiniMaxM2ForCausalLM": Traits(),
    "OlmoeForCausalLM": LLAMA,
    "Llama4ForCausalLM": LLAMA,
    "DeepseekForCausalLM": LLAMA,
    "DeepseekV2ForCausalLM": LLAMA,
    "DeepseekV3ForCausalLM": LLAMA,
    "DeepseekV32ForCausalLM": LLAMA,
    "GlmMoeDsaForCausalLM": LLAMA,
    "Glm4MoeLiteForCausalLM": LLAMA,
}
# Encoders: each block has biases everywhere and layer norms with a bias.
ENCODERS: Final[dict[str, Traits]] = {
    name: Traits(qkv_bias=True, out_bias=True, gated_mlp=False, mlp_bias=True, norm_has_bias=True, final_norms=1)
    for stem in ("Bert", "Roberta", "XLMRoberta")
    for name in (f"{stem}Model", f"{stem}ForSequenceClassification", f"{stem}ForMaskedLM")
}


def attention(keys: Keys, traits: Traits) -> Attention:
    """Return the attention that the model's layers have unless a layer says otherwise."""
    heads = keys.integer("num_attention_heads", "n_head")
    head_dim = keys.optional("head_dim", "attention_head_dim") or keys.integer("hidden_size", "n_embd") // max(1, heads)
    biased = keys.flag("attention_bias", "qkv_bias", default=traits.qkv_bias)
    # Llama's attention_bias also puts one on the output; Qwen and GLM have it on Q, K, V only.
    out_bias = traits.out_bias or (keys.flag("attention_bias") and not traits.qkv_bias and traits is LLAMA)
    return Attention(
        heads=heads,
        kv_heads=keys.integer("num_key_value_heads", "num_kv_heads", default=heads),
        head_dim=head_dim,
        v_head_dim=keys.integer("v_head_dim", default=head_dim) if "kv_lora_rank" not in keys else head_dim,
        qkv_bias=biased,
        out_bias=out_bias,
        qk_norm=traits.qk_norm or keys.flag("use_qk_norm"),
        gated=keys.flag("attn_output_gate"),
        sinks=traits.sinks,
    )


def mla(keys: Keys) -> Mla:
    """Return the latent attention of a DeepSeek-like model."""
    indexer = None
    if "index_n_heads" in keys:
        indexer = Indexer(keys.integer("index_n_heads"), keys.integer("index_head_dim"))
    return Mla(
        heads=keys.integer("num_attention_heads"),
        q_lora_rank=keys.optional("q_lora_rank"),
        kv_lora_rank=keys.integer("kv_lora_rank"),
        rope_dim=keys.integer("qk_rope_head_dim"),
        nope_dim=keys.integer("qk_nope_head_dim"),
        v_dim=keys.integer("v_head_dim"),
        indexer=indexer,
    )


def decoder_layers(keys: Keys, traits: Traits) -> tuple[Layer, ...]:
    """Return the layers of a model made of attention and feed-forward blocks."""
    count = keys.integer("num_hidden_layers", "n_layer")
    feed_forward = _feed_forward_of(keys, traits)
    norms = traits.norms * (2 if traits.norm_has_bias else 1)
    if "kv_lora_rank" in keys:
        latent = mla(keys)
        return tuple(Layer(latent, (feed_forward(index),), norms) for index in range(count))
    base = attention(keys, traits)
    windows = _windows(keys, traits, count)
    chunk = keys.optional("attention_chunk_size")
    layers = []
    for index in range(count):
        mixer = replace(base, window=windows[index])
        if chunk is not None and _is_chunked(keys, index):
            mixer = replace(base, chunk=chunk)
        layers.append(Layer(mixer, (feed_forward(index),), norms))
    return tuple(layers)


def moe(keys: Keys, traits: Traits) -> Moe | None:
    """Return the experts of a layer that has them."""
    experts = keys.optional("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")
    if experts is None:
        return None
    width = keys.integer("moe_intermediate_size", "intermediate_size")
    shared = keys.integer("shared_expert_intermediate_size", "shared_intermediate_size", default=0)
    shared = shared or keys.integer("n_shared_experts", "num_shared_experts", default=0) * width
    if keys.text("model_type").startswith("llama4"):
        width = shared = keys.integer("intermediate_size")
    return Moe(
        experts=experts,
        active=keys.integer("num_experts_per_tok", "moe_topk", "top_k_experts", default=1),
        intermediate=width,
        shared_intermediate=shared,
        shared_gate=traits.shared_gate,
        bias=traits.mlp_bias,
    )


def _feed_forward_of(keys: Keys, traits: Traits) -> Callable[[int], FeedForward]:
    experts = moe(keys, traits)
    width = keys.optional("intermediate_size_mlp", "intermediate_size", "ffn_dim", "n_inner")
    dense = Dense(width or 4 * keys.integer("hidden_size", "n_embd"), traits.gated_mlp, traits.mlp_bias)
    if experts is None:
        return lambda _: dense
    first_dense = keys.integer("first_k_dense_replace", default=0)
    step = keys.integer("decoder_sparse_step", "interleave_moe_layer_step", default=1)
    plain = {int(name) for name in keys.names("mlp_only_layers") if name.isdigit()}
    frequency = keys.any("moe_layer_freq")

    def at(index: int) -> FeedForward:
        if isinstance(frequency, list) and index < len(frequency):
            return experts if frequency[index] else dense
        sparse = index >= first_dense and index not in plain and (index + 1) % max(1, step) == 0
        return experts if sparse else dense

    return at


def _windows(keys: Keys, traits: Traits, count: int) -> list[int | None]:
    window = keys.optional("sliding_window")
    if window is None or keys.any("use_sliding_window") is False:
        return [None] * count
    kinds = keys.names("layer_types")
    if len(kinds) == count:
        return [window if "sliding" in kind else None for kind in kinds]
    pattern = keys.optional("sliding_window_pattern", "_sliding_window_pattern") or traits.sliding_pattern
    if pattern is None:
        # Mistral 0.1 and the like: every layer has the window.
        return [window] * count
    if pattern == 2:  # noqa: PLR2004 - every second layer, and the first is local (Gemma 2, gpt-oss)
        return [window if index % 2 == 0 else None for index in range(count)]
    return [None if (index + 1) % pattern == 0 else window for index in range(count)]


def _is_chunked(keys: Keys, index: int) -> bool:
    """Whether a Llama 4 layer sees its chunk only: the layers without rotary positions see everything."""
    full = {int(name) for name in keys.names("no_rope_layers") if name.isdigit()}
    if len(full) > 0 and full <= {0, 1}:
        flags = keys.any("no_rope_layers")
        return bool(flags[index]) if index < len(flags) else True
    return (index + 1) % keys.integer("no_rope_layer_interval", default=4) != 0
