"""Cards: what CUDA or ROCm really reports as their memory, and what else the planner must know of them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

from infra.interval import GIB, Interval

_FILE: Final = Path(__file__).with_name("gpus.json")
_NOISE: Final = re.compile(r"\(.*?\)|nvidia|geforce|amd|instinct|radeon|tesla|generation|[^a-z0-9]")
# What may follow a product's name: nothing, words, or a size; other digits make another product of it.
_REST: Final = re.compile(r"(?:[a-z]|\d{1,3}gi?b|$)")
BFLOAT16_SINCE: Final = 8.0
FP8_SINCE: Final = 8.9
HOPPER: Final = 9.0
BLACKWELL: Final = 10.0
CONSUMER_BLACKWELL: Final = 12.0
# vllm/v1/sample/ops/topk_topp_sampler.py: older cards sample with PyTorch.
FLASHINFER_SINCE: Final = 8.0


@dataclass(frozen=True)
class MigProfile:
    """A slice of a card: what it reports as memory, and how many of them a card takes at most."""

    memory: Interval
    slices: int
    most: int


@dataclass(frozen=True, eq=False)
class GpuKind:
    """One product. `memory` is what the driver's runtime reports in bytes, less than the marketing size;
    `smi_bytes` is nvidia-smi's total, which includes what the driver keeps.

    Compared by identity: there is one object per product.
    """

    name: str
    vendor: Literal["nvidia", "amd"]
    memory: Interval
    smi_bytes: int | None
    compute_capability: float | None
    nvlink: bool
    unified_memory: bool
    display: bool
    mig: Mapping[str, MigProfile]
    source: str

    @property
    def runs_bfloat16(self) -> bool:
        """Whether vLLM serves bfloat16 on it: from Ampere on, and on AMD's Instinct cards."""
        return self.compute_capability is None or self.compute_capability >= BFLOAT16_SINCE

    @property
    def runs_fp8(self) -> bool:
        """Whether it multiplies fp8 itself (Ada and newer); older cards unpack weights."""
        return self.compute_capability is None or self.compute_capability >= FP8_SINCE


@cache
def all_gpus() -> Mapping[str, GpuKind]:
    """Return every known card by its catalogue name."""
    return {name: _kind(name, entry) for name, entry in _content()["gpus"].items()}


@cache
def find_gpu(text: str) -> GpuKind | None:
    """Return the card that a text names: a catalogue name, what nvidia-smi prints, or what people call it."""
    wanted = _plain(text)
    if not wanted:
        return None
    names = _names()
    if wanted[0].isdigit():
        # "2080 Ti", "4090": people leave the family's name out.
        wanted = f"rtx{wanted}"
    if wanted in names:
        return names[wanted]
    # "H100 80GB HBM3 PCIe" and the like: the longest known name that the text starts with.
    starts = [name for name in names if wanted.startswith(name) and _REST.match(wanted[len(name) :])]
    if starts:
        return names[max(starts, key=len)]
    # "H100" alone: the product with the shortest name behind it.
    longer = sorted((name for name in names if name.startswith(wanted)), key=lambda name: (len(name), name))
    return names[longer[0]] if longer else None


@cache
def _names() -> Mapping[str, GpuKind]:
    kinds = all_gpus()
    names: dict[str, GpuKind] = {}
    for name, entry in _content()["gpus"].items():
        for alias in (name, *entry.get("names", ())):
            names.setdefault(_plain(alias), kinds[name])
    return names


@cache
def _content() -> Mapping[str, Any]:
    content: Mapping[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))
    return content


def _plain(text: str) -> str:
    return _NOISE.sub("", text.lower())


def _kind(name: str, entry: Mapping[str, Any]) -> GpuKind:
    capability = entry.get("compute_capability")
    return GpuKind(
        name=name,
        vendor=entry["vendor"],
        memory=_gib(entry["memory_gib"]),
        smi_bytes=int(entry["smi_mib"]) * 2**20 if entry.get("smi_mib") else None,
        compute_capability=float(capability) if isinstance(capability, int | float) else None,
        nvlink=bool(entry.get("nvlink")),
        unified_memory=bool(entry.get("unified_memory")),
        display=bool(entry.get("display")),
        mig={
            profile: MigProfile(_gib(slice_["memory_gib"]), int(slice_.get("slices") or 1), int(slice_.get("max") or 1))
            for profile, slice_ in (entry.get("mig") or {}).items()
        },
        source=str(entry.get("source", "")),
    )


def _gib(value: Any) -> Interval:
    if isinstance(value, Mapping):
        return Interval(value["low"] * GIB, value["value"] * GIB, value["high"] * GIB)
    return Interval.exact(float(value) * GIB)
