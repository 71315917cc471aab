"""The table of rotary positions that a model keeps on each card; with long contexts it is half a gigabyte.

Source: vllm/model_executor/layers/rotary_embedding/__init__.py (get_rope: one table per distinct set of arguments).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from infra.memory.architecture import Attention, Layer, Mla
from infra.memory.keys import Keys

# Rows per position: multimodal rope keeps four times as many; yarn and linear scaling stretch the table.
_MROPE_ROWS: Final = 4
# Their positions are of time, height and width, whether or not a copy of config.json still says so.
_MROPE_MODELS: Final = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_5")
_STRETCHING: Final = frozenset({"yarn", "deepseek_yarn", "linear", "dynamic"})


def rotary_elements(keys: Keys, layers: Sequence[Layer], positions: int) -> int:
    """Return how many numbers the tables of all layers hold."""
    rope = keys.section("rope_scaling", "rope_parameters")
    kind = rope.text("rope_type", "type") if rope is not None else ""
    rows = positions
    factor = rope.any("factor") if rope is not None else None
    if kind in _STRETCHING and isinstance(factor, int | float):
        start = rope.integer("original_max_position_embeddings", default=positions) if rope is not None else positions
        rows = int((start if "yarn" in kind else positions) * factor)
    if (rope is not None and "mrope_section" in rope) or keys.text("model_type").startswith(_MROPE_MODELS):
        rows *= _MROPE_ROWS
    partial = _partial(keys, rope)
    widths = {_width(layer, partial) for layer in layers} - {0}
    has_two_tables = keys.text("model_type").startswith("gemma3") and keys.any("rope_scaling") is not None
    return sum(width * rows for width in widths) + (max(widths, default=0) * positions if has_two_tables else 0)


def _width(layer: Layer, partial: float) -> int:
    match layer.mixer:
        case Attention() as mixer:
            return int(mixer.head_dim * partial)
        case Mla() as mixer:
            return mixer.rope_dim
        case _:
            return 0


def _partial(keys: Keys, rope: Keys | None) -> float:
    for section in (keys, rope):
        share = section.any("partial_rotary_factor") if section is not None else None
        if isinstance(share, int | float) and not isinstance(share, Mapping):
            return float(share)
    return 1.0
