"""How many bits each weight of a checkpoint takes, from its quantization section and the modules that it leaves out.

Sources: vllm/model_executor/layers/quantization/*.py of 0.33.0; figures of facts per method beside each constant.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Final

from infra.memory.keys import UnknownShapeError

UNQUANTIZED_BITS: Final = 16.0
_DEFAULT_GROUP: Final = 128
_BNB_BLOCK: Final = 64
# What hub names end with when they are quantized, and the method that it stands for. Longest first.
_SUFFIXES: Final = (
    ("bnb-4bit", "bitsandbytes"),
    ("fp8-dynamic", "fp8"),
    ("fp8-static", "fp8"),
    ("fp8", "fp8"),
    ("awq", "awq"),
    ("gptq", "gptq"),
    ("int4", "gptq"),
    ("w4a16", "gptq"),
    ("w8a8", "int8"),
    ("w8a16", "int8"),
    ("int8", "int8"),
    ("nvfp4", "nvfp4"),
    ("fp4", "nvfp4"),
    ("mxfp4", "mxfp4"),
)
# Where a checkpoint's names put the layers: vLLM maps them to its own modules, model by model.
_STEMS: Final = (
    "model.layers",
    "model.language_model.layers",
    "language_model.model.layers",
    "language_model.layers",
    "backbone.layers",
)
# How people and logs write methods: the first part that is found decides.
_METHODS: Final = (
    ("bitsandbytes", "bitsandbytes"),
    ("bnb", "bitsandbytes"),
    ("nf4", "bitsandbytes"),
    ("nvfp4", "nvfp4"),
    ("modelopt_fp4", "nvfp4"),
    ("mxfp4", "mxfp4"),
    ("awq", "awq"),
    ("gptq", "gptq"),
    ("w4a16", "gptq"),
    ("int4", "gptq"),
    ("w8a8", "int8"),
    ("w8a16", "int8"),
    ("int8", "int8"),
    ("fp8", "fp8"),
)
# Containers of several methods: which one, only the checkpoint says.
CONTAINERS: Final = frozenset({"compressed-tensors", "compressed_tensors", "modelopt", "none", "auto"})
_PREFIX: Final = re.compile(r"^(?:model\.|language_model\.|backbone\.|llm\.|layers\.(?=\d)|transformer\.|h\.(?=\d))*")


@dataclass(frozen=True)
class Scheme:
    """One width of weights, scales included, and the modules it holds for (none: all linear ones)."""

    bits: float
    targets: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Quantization:
    """The widths of a checkpoint's linear weights. Embeddings, norms and routers stay 16 bit unless targeted.

    Compared by identity, as Architecture is.
    """

    method: str
    schemes: tuple[Scheme, ...]
    ignored: tuple[str, ...] = ()
    experts_only: bool = False
    kv_cache_fp8: bool = False
    group: int | None = None
    block: int | None = None

    @property
    def quantizes_head(self) -> bool:
        """Whether the output head is among the modules that are named as quantized."""
        return any("lm_head" in target for scheme in self.schemes for target in scheme.targets)

    @cached_property
    def is_uniform(self) -> bool:
        """Whether no layer is named by its number: layers of one shape then weigh the same."""
        patterns = (*self.ignored, *(target for scheme in self.schemes for target in scheme.targets))
        return not any(character.isdigit() for pattern in patterns for character in pattern)

    def bits_of(self, module: str, *, is_expert: bool) -> float:
        """Return the bits of each weight of a module such as `3.self_attn.q_proj` (layer number first)."""
        if self.experts_only and not is_expert:
            return UNQUANTIZED_BITS
        if self.ignored and _matcher(self.ignored)(module):
            return UNQUANTIZED_BITS
        for scheme in self.schemes:
            if not scheme.targets or _matcher(scheme.targets)(module):
                return scheme.bits
        return UNQUANTIZED_BITS


NONE: Final = Quantization("none", (Scheme(UNQUANTIZED_BITS),))


def bits_of_method(method: str, group: int | None = None, *, zero_points: bool = True) -> float | None:
    """Return the bits per linear weight of a method, its scales included; None for an unknown method.

    AWQ and GPTQ: 4 bits, a 16-bit scale and 4 bits of zero point per group. Block FP8: a 32-bit scale per
    128 x 128 block. MXFP4: an 8-bit scale per 32. NVFP4: an 8-bit scale per 16. bitsandbytes: a 32-bit absmax
    per block of 64 (vLLM unpacks double quantization when it loads).
    """
    size = group if group and group > 0 else _DEFAULT_GROUP
    return {
        "awq": 4 + (16 + (4 if zero_points else 0)) / size,
        "gptq": 4 + (16 + (4 if zero_points else 0)) / size,
        "fp8": 8.0 + 32 / (_DEFAULT_GROUP * _DEFAULT_GROUP),
        "int8": 8.0,
        "mxfp4": 4.25,
        "nvfp4": 4.5,
        "bitsandbytes": 4 + 32 / _BNB_BLOCK,
    }.get(method)


def of_name(name: str) -> str | None:
    """Return the method that a hub name's ending stands for, as in `-AWQ`; None when it says nothing."""
    lowered = name.lower()
    return next((method for suffix, method in _SUFFIXES if re.search(rf"[-_.]{suffix}(?:[-_.]|$)", lowered)), None)


def quantization_of(section: Mapping[str, Any]) -> Quantization:
    """Read a `quantization_config`.

    Raises UnknownShapeError for a method whose widths aren't known.
    """
    if not section:
        return NONE
    method = str(section.get("quant_method") or section.get("quant_algo") or "").lower().replace("-", "_")
    ignored = tuple(
        str(item)
        for key in ("ignore", "modules_to_not_convert", "exclude_modules", "ignored_layers", "llm_int8_skip_modules")
        for item in section.get(key) or ()
    )
    block = section.get("weight_block_size")
    kv_fp8 = "fp8" in str(section.get("kv_cache_quant_algo") or section.get("kv_cache_scheme") or "").lower()
    kv_fp8 = kv_fp8 or _is_float8(section.get("kv_cache_scheme"))
    if section.get("config_groups"):
        schemes = tuple(_schemes(section["config_groups"]))
        return Quantization(
            method or "compressed_tensors", schemes, ignored, kv_cache_fp8=kv_fp8, group=_group(section)
        )
    known = _simple_method(method, section)
    bits = bits_of_method(known, _group(section), zero_points=bool(section.get("zero_point", not section.get("sym"))))
    if bits is None:
        raise UnknownShapeError(f"quantization method {method or '(none named)'!r} is none that Hearth knows")
    if int(section.get("bits") or section.get("w_bit") or 4) == 8 and known in {"awq", "gptq"}:  # noqa: PLR2004 - bits
        bits += 4
    return Quantization(
        known,
        (Scheme(bits),),
        ignored,
        experts_only=known == "mxfp4",
        kv_cache_fp8=kv_fp8,
        group=_group(section),
        block=int(block[0]) if isinstance(block, Sequence) and block else None,
    )


@cache
def requested(method: str) -> Quantization:
    """Return the quantization that `--quantization METHOD` makes of a 16-bit checkpoint at load time.

    Raises UnknownShapeError for a method that can't be applied at load time.
    """
    plain = method.lower().replace("-", "_")
    known = next((name for part, name in _METHODS if part in plain), plain)
    bits = bits_of_method(known)
    if bits is None:
        raise UnknownShapeError(f"quantization method {method!r} is none that Hearth knows")
    return Quantization(known, (Scheme(bits),), ("lm_head",), experts_only=known == "mxfp4")


def _simple_method(method: str, section: Mapping[str, Any]) -> str:
    algorithm = str(section.get("quant_algo") or "").lower()
    if "modelopt" in method or method == algorithm:
        return "nvfp4" if "fp4" in algorithm else "fp8" if "fp8" in algorithm else algorithm
    return {
        "fbgemm_fp8": "fp8",
        "awq_marlin": "awq",
        "gptq_marlin": "gptq",
        "auto_round": "gptq",
        "auto_awq": "awq",
        "experts_int8": "int8",
    }.get(method, method)


def _schemes(groups: Mapping[str, Any]) -> Iterable[Scheme]:
    for group in groups.values():
        weights = group.get("weights") or {}
        bits = float(weights.get("num_bits") or UNQUANTIZED_BITS)
        size = weights.get("group_size")
        if bits == 4 and weights.get("type") == "float":  # noqa: PLR2004 - a width
            bits += 8 / int(size or 16)
        elif size and int(size) > 0:
            bits += (16 + (0 if weights.get("symmetric", True) else bits)) / int(size)
        targets = tuple(str(target) for target in group.get("targets") or ())
        yield Scheme(bits, () if not targets or "Linear" in targets else targets)


def _group(section: Mapping[str, Any]) -> int | None:
    for place in (section, *(group.get("weights") or {} for group in (section.get("config_groups") or {}).values())):
        size = place.get("group_size") or place.get("q_group_size")
        if isinstance(size, int) and size > 0:
            return size
    return None


def _is_float8(scheme: object) -> bool:
    return isinstance(scheme, Mapping) and scheme.get("num_bits") == 8 and scheme.get("type") == "float"  # noqa: PLR2004


@cache
def _matcher(patterns: tuple[str, ...]) -> Callable[[str], bool]:
    """Return a test of module names (layer number first) against a checkpoint's patterns, whatever their prefix."""
    exact: set[str] = set()
    loose: list[re.Pattern[str]] = []
    for pattern in patterns:
        if pattern.startswith("re:"):
            loose.append(re.compile(pattern[3:]))
        elif "*" in pattern:
            loose.append(re.compile(fnmatch.translate(_PREFIX.sub("", pattern).removeprefix("layers."))))
        else:
            exact.add(_PREFIX.sub("", pattern))

    def matches(module: str) -> bool:
        parts = module.split(".")
        if any(".".join(parts[:end]) in exact for end in range(1, len(parts) + 1)):
            return True
        if exact.intersection(parts):
            return True
        # Fused experts are one module, named up to `experts`, in vLLM and in newer checkpoints' patterns.
        paths = [module, module.partition(".experts")[0] + ".experts"] if ".experts." in module else [module]
        if parts[0].isdigit():
            paths += [f"{stem}.{path}" for stem in _STEMS for path in paths]
        return any(pattern.match(path) for pattern in loose for path in paths)

    return cache(matches)
