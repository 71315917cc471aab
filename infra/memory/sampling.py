"""The second half of the profile run: one dummy sampling of all requests (vllm/v1/sample, v1/worker/gpu/sample)."""

from __future__ import annotations

from typing import Final

from infra.catalogue.gpus import HOPPER
from infra.interval import GIB, Interval
from infra.memory.architecture import Architecture
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
_WARMS_BOTH_SINCE: Final = (0, 21)
_HALF: Final = 2


def sampler_bytes(spec: EngineSpec, architecture: Architecture) -> Interval:
    """Return the peak of the dummy sampling; every rank gathers all logits, so tensor parallel doesn't divide it."""
    rows, entries, width = spec.sequences, spec.sequences * architecture.vocab, spec.dtype_bytes
    fixed = (spec.batched_tokens + 2 * rows) * architecture.hidden * width + cublas_bytes(spec)
    fixed += triton_buffer_bytes(spec, architecture)
    name = spec.sampler_name
    value = _row_bytes(spec, name, rows)
    low = value if spec.sampler or not spec.behaviour.sampler_or else _row_bytes(spec, spec.behaviour.sampler_or, rows)
    return Interval(min(low, value) * entries + fixed, value * entries + fixed, value * entries + fixed + 0.02 * GIB)


def triton_buffer_bytes(spec: EngineSpec, architecture: Architecture) -> float:
    """Return the buffer of the Triton sampler, one row per running program, kept for good.

    Where FlashInfer is the default, the Triton sampler is warmed up behind it.
    """
    name = spec.sampler_name
    if name != "triton" and not (name == "flashinfer" and spec.behaviour.version >= _WARMS_BOTH_SINCE):
        return 0.0
    return min(_TRITON_PROGRAMS, spec.sequences) * architecture.vocab * 4.0


def cublas_bytes(spec: EngineSpec) -> float:
    """Return the workspace that the first matrix product leaves in torch's allocator."""
    kind = spec.card.kind
    is_new = kind is not None and kind.compute_capability is not None and kind.compute_capability >= HOPPER
    return _CUBLAS_HOPPER if is_new else _CUBLAS_OLDER


def _row_bytes(spec: EngineSpec, name: str, rows: int) -> float:
    if name == "second runner":
        return spec.behaviour.second_runner_row_bytes
    # The logits are there in the model's own type beside their 32-bit copies: the figures count 16 bit.
    wider = spec.dtype_bytes - _HALF
    if name == "sort":
        return wider + (_SORT_BYTES if rows >= _SEGMENTED_SORT_ROWS else _FULL_SORT_BYTES)
    return wider + spec.behaviour.row_bytes
