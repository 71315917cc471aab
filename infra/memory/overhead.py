"""What an engine takes beside torch's own tensors: CUDA context and libraries, and CUDA graphs.

The figures per version are data (infra/catalogue/vllm.json); the graph model is fitted there to 47 logged starts.
"""

from __future__ import annotations

from typing import Final

from infra.catalogue.gpus import BLACKWELL, CONSUMER_BLACKWELL, HOPPER
from infra.interval import GIB, ZERO, Interval
from infra.memory.architecture import Architecture, Attention, Mla, Moe
from infra.memory.engine import EngineSpec

_MIB: Final = 2**20
_GRAPH_BASE: Final = 130 * _MIB
# Per captured size and layer: dense models, mixtures of experts, those with shared experts or latent attention beside
# them, whose kernels are more, and gpt-oss with kernels of its own.
_GRAPH_DENSE: Final = 0.17 * _MIB
_GRAPH_MOE: Final = 0.215 * _MIB
_GRAPH_SHARED: Final = 0.34 * _MIB
_GRAPH_GPT_OSS: Final = 0.40 * _MIB
_GRAPH_V0: Final = 0.4 * _MIB
# Stages without tensor parallel have loaded their libraries with NCCL, before vLLM looks (logged at 0.19: 0.07).
_STAGES_ONLY_GIB: Final = (0.05, 0.07, 0.25)
_LOOKS_BEHIND_NCCL_SINCE: Final = (0, 11)
# The host's page cache counts as used on unified memory: what loading leaves in it, and what it takes or gives back
# while graphs are sampled. Two loaders of one checkpoint differed by 4 to 5 GiB; estimates of graphs were up to 5.0
# on two linked GB10 (logged at 0.29), where the recorded graphs took 0.1 to 1.
_UNIFIED_GIB: Final = 2.2
_UNIFIED_CONSUMED_GIB: Final = 5.0
_UNIFIED_GRAPHS_GIB: Final = 4.0
_CONSUMED_COUNTS: Final = (0, 27)
# Logged on AMD: 0.5 to 5.5 GiB, the more with several cards; the terms are never logged apart.
_AMD_GIB: Final = (0.1, 0.6, 2.2)
# FlashAttention 3 splits each row over this many blocks while a decode graph is recorded.
_FA3_SPLITS: Final = 32
# A row of counts and one of masks per request that the second runner keeps for penalties.
_PENALTY_BYTES: Final = 4.125
# Starts of eight linked cards, 0.7 to 0.10: 2.3 to 2.5 GiB for NCCL (docs/accuracy.md).
_SMALL_GROUP: Final = 4
_LARGE_GROUP_GIB: Final = 2.3
_RUNNER_STATE_COUNTS: Final = (0, 27)


def non_torch_bytes(spec: EngineSpec) -> Interval:
    """Return CUDA context, libraries and communication buffers as far as they count against the engine's share."""
    rules, card = spec.behaviour, spec.card.kind
    if spec.parallel.tensor > 1:
        linked = card is None or card.nvlink
        low, value, high = rules.non_torch_linked_gib if linked else rules.non_torch_unlinked_gib
        if spec.parallel.tensor > _SMALL_GROUP and linked:
            value, high = max(value, _LARGE_GROUP_GIB), high + _LARGE_GROUP_GIB
    elif spec.parallel.pipeline > 1 and rules.version >= _LOOKS_BEHIND_NCCL_SINCE:
        low, value, high = _STAGES_ONLY_GIB
    else:
        low, value, high = rules.non_torch_one_gib
    if card is not None and card.unified_memory:
        high += _UNIFIED_CONSUMED_GIB if rules.version >= _CONSUMED_COUNTS else _UNIFIED_GIB
    if card is not None and card.vendor == "amd":
        low, value, high = low + _AMD_GIB[0], value + _AMD_GIB[1], high + _AMD_GIB[2] * spec.parallel.tensor
    size = Interval(low * GIB, value * GIB, high * GIB)
    return size + _runner_state(spec)


def graph_bytes(spec: EngineSpec) -> Interval:
    """Return the bytes of captured CUDA graphs, whether or not they count against the engine's share."""
    architecture = spec.checkpoint.architecture
    assert architecture is not None
    if spec.enforce_eager or architecture.role == "encoder":
        return ZERO
    layers = -(-len(architecture.layers) // spec.parallel.pipeline)
    sizes = capture_sizes(spec, architecture)
    sequences = spec.sequences
    decode = sum(1 for size in sizes if size <= sequences)
    # Poolers are recorded piece by piece in every version.
    is_full = spec.behaviour.graph_kind == "full" and architecture.role == "decoder"
    count = len(sizes) + (decode if is_full else 0)
    if spec.behaviour.graph_kind == "v0":
        value = 0.1 * GIB + _GRAPH_V0 * layers * decode
        return Interval(0.3 * value, value, 1.6 * value + 0.2 * GIB)
    value = _GRAPH_BASE + _flash_split(spec, architecture, max(sizes, default=0))
    value += _graph_of_layer(architecture) * layers * count
    return Interval(value * 0.6, value, value * 1.4 + 0.15 * GIB)


def _graph_of_layer(architecture: Architecture) -> float:
    if architecture.name.startswith("GptOss"):
        return _GRAPH_GPT_OSS
    blocks = [part for layer in architecture.layer_counts for part in layer.feed_forward if isinstance(part, Moe)]
    if architecture.has_mla or any(block.shared_intermediate for block in blocks):
        return _GRAPH_SHARED
    return _GRAPH_MOE if blocks else _GRAPH_DENSE


def counted_graph_bytes(spec: EngineSpec) -> Interval:
    """Return what the version subtracts from the pool for graphs: its own estimate, or nothing."""
    if spec.graphs_are_outside:
        return ZERO
    size = graph_bytes(spec)
    # One allocator segment that falls into the second sample makes vLLM's estimate up to 0.9 GiB too high.
    is_unified = spec.card.kind is not None and spec.card.kind.unified_memory
    above = _UNIFIED_GRAPHS_GIB if is_unified else 0.3
    return Interval(size.low, size.value, size.high + above * GIB) if size.value else ZERO


def capture_sizes(spec: EngineSpec, architecture: Architecture) -> tuple[int, ...]:
    """Return the batch sizes that graphs are recorded for (vllm/config/vllm.py, compilation.py)."""
    version, sequences = spec.behaviour.version, spec.sequences
    if spec.behaviour.engine == "V0":
        sizes = (1, 2, 4, *range(8, 8 * 34, 8))
        return tuple(size for size in sizes if size < sequences + 8)
    most = 512
    kind = spec.card.kind
    if version >= (0, 28) and kind is not None and BLACKWELL <= (kind.compute_capability or 0) < CONSUMER_BLACKWELL:
        most = 1024
    if architecture.name.startswith("GptOss") and version >= (0, 10, 2):
        most = 1024
    if version < (0, 10):
        return tuple(size for size in (1, 2, 4, *range(8, most + 1, 8)) if size <= spec.batched_tokens)
    most = min(2 * sequences, most, spec.batched_tokens)
    step = 8 if version < (0, 11, 2) else 16
    sizes = (1, 2, 4, *range(8, min(most, 256), 8), *range(256, most + 1, step))
    return tuple(size for size in sizes if size <= most)


def _flash_split(spec: EngineSpec, architecture: Architecture, largest_size: int) -> float:
    kind = spec.card.kind
    is_hopper = kind is not None and kind.compute_capability == HOPPER
    if (
        not is_hopper
        or spec.behaviour.graph_kind != "full"
        or architecture.role != "decoder"
        or architecture.name.startswith(("GptOss", "Gemma3"))
    ):
        return 0.0
    widths = [mixer.heads * mixer.v_head_dim for mixer in architecture.mixers if isinstance(mixer, Attention)]
    widths += [mixer.heads * mixer.kv_lora_rank for mixer in architecture.mixers if isinstance(mixer, Mla)]
    return _FA3_SPLITS * largest_size * max(widths, default=0) / spec.parallel.tensor * 4


def _runner_state(spec: EngineSpec) -> Interval:
    """Return the runner's own buffers, which count from 0.27 on: inputs, block tables, the table of output counts."""
    architecture = spec.checkpoint.architecture
    assert architecture is not None
    if spec.behaviour.version < _RUNNER_STATE_COUNTS:
        return ZERO
    size = spec.batched_tokens * architecture.hidden * 2 + spec.sequences * spec.tokens / spec.blocks * 4
    if spec.is_second_runner:
        size += _PENALTY_BYTES * spec.sequences * architecture.vocab
    return Interval(size * 0.8, size, size * 1.2)
