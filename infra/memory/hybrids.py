"""Layers of the architectures that mix attention with states of fixed size, or differ from layer to layer.

Sources: vllm/model_executor/layers/mamba/mamba_utils.py (state shapes), models/qwen3_next.py, qwen3_5.py,
nemotron_h.py, granitemoehybrid.py, gemma4.py of vLLM 0.33.0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from infra.memory.architecture import Attention, Dense, FeedForward, Layer, State
from infra.memory.families import LLAMA, TRAITS, Traits, attention, moe
from infra.memory.keys import Keys, UnknownShapeError

_DTYPE_BYTES: Final = {"float32": 4, "float16": 2, "bfloat16": 2, "auto": 2, "": 2}
_QWEN_NEXT: Final = Traits(qk_norm=True, shared_gate=True)


def qwen_next_layers(keys: Keys) -> tuple[Layer, ...]:
    """Return the layers of Qwen3-Next and Qwen3.5: three gated delta nets to one gated attention."""
    state = _delta_net(keys)
    full = replace(attention(keys, _QWEN_NEXT), gated=keys.flag("attn_output_gate", default=True))
    experts = moe(keys, _QWEN_NEXT)
    feed_forward: FeedForward = experts or Dense(keys.integer("intermediate_size"))
    count = keys.integer("num_hidden_layers")
    interval = keys.integer("full_attention_interval", default=4)
    kinds = keys.names("layer_types") or [
        "full_attention" if (index + 1) % interval == 0 else "linear_attention" for index in range(count)
    ]
    return tuple(Layer(full if kind == "full_attention" else state, (feed_forward,)) for kind in kinds[:count])


def nemotron_h_layers(keys: Keys) -> tuple[Layer, ...]:
    """Return the layers of Nemotron-H and Nemotron 3, one letter each: M Mamba-2, * attention, - MLP, E experts."""
    pattern = keys.text("hybrid_override_pattern")
    state = _mamba2(
        keys,
        heads=keys.integer("mamba_num_heads"),
        head_dim=keys.integer("mamba_head_dim"),
        state_size=keys.integer("ssm_state_size"),
        groups=keys.integer("n_groups"),
        kernel=keys.integer("conv_kernel"),
    )
    experts = moe(keys, LLAMA)
    if experts is not None:
        shared = keys.integer("moe_shared_expert_intermediate_size", default=experts.shared_intermediate)
        latent = keys.optional("moe_latent_size")
        experts = replace(experts, shared_intermediate=shared, gated=False, latent=latent)
    dense = Dense(keys.integer("intermediate_size"), gated=False)
    kinds: dict[str, Layer] = {
        "M": Layer(state, (), norms=1),
        "*": Layer(attention(keys, LLAMA), (), norms=1),
        "-": Layer(None, (dense,), norms=1),
    }
    if experts is not None:
        kinds["E"] = Layer(None, (experts,), norms=1)
    if not pattern or set(pattern) - set(kinds):
        raise UnknownShapeError(f"{keys.where}: hybrid_override_pattern {pattern!r} has letters beside M * - E")
    return tuple(kinds[letter] for letter in pattern)


def granite_hybrid_layers(keys: Keys) -> tuple[Layer, ...]:
    """Return the layers of Granite 4: Mamba-2 with an attention layer here and there, each with shared experts."""
    state = _mamba2(
        keys,
        heads=keys.integer("mamba_n_heads"),
        head_dim=keys.integer("mamba_d_head"),
        state_size=keys.integer("mamba_d_state"),
        groups=keys.integer("mamba_n_groups"),
        kernel=keys.integer("mamba_d_conv"),
    )
    shared = Dense(keys.integer("shared_intermediate_size"))
    experts = moe(keys, LLAMA) if keys.optional("num_local_experts") else None
    feed_forward: tuple[FeedForward, ...] = (
        (replace(experts, shared_intermediate=shared.intermediate),) if experts else (shared,)
    )
    full = attention(keys, LLAMA)
    return tuple(Layer(full if kind == "attention" else state, feed_forward) for kind in keys.names("layer_types"))


def gemma4_layers(keys: Keys) -> tuple[Layer, ...]:
    """Return the layers of Gemma 4: local ones, and global ones with heads of another size and, often, no V."""
    traits = TRAITS["Gemma4ForCausalLM"]
    count = keys.integer("num_hidden_layers")
    kinds = keys.names("layer_types")
    if len(kinds) != count:
        raise UnknownShapeError(f"{keys.where}: layer_types has {len(kinds)} entries for {count} layers")
    local = replace(attention(keys, traits), window=keys.integer("sliding_window"))
    global_dim = keys.integer("global_head_dim", default=local.head_dim)
    k_is_v = keys.flag("attention_k_eq_v")
    far = replace(
        local,
        window=None,
        head_dim=global_dim,
        v_head_dim=global_dim,
        kv_heads=keys.integer("num_global_key_value_heads", default=local.kv_heads) if k_is_v else local.kv_heads,
        k_is_v=k_is_v,
    )
    first_shared = count - keys.integer("num_kv_shared_layers", default=0)
    wide = 2 if keys.flag("use_double_wide_mlp") else 1
    experts = moe(keys, traits) if keys.flag("enable_moe_block") else None

    def at(index: int) -> Layer:
        shares = index >= first_shared
        mixer: Attention = replace(far if kinds[index] == "full_attention" else local, shares_kv=shares)
        dense = Dense(keys.integer("intermediate_size") * (wide if shares else 1))
        parts: tuple[FeedForward, ...] = (dense, experts) if experts else (dense,)
        # The expert branch has two norms before and one behind it; every layer holds one scalar, too small to count.
        return Layer(mixer, parts, norms=traits.norms + (3 if experts else 0))

    return tuple(at(index) for index in range(count))


def _delta_net(keys: Keys) -> State:
    hidden = keys.integer("hidden_size")
    key_dim = keys.integer("linear_num_key_heads") * keys.integer("linear_key_head_dim")
    value_heads = keys.integer("linear_num_value_heads")
    value_dim = value_heads * keys.integer("linear_value_head_dim")
    kernel = keys.integer("linear_conv_kernel_dim")
    conv = 2 * key_dim + value_dim
    return State(
        kind="gated delta net",
        conv_elements=conv * (kernel - 1),
        ssm_elements=value_heads * keys.integer("linear_key_head_dim") * keys.integer("linear_value_head_dim"),
        ssm_bytes=_DTYPE_BYTES.get(keys.text("mamba_ssm_dtype"), 2),
        # Q, K, V, the output gate Z, the two gates B and A, the output projection
        parameters=hidden * (2 * key_dim + 2 * value_dim + 2 * value_heads) + value_dim * hidden,
        replicated_parameters=conv * kernel + 2 * value_heads + keys.integer("linear_value_head_dim"),
    )


def _mamba2(keys: Keys, *, heads: int, head_dim: int, state_size: int, groups: int, kernel: int) -> State:
    hidden = keys.integer("hidden_size")
    width = heads * head_dim
    conv = width + 2 * groups * state_size
    return State(
        kind="mamba2",
        conv_elements=conv * (kernel - 1),
        ssm_elements=width * state_size,
        ssm_bytes=_DTYPE_BYTES.get(keys.text("mamba_ssm_cache_dtype", "mamba_ssm_dtype"), 2),
        parameters=hidden * (2 * width + 2 * groups * state_size + heads) + width * hidden,
        replicated_parameters=conv * (kernel + 1) + 3 * heads + width,
    )


READERS: Final[dict[str, Callable[[Keys], tuple[Layer, ...]]]] = {
    "Qwen3NextForCausalLM": qwen_next_layers,
    "Qwen3_5ForCausalLM": qwen_next_layers,
    "Qwen3_5MoeForCausalLM": qwen_next_layers,
    "NemotronHForCausalLM": nemotron_h_layers,
    "GraniteMoeHybridForCausalLM": granite_hybrid_layers,
    "Gemma4ForCausalLM": gemma4_layers,
}
