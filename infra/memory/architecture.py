"""A model's shape, in the planner's words: layers of a few kinds, and what stands before and behind them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal


@dataclass(frozen=True)
class Attention:
    """Softmax attention with a K and a V vector per token and head (MHA, GQA, MQA).

    `window` is how many tokens back it looks (None: all), `chunk` the length of local chunks. A layer that
    `shares_kv` reads the cache of an earlier one and has no K, V projections of its own to fill it.
    """

    heads: int
    kv_heads: int
    head_dim: int
    v_head_dim: int
    window: int | None = None
    chunk: int | None = None
    qkv_bias: bool = False
    out_bias: bool = False
    qk_norm: bool = False
    gated: bool = False
    sinks: bool = False
    shares_kv: bool = False
    k_is_v: bool = False


@dataclass(frozen=True)
class Indexer:
    """The small attention of DeepSeek's sparse attention that picks which tokens the large one reads."""

    heads: int
    head_dim: int


@dataclass(frozen=True)
class Mla:
    """Multi-head latent attention: one compressed vector per token, the same on every tensor-parallel rank."""

    heads: int
    q_lora_rank: int | None
    kv_lora_rank: int
    rope_dim: int
    nope_dim: int
    v_dim: int
    indexer: Indexer | None = None


@dataclass(frozen=True)
class State:
    """A layer with a state of fixed size per request: Mamba, gated delta net, linear attention.

    `conv_elements` are kept in the model's dtype, `ssm_elements` in `ssm_bytes` each; both are split by tensor
    parallel. `parameters` counts the mixer's split weights, `replicated_parameters` the others.
    """

    kind: str
    conv_elements: int
    ssm_elements: int
    ssm_bytes: int
    parameters: int
    replicated_parameters: int = 0


@dataclass(frozen=True)
class Dense:
    """A feed-forward block; gated ones (SwiGLU) have three matrices, plain ones two."""

    intermediate: int
    gated: bool = True
    bias: bool = False


@dataclass(frozen=True)
class Moe:
    """A mixture of experts; `shared_intermediate` is the width of the experts that every token takes.

    `latent` is the width that tokens are projected to before the experts, where it isn't the model's own.
    """

    experts: int
    active: int
    intermediate: int
    shared_intermediate: int = 0
    shared_gate: bool = False
    bias: bool = False
    gated: bool = True
    latent: int | None = None


Mixer = Attention | Mla | State
FeedForward = Dense | Moe


@dataclass(frozen=True)
class Layer:
    """One block of the stack: a mixer, feed-forward parts, and how many vectors of the hidden width its norms hold."""

    mixer: Mixer | None
    feed_forward: tuple[FeedForward, ...]
    norms: int = 2


@dataclass(frozen=True)
class Vision:
    """The encoder beside the language model; its weights stay 16 bit and are mostly held by every rank.

    `tokens_max` is the most embeddings one picture makes, the size that the profile run uses (None: unknown);
    `patches` and `pixel_values` are that picture's. Each embedding has `levels` vectors of the model's width.
    """

    parameters: int
    hidden: int
    layers: int
    intermediate: int
    tokens_max: int | None
    patches: int
    pixel_values: int
    levels: int = 1


@dataclass(frozen=True, eq=False)
class Architecture:
    """Everything about a checkpoint's shape that memory depends on; all counts are per whole model.

    `role`: a `decoder` answers with tokens, a `pooler` is one without output head that answers with a vector, an
    `encoder` reads both ways and keeps no cache.

    Compared by identity: a shape is read once, and hashing a hundred layers at every look into a cache is slow.
    """

    name: str
    hidden: int
    vocab: int
    layers: tuple[Layer, ...]
    tied_embeddings: bool
    max_position: int
    default_context: int
    stored_dtype: str
    role: Literal["decoder", "pooler", "encoder"] = "decoder"
    vision: Vision | None = None
    learned_positions: int = 0
    embedding_dim: int = 0
    per_layer_embedding_parameters: int = 0
    final_norms: int = 1
    mtp_layers: int = 0
    rotary_elements: int = 0
    quantization: Mapping[str, object] = field(default_factory=dict)

    @cached_property
    def layer_counts(self) -> Mapping[Layer, int]:
        """How many layers of each kind there are, in the order of their first appearance."""
        return Counter(self.layers)

    @cached_property
    def mixers(self) -> Mapping[Mixer, int]:
        """How many mixers of each kind there are."""
        return Counter(layer.mixer for layer in self.layers if layer.mixer is not None)

    @property
    def heads(self) -> int:
        """Attention heads that tensor parallel must divide; the largest count over the layers, 1 without any."""
        return max((mixer.heads for mixer in self.mixers if not isinstance(mixer, State)), default=1)

    @property
    def is_moe(self) -> bool:
        """Whether some layer has experts."""
        return any(isinstance(part, Moe) for layer in self.layer_counts for part in layer.feed_forward)

    @property
    def has_mla(self) -> bool:
        """Whether some layer has latent attention."""
        return any(isinstance(mixer, Mla) for mixer in self.mixers)

    @property
    def has_state(self) -> bool:
        """Whether some layer keeps a state of fixed size per request."""
        return any(isinstance(mixer, State) for mixer in self.mixers)
