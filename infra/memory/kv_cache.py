"""The KV cache: what a pool of so many bytes holds, and the smallest pool that one request needs.

Mirrors vLLM's own planning (vllm/v1/core/kv_cache_utils.py up to 0.32, kv_cache_planning.py from 0.33): layers are
put into groups of one size, all groups draw blocks of one physical size from one pool.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from infra.catalogue.versions import Behaviour
from infra.memory.architecture import Architecture, Attention, Mixer, Mla, State
from infra.memory.weights import Parallel

# deepseek sparse attention keeps, beside each latent vector, 128 fp8 values and one 32-bit scale for its indexer.
_INDEXER_BYTES: Final = 132
# Latent cache in the fp8_ds_mla layout: 512 fp8 values, 4 scales of 32 bit, 64 rope values of 16 bit.
_FP8_DS_MLA_BYTES: Final = 656
_WIDTHS: Final = {"bfloat16": 2, "float16": 2, "half": 2, "float32": 4}
_FP8_NAMES: Final = ("fp8", "fp8_e4m3", "fp8_e5m2", "fp8_inc", "fp8_ds_mla")


@dataclass(frozen=True)
class LayerCache:
    """What one layer of a kind keeps on one rank: bytes per token, or `state_bytes` per request."""

    token_bytes: int
    window: int | None = None
    chunk: int | None = None
    state_bytes: int = 0


@dataclass(frozen=True)
class Group:
    """Layers that share a block table: how many such groups there are, and what one request takes of each."""

    cache: LayerCache
    number: int
    block_size: int
    layers: int


@dataclass(frozen=True)
class CacheLayout:
    """How a rank's pool is cut. `block_bytes` is one block over all layers of a group, padding included."""

    groups: tuple[Group, ...]
    block_bytes: int
    block_size: int
    states_per_request: int = 1
    null_blocks: int = 0
    rule: str = "groups"
    batches_in_flight: int = 1
    page_bytes: int = 0

    @property
    def number_of_groups(self) -> int:
        """Block tables that one request has."""
        return sum(group.number for group in self.groups)

    def request_blocks(self, context: int, batched_tokens: int) -> int:
        """Return the blocks that one request of `context` tokens needs at most."""
        return sum(group.number * self._group_blocks(group, context, batched_tokens) for group in self.groups)

    def request_bytes(self, context: int, batched_tokens: int) -> int:
        """Return the smallest pool that vLLM starts with for requests of `context` tokens.

        Up to 0.13 it counts real layers, from 0.14 to 0.18 only the first group (so that a hybrid may start with
        less than one request needs), from 0.19 on all groups with their padding.
        """
        if self.rule == "layers" and len(self.groups) > 1:
            pages = sum(group.layers * self._group_blocks(group, context, batched_tokens) for group in self.groups)
            return pages * self.page_bytes
        if self.rule == "first group":
            return self._group_blocks(self.groups[0], context, batched_tokens) * self.block_bytes
        return (self.request_blocks(context, batched_tokens) + self.null_blocks) * self.block_bytes

    def blocks_in(self, pool_bytes: float) -> int:
        """Return how many blocks a pool holds, none when it is negative."""
        return max(0, int(pool_bytes // self.block_bytes)) if self.block_bytes else 0

    def longest_context(self, pool_bytes: float, batched_tokens: int, most: int) -> int:
        """Return the longest request that a pool serves, at most `most` tokens; 0 when none."""
        usable = self.blocks_in(pool_bytes) - self.null_blocks
        low, high = 0, most
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self.request_blocks(middle, batched_tokens) <= usable else (low, middle - 1)
        return low

    def _group_blocks(self, group: Group, context: int, batched_tokens: int) -> int:
        cache = group.cache
        if cache.state_bytes:
            return self.states_per_request
        if cache.window is not None:
            ahead = batched_tokens * self.batches_in_flight
            return -(-min(cache.window - 1 + ahead, context) // group.block_size) + 1
        if cache.chunk is not None:
            return -(-min(cache.chunk + batched_tokens * self.batches_in_flight, context) // group.block_size)
        return -(-context // group.block_size)


def is_known_dtype(kv_cache_dtype: str) -> bool:
    """Whether the planner knows how large a number of this type is in the cache, its scales included."""
    return kv_cache_dtype in {"auto", *_FP8_NAMES, *_WIDTHS}


def cache_element_bytes(kv_cache_dtype: str, model_dtype_bytes: int) -> int:
    """Return the bytes of one cached number. `auto` follows the model's own type."""
    if kv_cache_dtype in _FP8_NAMES:
        return 1
    return _WIDTHS.get(kv_cache_dtype, model_dtype_bytes)


@lru_cache(maxsize=4096)
def layout_of(
    architecture: Architecture,
    parallel: Parallel,
    *,
    layers: range,
    element_bytes: int,
    kv_cache_dtype: str,
    block_size: int,
    behaviour: Behaviour,
) -> CacheLayout | None:
    """Return how one rank's pool is cut; None for a model that keeps no cache (an encoder)."""
    if architecture.role == "encoder":
        return None
    kinds: Counter[LayerCache] = Counter()
    for index in layers:
        mixer = architecture.layers[index].mixer
        if mixer is None or (isinstance(mixer, Attention) and mixer.shares_kv):
            continue
        kinds[_layer_cache(mixer, parallel.tensor, element_bytes, kv_cache_dtype, behaviour)] += 1
    if not kinds:
        return None
    if not behaviour.groups_hybrid_layers:
        kinds = _without_windows(kinds)
    return replace(
        _grouped(kinds, block_size, behaviour),
        states_per_request=2 if behaviour.keeps_two_states else 1,
        null_blocks=behaviour.null_blocks,
        rule=behaviour.minimum_pool_rule,
        # Batches overlap where one stage runs alone; pipelines schedule one batch per stage.
        batches_in_flight=behaviour.batches_in_flight if parallel.pipeline == 1 else parallel.pipeline,
    )


def _layer_cache(
    mixer: Mixer, tensor: int, element_bytes: int, kv_cache_dtype: str, behaviour: Behaviour
) -> LayerCache:
    match mixer:
        case Mla():
            latent = mixer.kv_lora_rank + mixer.rope_dim
            if behaviour.mla_padded_values:
                latent = max(latent, behaviour.mla_padded_values)
            size = latent * element_bytes
            if mixer.indexer is not None:
                size = (_FP8_DS_MLA_BYTES if kv_cache_dtype == "fp8_ds_mla" else size) + _INDEXER_BYTES
            return LayerCache(size)
        case State():
            conv = mixer.conv_elements * 2 // tensor
            return LayerCache(0, state_bytes=conv + mixer.ssm_elements * mixer.ssm_bytes // tensor)
        case Attention():
            heads = max(1, mixer.kv_heads // tensor)
            size = heads * (mixer.head_dim + mixer.v_head_dim) * element_bytes
            return LayerCache(size, window=mixer.window, chunk=mixer.chunk)


def _without_windows(kinds: Counter[LayerCache]) -> Counter[LayerCache]:
    """Merge local layers into full ones of the same width, as versions without the hybrid manager do."""
    merged: Counter[LayerCache] = Counter()
    for cache, count in kinds.items():
        merged[replace(cache, window=None, chunk=None)] += count
    return merged


def _grouped(kinds: Counter[LayerCache], block_size: int, behaviour: Behaviour) -> CacheLayout:
    growing = {cache: count for cache, count in kinds.items() if not cache.state_bytes}
    if len(kinds) == len(growing) and len({(cache.window, cache.chunk) for cache in growing}) == 1:
        # All layers need the same number of slots: one group whose block is the sum of all layers' pages.
        layers = sum(growing.values())
        size = sum(cache.token_bytes * count for cache, count in growing.items()) * block_size
        only = Group(next(iter(growing)), 1, block_size, layers)
        return CacheLayout((only,), size, block_size, page_bytes=size // layers)
    page, block_size = _page(kinds, block_size)
    counts = list(kinds.values())
    size = min(counts)
    if max(counts) < size * behaviour.padded_group_share:
        size = max(counts)
    groups = tuple(
        Group(cache, -(-count // size), _block_of(cache, page, block_size), count) for cache, count in kinds.items()
    )
    smallest = min(group.block_size for group in groups)
    return CacheLayout(groups, page * size, smallest, page_bytes=page)


def _page(kinds: Counter[LayerCache], block_size: int) -> tuple[int, int]:
    """Return the common page of all layers, and the block size of the widest growing one.

    With states, attention's blocks grow until one page holds a state; without, smaller pages get longer blocks.
    """
    widest = max((cache.token_bytes for cache in kinds), default=0)
    state = max((cache.state_bytes for cache in kinds), default=0)
    if state and widest:
        block_size = max(block_size, -(-state // (widest * block_size)) * block_size)
    return (widest * block_size if widest else state), block_size


def _block_of(cache: LayerCache, page: int, block_size: int) -> int:
    """Return a layer's tokens per page: longer blocks where its pages divide the common one, padding otherwise."""
    if not cache.token_bytes or page % (cache.token_bytes * block_size):
        return block_size
    return page // cache.token_bytes
