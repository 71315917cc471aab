"""What people ask of one engine on one kind of card, and what vLLM makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from infra.catalogue.gpus import FLASHINFER_SINCE, GpuKind
from infra.catalogue.versions import BatchDefaults, Behaviour
from infra.interval import GIB, Interval
from infra.memory.checkpoint import Checkpoint
from infra.memory.kv_cache import cache_element_bytes
from infra.memory.observed import Observed
from infra.memory.runner import is_second_runner
from infra.memory.weights import ONE_CARD, Parallel

_LARGE_CARD_BYTES: Final = 70 * GIB
_HUGE_CARD_BYTES: Final = 160 * GIB
# V0 turns chunked prefill on by itself above this context (vllm/engine/arg_utils.py, 0.5 to 0.7).
_V0_CHUNKS_ABOVE: Final = 32768
_V0_CHUNK: Final = 512
_V0_CHUNK_GREW: Final = (0, 6, 5)
_SECOND_RUNNER_ESTIMATES_SINCE: Final = (0, 29)
# vllm/config.py of 0.6.3 to 0.10: the least batch of a model that reads pictures.
_V0_PICTURE_TOKENS: Final = 5120
_READ_PICTURES_BOTH_WAYS: Final = ("Gemma3", "Gemma4")
_RAISES_BATCH_SINCE: Final = (0, 22)
_BLOCK_SIZE: Final = 16
_WIDTHS: Final = {"float32": 4, "float": 4, "float16": 2, "half": 2, "bfloat16": 2, "auto": 2}


@dataclass(frozen=True, eq=False)
class Card:
    """A card of a host, or a MIG slice of one: its product where known, and the memory it reports in bytes.

    `free` is what of it is free when the engine starts, where somebody has looked (None: the card is all its own).
    """

    name: str
    memory: Interval
    kind: GpuKind | None = None
    is_measured: bool = False
    free: Interval | None = None


@dataclass(frozen=True)
class EngineSpec:
    """One engine: a checkpoint on equal cards, with the flags that memory depends on (None: vLLM's own default)."""

    checkpoint: Checkpoint
    card: Card
    behaviour: Behaviour
    parallel: Parallel = ONE_CARD
    fraction: float | None = None
    context: int | None = None
    max_sequences: int | None = None
    max_batched_tokens: int | None = None
    kv_cache_dtype: str = "auto"
    kv_cache_bytes: int | None = None
    dtype: str = "auto"
    block_size: int | None = None
    enforce_eager: bool = False
    sampler: str | None = None
    offline: bool = False
    text_only: bool = False
    max_loras: int = 0
    max_lora_rank: int = 16
    observed: Observed | None = None

    @property
    def memory_settings(self) -> tuple[object, ...]:
        """Everything that decides what of an engine's share isn't cache; equal ones take the same."""
        return (
            self.checkpoint,
            self.card.name,
            self.card.memory,
            self.behaviour,
            self.parallel,
            self.dtype,
            self.kv_cache_dtype,
            self.batched_tokens,
            self.sequences,
            self.enforce_eager,
            self.text_only,
            self.max_loras,
            self.max_lora_rank if self.max_loras else 0,
        )

    @property
    def measured(self) -> Observed | None:
        """What was observed of an engine like this one; a fix that changes a setting leaves it behind."""
        seen = self.observed
        return seen if seen is not None and seen.settings == self.memory_settings else None

    @property
    def share(self) -> float:
        """The fraction of the card's total that the engine asks for."""
        return self.behaviour.default_fraction if self.fraction is None else self.fraction

    @property
    def requested(self) -> Interval:
        """The bytes that the engine may take of each card."""
        return self.card.memory.scaled(self.share)

    @property
    def dtype_bytes(self) -> int:
        """Bytes of an unquantized weight and of an activation; `auto` casts float32 checkpoints to 16 bit."""
        return _WIDTHS.get(self.dtype, 2)

    @property
    def tokens(self) -> int:
        """The longest request: as asked, else as config.json has it."""
        if self.context is not None:
            return self.context
        architecture = self.checkpoint.architecture
        return architecture.default_context if architecture is not None else 0

    @property
    def element_bytes(self) -> int:
        """Bytes of one cached number."""
        if self.kv_cache_dtype == "auto" and self.checkpoint.quantization.kv_cache_fp8:
            return 1
        return cache_element_bytes(self.kv_cache_dtype, self.dtype_bytes)

    @property
    def batch_defaults(self) -> BatchDefaults:
        """VLLM's defaults for a card of this size (vllm/engine/arg_utils.py)."""
        rules, memory = self.behaviour, self.card.memory.value
        name = (self.card.kind.name if self.card.kind else self.card.name).upper()
        small = (rules.a100_is_small and name.startswith("A100")) or (rules.gb10_is_small and name.startswith("GB10"))
        if memory < _LARGE_CARD_BYTES or small:
            return rules.small_card
        return rules.huge_card if memory >= _HUGE_CARD_BYTES else rules.large_card

    @property
    def batched_tokens(self) -> int:
        """Tokens of the largest batch, which is the one that the profile run measures."""
        asked = self.max_batched_tokens if self.max_batched_tokens is not None else self._default_batched_tokens
        return max(asked, self._whole_picture)

    @property
    def _whole_picture(self) -> int:
        """The least batch of models that read a picture both ways, from 0.22 on (config/vllm.py)."""
        architecture = self.checkpoint.architecture
        if architecture is None or architecture.vision is None or self.text_only:
            return 0
        reads_both_ways = architecture.name.startswith(_READ_PICTURES_BOTH_WAYS)
        is_raised = reads_both_ways and self.behaviour.version >= _RAISES_BATCH_SINCE
        return (architecture.vision.tokens_max or 0) if is_raised else 0

    @property
    def _default_batched_tokens(self) -> int:
        defaults = self.batch_defaults
        tokens = defaults.tokens_offline if self.offline else defaults.tokens_serve
        if self.behaviour.engine == "V0":
            chunk = tokens if self.behaviour.version >= _V0_CHUNK_GREW else _V0_CHUNK
            if self.tokens > _V0_CHUNKS_ABOVE:
                return chunk
            has_pictures = self.checkpoint.architecture is not None and self.checkpoint.architecture.vision is not None
            return max(self.tokens, tokens, _V0_PICTURE_TOKENS if has_pictures and not self.text_only else 0)
        return max(tokens, self.tokens) if self._is_encoder else tokens

    @property
    def sequences(self) -> int:
        """Requests that run at the same time; never more than tokens of a batch."""
        asked = self.max_sequences if self.max_sequences is not None else self.batch_defaults.sequences
        return min(asked, self.batched_tokens)

    @property
    def is_second_runner(self) -> bool:
        """Whether the version serves this model with its second model runner."""
        architecture = self.checkpoint.architecture
        if architecture is None:
            return False
        quantized = self.checkpoint.quantization.method != "none"
        return is_second_runner(self.behaviour.version, architecture, quantized=quantized)

    @property
    def graphs_are_outside(self) -> bool:
        """Whether CUDA graphs come on top of the engine's share: before 0.20, on AMD before 0.26, and where the
        second runner's estimate is always zero (0.22 to 0.28).
        """
        rules, kind = self.behaviour, self.card.kind
        if not rules.graphs_inside_budget:
            return True
        if kind is not None and kind.vendor == "amd" and not rules.graphs_inside_budget_amd:
            return True
        return self.is_second_runner and rules.version < _SECOND_RUNNER_ESTIMATES_SINCE

    @property
    def sampler_name(self) -> str:
        """Which code samples in the profile run: sort, triton, flashinfer, or the second runner's."""
        if self.is_second_runner:
            return "second runner"
        if self.sampler == "native":
            return self.behaviour.native_sampler
        kind = self.card.kind
        runs_flashinfer = kind is None or (
            kind.vendor == "nvidia" and (kind.compute_capability or 0) >= FLASHINFER_SINCE
        )
        if self.sampler == "flashinfer" or (self.behaviour.sampler == "flashinfer" and runs_flashinfer):
            return "flashinfer"
        return self.behaviour.native_sampler

    @property
    def hidden(self) -> int:
        """Width of the model; 0 when it is unknown."""
        return self.checkpoint.architecture.hidden if self.checkpoint.architecture is not None else 0

    @property
    def blocks(self) -> int:
        """Tokens of one block of the cache, before hybrid models raise it."""
        return self.block_size or _BLOCK_SIZE

    @property
    def _is_encoder(self) -> bool:
        architecture = self.checkpoint.architecture
        return architecture is not None and architecture.role == "encoder"
