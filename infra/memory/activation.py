"""The peak of the profile run: one dummy batch of the largest size, then one dummy sampling of all requests.

The larger of the two counts, because the allocator reuses the first one's memory for the second; scratch that is kept
for good adds to either. Every figure is a count of tensors alive at that moment, read from the code of each version
(docs/adr/0006-memory-model.md names them) and checked against logged starts (docs/accuracy.md).
"""

from __future__ import annotations

from typing import Final

from infra.interval import GIB, ZERO, Interval, largest
from infra.memory.architecture import Architecture, Attention, Dense, Mla, Moe, State
from infra.memory.encoder import encoder_bytes
from infra.memory.engine import EngineSpec
from infra.memory.sampling import cublas_bytes, sampler_bytes, triton_buffer_bytes
from infra.memory.scratch import MOE_KEPT_SINCE, scratch_bytes

_MLA_PREFILL: Final = (0, 11)
_MLA_PREFILL_TOKENS: Final = 65536
_COLD_COMPILE_SINCE: Final = (0, 17)
_COLD_COPY_STAYS: Final = ((0, 27), (0, 31))
# Methods that multiply quantized activations, or may.
_QUANTIZES_INPUTS: Final = frozenset({"fp8", "int8", "compressed_tensors", "modelopt", "nvfp4"})
# Families whose code keeps the gate and up projections alive while the down projection runs (eager only).
_KEEPS_GATE_UP: Final = ("Qwen", "Phi", "Gemma", "Glm")


def activation_bytes(spec: EngineSpec, *, samples: bool = True) -> Interval:
    """Return the peak beyond the weights, on one rank; only the last stage of a pipeline `samples`."""
    architecture = spec.checkpoint.architecture
    assert architecture is not None
    kept, transient = encoder_bytes(spec, architecture)
    kept += _between_stages(spec, architecture)
    peaks = [_forward(spec, architecture) + kept, transient + kept]
    if architecture.role == "decoder" and samples:
        peaks.append(sampler_bytes(spec, architecture) + kept)
    return largest([*peaks, _cold_compile(spec, architecture)]) + scratch_bytes(spec, architecture)


def kept_bytes(spec: EngineSpec) -> Interval:
    """Return the part of the peak that stays allocated behind the profile run, which 0.27 and later print as consumed."""
    architecture = spec.checkpoint.architecture
    assert architecture is not None
    size = cublas_bytes(spec) + triton_buffer_bytes(spec, architecture)
    return scratch_bytes(spec, architecture) + Interval.exact(size)


def cold_copy_bytes(spec: EngineSpec) -> Interval:
    """Return what a first start with an empty compile cache leaves allocated behind the profile run (0.27 to 0.30)."""
    architecture = spec.checkpoint.architecture
    assert architecture is not None
    first, end = _COLD_COPY_STAYS
    if not first <= spec.behaviour.version[:2] < end:
        return ZERO
    copy = _cold_compile(spec, architecture).high
    return Interval(0.0, 0.5 * copy, copy)


def _between_stages(spec: EngineSpec, architecture: Architecture) -> Interval:
    """Return the hidden states and residuals that a pipeline's stages hand on, alive through the whole run."""
    if spec.parallel.pipeline == 1:
        return ZERO
    return Interval.exact(2.0 * spec.batched_tokens * architecture.hidden * spec.dtype_bytes)


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
        return tokens * spec.dtype_bytes * max(width + residuals * hidden, mixing) + unpacked + cublas_bytes(spec)

    # Activations that are quantized before a matrix are there a second time, in one byte, unless kernels are fused.
    copy = tokens * max(hidden, width / 3) if spec.checkpoint.quantization.method in _QUANTIZES_INPUTS else 0.0
    return largest([Interval(at(least) * 0.95, at(likely), at(most) * 1.05 + copy), _mla_prefill(spec, architecture)])


def _feed_forwards(architecture: Architecture) -> set[Dense | Moe]:
    return {part for layer in architecture.layer_counts for part in layer.feed_forward}


def _feed_forward_width(part: Dense | Moe, spec: EngineSpec) -> float:
    """Return how many numbers per token are alive at the activation function: gate, up and their product."""
    tensor = spec.parallel.tensor
    if isinstance(part, Dense):
        return (3 if part.gated else 2) * part.intermediate / tensor
    shared = 3 * part.shared_intermediate / tensor
    if spec.behaviour.version >= MOE_KEPT_SINCE:
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
    """Return the largest matrix that bitsandbytes unpacks to 16 bit for a large batch: gate and up one by one."""
    if spec.checkpoint.quantization.method != "bitsandbytes":
        return 0.0
    widths = [part.intermediate for part in _feed_forwards(architecture) if isinstance(part, Dense)]
    return max(widths, default=0) * architecture.hidden * 2 / spec.parallel.tensor


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
