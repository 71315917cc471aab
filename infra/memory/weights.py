"""What "Model loading took X GiB" will say: the bytes of one rank's weights.

Sources: vllm/model_executor/layers/{linear,vocab_parallel_embedding}.py, distributed/utils.py (get_pp_indices),
layers/quantization/mxfp4.py of 0.33.0; checked against logged starts in docs/accuracy.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

from infra.catalogue.gpus import BLACKWELL, CONSUMER_BLACKWELL, HOPPER, GpuKind
from infra.interval import GIB, ZERO, Interval
from infra.memory.architecture import Architecture, Mla
from infra.memory.parts import Held, Part, layer_parts
from infra.memory.quantization import UNQUANTIZED_BITS, Quantization

_MIB: Final = 2**20
# vocab_parallel_embedding.DEFAULT_VOCAB_PADDING_SIZE
_VOCAB_PADDING: Final = 64
# torch's allocator hands out large blocks in steps of 2 MiB and splits off a rest only above 1 MiB.
_LARGE_BLOCK: Final = 10 * _MIB
_BLOCK_STEP: Final = 2 * _MIB
_LARGEST_UNSPLIT_REST: Final = _MIB
# Nine of ten logged starts stay within these shares, per kind of weights (docs/accuracy.md).
_SHARES: Final = {"none": (0.003, 0.003), "fp8": (0.005, 0.02), "bitsandbytes": (0.08, 0.03)}
_SHARES_OTHER: Final = (0.01, 0.02)
_SLACK_BYTES: Final = 0.02 * GIB
_LAST_STAGE_TAKES_REST_UNTIL: Final = (0, 8)
# attention/backends/mla/common.py: from 0.8 on the absorbed matrices are views of the projection.
_MLA_VIEWS_SINCE: Final = (0, 8)
# platforms/rocm.py up to 0.20: total minus free, so allocator rests, context and libraries count as weights.
_AMD_COUNTS_ALLOCATED_SINCE: Final = (0, 21)
_AMD_LOADING_BYTES: Final = Interval(0.05 * GIB, 0.2 * GIB, 0.5 * GIB)
# models/pixtral.py: every rank holds the whole tower up to 0.19.
_WHOLE_TOWERS: Final = frozenset({"PixtralForConditionalGeneration", "Mistral3ForConditionalGeneration"})
_SPLITS_ALL_TOWERS_SINCE: Final = (0, 20)


@dataclass(frozen=True)
class Parallel:
    """How one engine is split over cards. `expert` spreads whole experts instead of slices of each."""

    tensor: int = 1
    pipeline: int = 1
    data: int = 1
    expert: bool = False

    @property
    def expert_ranks(self) -> int:
        """Over how many ranks the routed experts are spread: data-parallel ranks share them in either case."""
        return self.tensor * self.data


ONE_CARD: Final = Parallel()


def pipeline_stages(layers: int, stages: int, version: tuple[int, ...]) -> tuple[range, ...]:
    """Return each stage's layers. What doesn't divide went to the last stage up to 0.7, to those before it since."""
    counts = [layers // stages] * stages
    if version < _LAST_STAGE_TAKES_REST_UNTIL:
        counts[-1] += layers % stages
    else:
        for number in range(2, layers % stages + 2):
            counts[-number] += 1
    starts = [sum(counts[:stage]) for stage in range(stages)]
    return tuple(range(start, start + count) for start, count in zip(starts, counts, strict=True))


@lru_cache(maxsize=4096)
def weights_bytes(
    architecture: Architecture,
    quantization: Quantization,
    parallel: Parallel,
    *,
    layers: range,
    dtype_bytes: int,
    kind: GpuKind | None,
    version: tuple[int, ...],
    text_only: bool = False,
) -> Interval:
    """Return the bytes of the weights that one rank of a pipeline stage with these layers holds.

    `text_only`: as `--language-model-only` does, without the picture encoder.
    """
    known_layers: dict[object, float] = {}
    body = 0.0
    for index in layers:
        key = architecture.layers[index] if quantization.is_uniform else index
        if key not in known_layers:
            tensors = _tensors(architecture, quantization, parallel, index, dtype_bytes=dtype_bytes, kind=kind)
            known_layers[key] = _allocated(tensors)
        body += known_layers[key]
    first, last = layers.start == 0, layers.stop == len(architecture.layers)
    ends = _allocated(_ends(architecture, quantization, parallel, dtype_bytes, first=first, last=last))
    ends += architecture.rotary_elements * dtype_bytes
    if version < _MLA_VIEWS_SINCE:
        body += sum(_multiplied_out(architecture, quantization, parallel, index) for index in layers)
    below, above = _SHARES.get(quantization.method, _SHARES_OTHER)
    known = body + ends
    certain = Interval(known * (1 - below) - _SLACK_BYTES, known, known * (1 + above) + _SLACK_BYTES)
    if kind is not None and kind.vendor == "amd" and version < _AMD_COUNTS_ALLOCATED_SINCE:
        certain += _AMD_LOADING_BYTES
    return certain + (_tower(architecture, parallel, dtype_bytes, version) if first and not text_only else ZERO)


def _tower(architecture: Architecture, parallel: Parallel, dtype_bytes: int, version: tuple[int, ...]) -> Interval:
    """Return the picture encoder's weights on one rank: split, but for Mistral's own format up to 0.19."""
    if architecture.vision is None:
        return ZERO
    whole = architecture.vision.parameters * dtype_bytes
    split = whole / parallel.tensor
    if architecture.name in _WHOLE_TOWERS and version < _SPLITS_ALL_TOWERS_SINCE:
        return Interval(split * 0.9, whole, whole * 1.1)
    return Interval(split * 0.9, split, split * min(2, parallel.tensor) + 0.1 * split)


def _multiplied_out(architecture: Architecture, quantization: Quantization, parallel: Parallel, index: int) -> float:
    """Return the absorbed matrices that 0.7 multiplied out beside the projections that they come from."""
    mixer = architecture.layers[index].mixer
    if not isinstance(mixer, Mla):
        return 0.0
    width = quantization.bits_of(f"{index}.self_attn.kv_b_proj", is_expert=False) / 8
    queries = mixer.q_lora_rank or architecture.hidden
    absorbed = mixer.kv_lora_rank * (queries + architecture.hidden) * width
    return mixer.heads / parallel.tensor * (absorbed + queries * mixer.rope_dim * 2)


@cache
def checkpoint_bytes(architecture: Architecture, quantization: Quantization) -> float:
    """Return the bytes of the checkpoint's files, as they lie on disk and are read at start."""
    whole, width = Parallel(), 4 if architecture.stored_dtype == "float32" else 2
    known_layers: dict[object, float] = {}
    body = 0.0
    for index, parts in enumerate(_parts_by_layer(architecture)):
        key = architecture.layers[index] if quantization.is_uniform else index
        if key not in known_layers:
            stored = (part for part in parts if part.stored)
            known_layers[key] = sum(
                _part_bytes(part, f"{index}.{part.module}", quantization, whole, width) for part in stored
            )
        body += known_layers[key]
    vision = architecture.vision.parameters * width if architecture.vision else 0
    return body + sum(_ends(architecture, quantization, whole, width, first=True, last=True)) + vision


@cache
def _parts_by_layer(architecture: Architecture) -> tuple[tuple[Part, ...], ...]:
    return tuple(layer_parts(layer, architecture.hidden, architecture.name) for layer in architecture.layers)


def _tensors(
    architecture: Architecture,
    quantization: Quantization,
    parallel: Parallel,
    index: int,
    *,
    dtype_bytes: int,
    kind: GpuKind | None,
) -> Iterable[float]:
    """Return the bytes of a layer's tensors as they are allocated: fused ones together."""
    fused: dict[str, float] = {}
    for number, part in enumerate(_parts_by_layer(architecture)[index]):
        size = _part_bytes(part, f"{index}.{part.module}", quantization, parallel, dtype_bytes)
        if part.is_expert and part.module and quantization.method == "mxfp4":
            size *= _mxfp4_padding(architecture, parallel, kind)
        name = part.tensor or str(number)
        fused[name] = fused.get(name, 0.0) + size
    mixer = architecture.layers[index].mixer
    if isinstance(mixer, Mla) and quantization.method != "none":
        # The up-projection is kept a second time in 16 bit, for the absorbed form of decoding.
        fused["absorbed"] = mixer.kv_lora_rank * mixer.heads / parallel.tensor * (mixer.nope_dim + mixer.v_dim) * 2
    return fused.values()


def _allocated(sizes: Iterable[float]) -> float:
    total = 0.0
    for size in sizes:
        rest = -size % _BLOCK_STEP
        total += size + (rest if size >= _LARGE_BLOCK and rest <= _LARGEST_UNSPLIT_REST else 0.0)
    return total


def _part_bytes(part: Part, module: str, quantization: Quantization, parallel: Parallel, dtype_bytes: int) -> float:
    bits = quantization.bits_of(module, is_expert=part.is_expert) if part.module else UNQUANTIZED_BITS
    width = bits / 8 if bits != UNQUANTIZED_BITS else dtype_bytes
    return part.elements * width * _share(part, parallel)


def _share(part: Part, parallel: Parallel) -> float:
    if part.held is Held.WHOLE:
        return 1.0
    if part.held is Held.KV_HEADS:
        return max(1.0, part.kv_heads / parallel.tensor) / part.kv_heads
    if part.held is Held.EXPERTS:
        return 1 / parallel.expert_ranks
    return 1 / parallel.tensor


def _mxfp4_padding(architecture: Architecture, parallel: Parallel, kind: GpuKind | None) -> float:
    """Return how much larger mxfp4 experts are in memory: each kernel pads widths to steps of its own."""
    hidden = architecture.hidden
    width = (
        max(
            (
                part.intermediate
                for layer in architecture.layers
                for part in layer.feed_forward
                if hasattr(part, "experts")
            ),
            default=hidden,
        )
        // parallel.expert_ranks
    )
    capability = kind.compute_capability if kind is not None else None
    if capability is not None and HOPPER <= capability < BLACKWELL:
        # Triton: values are padded along the summed side only, their scales aren't.
        padded = (_up(hidden, 256) / hidden * 2 + _up(width, 256) / width) / 3
        return (0.5 * padded + 1 / 32) / (0.5 + 1 / 32)
    if capability is not None and BLACKWELL <= capability < CONSUMER_BLACKWELL:
        return _up(hidden, 256) / hidden * _up(width, 256) / width
    return _up(hidden, 256) / hidden * _up(width, 128) / width


def _up(number: int, step: int) -> int:
    return -(-number // step) * step


def _ends(
    architecture: Architecture,
    quantization: Quantization,
    parallel: Parallel,
    dtype_bytes: int,
    *,
    first: bool,
    last: bool,
) -> Iterable[float]:
    """Return the tensors before and behind the layers: embeddings, output head, positions, the last norm."""
    vocab = _up(architecture.vocab, _VOCAB_PADDING)
    table = vocab * architecture.hidden / parallel.tensor
    if first or (last and architecture.tied_embeddings):
        yield table * dtype_bytes
    if last and not architecture.tied_embeddings and architecture.role != "pooler":
        bits = quantization.bits_of("lm_head", is_expert=False) if quantization.quantizes_head else UNQUANTIZED_BITS
        yield table * (dtype_bytes if bits == UNQUANTIZED_BITS else bits / 8)
    if first:
        yield architecture.learned_positions * architecture.hidden * dtype_bytes
        yield architecture.per_layer_embedding_parameters * dtype_bytes / parallel.tensor
    yield architecture.final_norms * architecture.hidden * dtype_bytes
