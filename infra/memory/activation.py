"""The peak of the profile run: one dummy batch of the largest size, then one dummy sampling of all requests.

The larger of the two counts, because the allocator reuses the first one's memory for the second; scratch that is kept
for good adds to either. Every figure is a count of tensors alive at that moment, read from the code of each version
(docs/adr/0006-memory-model.md names them) and checked against logged starts (docs/accuracy.md).
"""

from __future__ import annotations

from typing import Final

from infra.catalogue.gpus import HOPPER
from infra.interval import GIB, ZERO, Interval, largest
from infra.memory.architecture import Architecture, Attention, Dense, Mla, Moe, State
from infra.memory.encoder import encoder_bytes
from infra.memory.engine import EngineSpec

_MIB: Final = 2**20
# cuBLAS keeps a workspace per handle: 32 MiB from Hopper on, 8.125 MiB before.
_CUBLAS_HOPPER: Final = 32 * _MIB
_CUBLAS_OLDER: Final = 8.125 * _MIB
# torch.sort of fewer rows than this sorts each as a whole and takes about 50 bytes per entry instead of 38.
_SEGMENTED_SORT_ROWS: Final = 128
_FULL_SORT_BYTES: Final = 50.0
_SORT_BYTES: Final = 38.0
_TRITON_PROGRAMS: Final = 132
_MOE_KEPT_SINCE: Final = (0, 14)
_MLA_PREFILL: Final = (0, 11)
_MLA_PREFILL_TOKENS: Final = 65536
_COLD_COMPILE_SINCE: Final = (0, 17)
_COLD_COPY_STAYS: Final = ((0, 27), (0, 31))
# Families whose code keeps the gate and up projections alive while the down projection runs (eager only).
_KEEPS_GATE_UP: Final = ("Qwen", "Phi", "Gemma", "Glm")


def activation_bytes(spec: EngineSpec) -> Interval:
    """Return the peak beyond the weights, on one rank."""
    architecture = spec.checkpoint.architecture
    assert architecture is not None
    kept, transient = encoder_bytes(spec, architecture)
    peaks = [_forward(spec, architecture) + kept, transient + kept]
    if architecture.role == "decoder":
        peaks.append(_sampler(spec, architecture) + kept)
    return largest([*peaks, _cold_compile(spec, architecture)]) + _kept_scratch(spec, architecture)


def cold_copy_bytes(spec: EngineSpec) -> Interval:
    """Return what a first start with an empty compile cache leaves allocated behind the profile run (0.27 to 0.30)."""
    architecture = spec.checkpoint.architecture
    assert architecture is not None
    first, end = _COLD_COPY_STAYS
    if not first <= spec.behaviour.version[:2] < end:
        return ZERO
    copy = _cold_compile(spec, architecture).high
    return Interval(0.0, 0.5 * copy, copy)


def _sampler(spec: EngineSpec, architecture: Architecture) -> Interval:
    rows, entries = spec.sequences, spec.sequences * architecture.vocab
    fixed = spec.batched_tokens * architecture.hidden * 2 + 2 * rows * architecture.hidden * 2 + _cublas(spec)
    name = spec.sampler_name
    if name == "triton":
        fixed += min(_TRITON_PROGRAMS, rows) * architecture.vocab * 4
    value = _row_bytes(spec, name, rows)
    low = value if spec.sampler or not spec.behaviour.sampler_or else _row_bytes(spec, spec.behaviour.sampler_or, rows)
    high = _FULL_SORT_BYTES if value == _FULL_SORT_BYTES else value
    return Interval(min(low, value) * entries + fixed, value * entries + fixed, high * entries + fixed + 0.02 * GIB)


def _row_bytes(spec: EngineSpec, name: str, rows: int) -> float:
    if name == "sort":
        return _SORT_BYTES if rows >= _SEGMENTED_SORT_ROWS else _FULL_SORT_BYTES
    return spec.behaviour.second_runner_row_bytes if name == "second runner" else spec.behaviour.row_bytes


def _forward(spec: EngineSpec, architecture: Architecture) -> Interval:
    tokens, hidden, tensor = spec.batched_tokens, architecture.hidden, spec.parallel.tensor
    width = max((_feed_forward_width(part, spec) for part in _feed_forwards(architecture)), default=0.0)
    queries = max(
        (mixer.heads * mixer.head_dim for mixer in architecture.mixers if isinstance(mixer, Attention)), default=0
    )
    if spec.behaviour.engine == "V1" and not spec.enforce_eager:
        least, likely, most = 1.0, (2.0 if spec.is_second_runner else 3.0), 4.0 + 2 * queries / tensor / hidden
    else:
        keeps = architecture.name.startswith(_KEEPS_GATE_UP)
        likely = 3.0 if not keeps else 4.0 if tensor == 1 else 5.0
        least, most = 3.0, 5.0
    mixing = max((_mixer_width(mixer, tensor) for mixer in architecture.mixers), default=0.0) + 2 * hidden
    unpacked = _unpacked_bytes(spec, architecture)

    def at(residuals: float) -> float:
        return tokens * 2 * max(width + residuals * hidden, mixing) + unpacked + _cublas(spec)

    return largest([Interval(at(least) * 0.95, at(likely), at(most) * 1.05), _mla_prefill(spec, architecture)])


def _feed_forwards(architecture: Architecture) -> set[Dense | Moe]:
    return {part for layer in architecture.layer_counts for part in layer.feed_forward}


def _feed_forward_width(part: Dense | Moe, spec: EngineSpec) -> float:
    """Return how many numbers per token are alive at the activation function: gate, up and their product."""
    tensor = spec.parallel.tensor
    if isinstance(part, Dense):
        return (3 if part.gated else 2) * part.intermediate / tensor
    shared = 3 * part.shared_intermediate / tensor
    if spec.behaviour.version >= _MOE_KEPT_SINCE:
        return shared
    width = part.intermediate / spec.parallel.expert_ranks
    inner = part.latent or spec.hidden
    return shared + part.active * (max(2 * width, inner) + width)


def _mixer_width(mixer: Attention | Mla | State, tensor: int) -> float:
    match mixer:
        case Attention():
            return (2 * mixer.heads + 2 * mixer.kv_heads) * mixer.head_dim / tensor
        case Mla():
            return mixer.heads * (2 * (mixer.nope_dim + mixer.rope_dim) + mixer.nope_dim + mixer.v_dim) / tensor
        case State():
            # In-projection, the convolution's output and the scan's inputs: about three copies of its width.
            return 3 * mixer.parameters / max(1, mixer.conv_elements) / tensor


def _unpacked_bytes(spec: EngineSpec, architecture: Architecture) -> float:
    """Return the largest matrix that bitsandbytes unpacks to 16 bit for a large batch."""
    if spec.checkpoint.quantization.method != "bitsandbytes":
        return 0.0
    widths = [part.intermediate for part in _feed_forwards(architecture) if isinstance(part, Dense)]
    return max(widths, default=0) * architecture.hidden * 2 * 2 / spec.parallel.tensor


def _mla_prefill(spec: EngineSpec, architecture: Architecture) -> Interval:
    """Return the up-projected context chunk that latent attention takes in the profile run, from 0.11 on."""
    latent = next((mixer for mixer in architecture.mixers if isinstance(mixer, Mla)), None)
    if latent is None or spec.behaviour.version < _MLA_PREFILL:
        return ZERO
    wished = max(8 * spec.tokens, 4 * spec.sequences * spec.blocks)
    tokens = max(min(wished, _MLA_PREFILL_TOKENS), spec.sequences * spec.blocks)
    size = tokens * latent.heads / spec.parallel.tensor * (latent.nope_dim + latent.v_dim) * 2
    size += 3 * spec.batched_tokens * architecture.hidden * 2
    return Interval(size * 0.8, size, size * 1.4)


def _cold_compile(spec: EngineSpec, architecture: Architecture) -> Interval:
    """Return the copy of the embedding table that the compiler's own timing makes while its cache is empty."""
    multimodal_first_runner = architecture.vision is not None and not spec.text_only and not spec.is_second_runner
    if (
        spec.behaviour.version < _COLD_COMPILE_SINCE
        or spec.enforce_eager
        or architecture.role == "encoder"
        or multimodal_first_runner
    ):
        return ZERO
    copy = (architecture.vocab / spec.parallel.tensor + spec.batched_tokens) * architecture.hidden * 2
    # Low: the cache of an earlier start with the same flags is there, and nothing is copied.
    return Interval(0.0, copy, copy + 0.02 * GIB)


def _kept_scratch(spec: EngineSpec, architecture: Architecture) -> Interval:
    """Return the scratch of expert kernels, which later versions keep for good.

    gpt-oss has kernels of its own that don't; how others choose theirs isn't modelled, hence the wide bounds.
    """
    blocks = [part for part in _feed_forwards(architecture) if isinstance(part, Moe)]
    if not blocks or spec.behaviour.version < _MOE_KEPT_SINCE or architecture.name.startswith("GptOss"):
        return ZERO
    block = max(blocks, key=lambda part: part.active * part.intermediate)
    width = block.intermediate / spec.parallel.expert_ranks
    inner = block.latent or architecture.hidden
    size = spec.batched_tokens * block.active * (max(width, inner) + max(2 * width, inner)) * 2
    return Interval(size * 0.5, size, size * 1.4)


def _cublas(spec: EngineSpec) -> float:
    kind = spec.card.kind
    is_new = kind is not None and kind.compute_capability is not None and kind.compute_capability >= HOPPER
    return _CUBLAS_HOPPER if is_new else _CUBLAS_OLDER
