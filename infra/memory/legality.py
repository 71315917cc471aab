"""What vLLM refuses before it loads anything: sizes that tensor or pipeline parallel can't divide, too long contexts.

Sources: vllm/config/model.py verify_with_parallel_config, layers/quantization/utils/{fp8,marlin}_utils.py of 0.33.0.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from infra.memory.architecture import Architecture, Attention, Dense, Moe
from infra.memory.checkpoint import CATALOGUE
from infra.memory.engine import EngineSpec
from infra.memory.quantization import Quantization

# Sister checkpoints differ in their longest context and rope scaling stretches it: what the catalogue has is no limit
# until far beyond. The model's own config.json is one.
_STRETCH: Final = 8
_SIZES: Final = range(1, 65)
_MARLIN_ROWS: Final = 64
_REFINES_EXPERT_BLOCKS_SINCE: Final = (0, 33)


def illegal(spec: EngineSpec) -> tuple[str, ...]:
    """Return why vLLM would refuse the engine whatever its memory; empty when it wouldn't."""
    architecture = spec.checkpoint.architecture
    if architecture is None:
        return ()
    reasons = []
    size = spec.parallel.tensor
    problem = _divides(architecture, spec.checkpoint.quantization, size, spec)
    if problem:
        legal = ", ".join(str(number) for number in legal_sizes(spec) if number <= max(16, size))
        reasons.append(f"tensor parallel {size}: {problem}; legal sizes: {legal}")
    if spec.parallel.pipeline > len(architecture.layers):
        reasons.append(f"pipeline parallel {spec.parallel.pipeline} for {len(architecture.layers)} layers")
    most = architecture.default_context
    # Learned positions end where their table ends.
    may_stretch = spec.checkpoint.source.startswith(CATALOGUE) and not architecture.learned_positions
    if spec.tokens > most * (_STRETCH if may_stretch else 1):
        reasons.append(f"a context of {spec.tokens:,} tokens is longer than the model's {most:,}")
    if spec.batched_tokens < (spec.max_sequences or 0):
        reasons.append(f"{spec.batched_tokens} batched tokens for {spec.max_sequences} sequences")
    kind = spec.card.kind
    if kind is not None and not kind.runs_bfloat16 and spec.dtype == "bfloat16":
        reasons.append(f"the {kind.name} has no bfloat16; dtype float16 runs")
    return tuple(reasons)


@lru_cache(maxsize=1024)
def legal_sizes(spec: EngineSpec) -> tuple[int, ...]:
    """Return the tensor parallel sizes that divide the model."""
    architecture = spec.checkpoint.architecture
    if architecture is None:
        return (1,)
    return tuple(size for size in _SIZES if not _divides(architecture, spec.checkpoint.quantization, size, spec))


def _divides(architecture: Architecture, quantization: Quantization, size: int, spec: EngineSpec) -> str:
    if size == 1:
        return ""
    problem = _heads_problem(architecture, size)
    padded = -(-architecture.vocab // 64) * 64
    if not problem and padded % size:
        problem = f"the vocabulary of {padded:,} doesn't divide by it"
    return problem or _width_problem(architecture, quantization, size, spec)


def _heads_problem(architecture: Architecture, size: int) -> str:
    if architecture.heads % size:
        return f"{architecture.heads} attention heads don't divide by it"
    for kv_heads in sorted({mixer.kv_heads for mixer in architecture.mixers if isinstance(mixer, Attention)}):
        if kv_heads % size and size % kv_heads:
            return f"{kv_heads} KV heads neither divide by it nor it by them"
    return ""


def _width_problem(architecture: Architecture, quantization: Quantization, size: int, spec: EngineSpec) -> str:
    for width, is_expert in _widths(architecture):
        if width % size:
            return f"the feed-forward width of {width:,} doesn't divide by it"
        if is_expert and (spec.parallel.expert or spec.behaviour.version >= _REFINES_EXPERT_BLOCKS_SINCE):
            continue
        problem = _group_problem(quantization, width // size)
        if problem:
            return problem
    return ""


def _widths(architecture: Architecture) -> Iterable[tuple[int, bool]]:
    found = set()
    for layer in architecture.layer_counts:
        for part in layer.feed_forward:
            match part:
                case Dense():
                    found.add((part.intermediate, False))
                case Moe():
                    found.add((part.intermediate, True))
    return sorted(found)


def _group_problem(quantization: Quantization, width: int) -> str:
    if quantization.block and width % quantization.block:
        return f"{width} columns per card don't divide by the fp8 block of {quantization.block}"
    if quantization.method in {"awq", "gptq"}:
        group = quantization.group or 128
        if width % _MARLIN_ROWS:
            return f"{width} columns per card don't divide by the {_MARLIN_ROWS} of its kernels"
        if width % group:
            return f"{width} columns per card don't divide by the quantization group of {group}"
    return ""
