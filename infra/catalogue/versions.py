"""How each vLLM version takes memory: defaults, what it subtracts, what it refuses.

`vllm.json` lists changes: each entry holds from its version on until another entry changes the same field.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, Final

_FILE: Final = Path(__file__).with_name("vllm.json")
NEWEST: Final = "0.33.0"
# The version of the images that Hearth runs by default; the planner follows it.
PINNED: Final = "0.32.0"


@dataclass(frozen=True)
class BatchDefaults:
    """Defaults that depend on the card's size: tokens and requests of the largest batch."""

    tokens_serve: int
    tokens_offline: int
    sequences: int


@dataclass(frozen=True, eq=False)
class Behaviour:
    """One version's rules. Shares are of the card's total memory, figures per row and vocabulary entry in bytes.

    Compared by identity: there is one object per version, and estimates are looked up by it thousands of times.
    """

    version: tuple[int, ...]
    engine: str
    default_fraction: float
    small_card: BatchDefaults
    large_card: BatchDefaults
    huge_card: BatchDefaults
    a100_is_small: bool
    gb10_is_small: bool
    sampler: str
    sampler_or: str
    native_sampler: str
    row_bytes: float
    second_runner_row_bytes: float
    non_torch_one_gib: tuple[float, float, float]
    non_torch_linked_gib: tuple[float, float, float]
    non_torch_unlinked_gib: tuple[float, float, float]
    graphs_inside_budget: bool
    graphs_inside_budget_amd: bool
    graph_kind: str
    checks_free_memory: bool
    charges_neighbours: bool
    groups_hybrid_layers: bool
    padded_group_share: float
    minimum_pool_rule: str
    batches_in_flight: int
    tokens_from_concurrency: bool
    null_blocks: int
    keeps_two_states: bool
    mla_padded_values: int

    @property
    def name(self) -> str:
        """The version as text."""
        return ".".join(str(part) for part in self.version)


def parse_version(text: str) -> tuple[int, ...] | None:
    """Return the release part of a version such as `v0.10.1.dev101+g1234` or `0.8.5.post1`; None when it is none."""
    match = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?", text.strip())
    return tuple(int(part or 0) for part in match.groups()) if match else None


@cache
def behaviour_of(version: str, compute_capability: float | None = None) -> Behaviour:
    """Return the rules of a version; a newer one than the newest known follows that one's rules.

    0.8 to 0.10.1 serve cards below compute capability 8.0 (T4, V100, 2080 Ti) with the older engine's rules.

    Raises ValueError for a text that is no version, or one older than the oldest known.
    """
    wanted = parse_version(version)
    if wanted is None:
        raise ValueError(f"{version!r} is no vLLM version; write one as in {NEWEST}")
    merged: dict[str, Any] = {}
    for entry in _entries():
        if _holds(entry, wanted, compute_capability):
            merged |= entry["set"]
    if not merged:
        raise ValueError(f"{version!r} is older than {_entries()[0]['from']}, the oldest version that Hearth knows")
    for key in ("small_card", "large_card", "huge_card"):
        merged[key] = BatchDefaults(*merged[key])
    for key in ("non_torch_one_gib", "non_torch_linked_gib", "non_torch_unlinked_gib"):
        merged[key] = tuple(merged[key])
    known = {field.name for field in fields(Behaviour)}
    return Behaviour(version=wanted, **{key: value for key, value in merged.items() if key in known})


def _holds(entry: dict[str, Any], wanted: tuple[int, ...], compute_capability: float | None) -> bool:
    first, end, below = (
        parse_version(entry["from"]),
        parse_version(entry.get("until", "")),
        entry.get("below_capability"),
    )
    assert first is not None
    if below is not None and (compute_capability is None or compute_capability >= below):
        return False
    return first <= wanted and (end is None or wanted < end)


def is_newer_than_known(version: str) -> bool:
    """Whether nothing is known of this version yet."""
    wanted, newest = parse_version(version), parse_version(NEWEST)
    return wanted is not None and newest is not None and wanted[:2] > newest[:2]


@cache
def _entries() -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads(_FILE.read_text(encoding="utf-8"))["changes"]
    return entries
