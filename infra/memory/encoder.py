"""The picture encoder's part of the profile run (vllm/v1/worker/gpu_model_runner.py profile_run, encoder budget)."""

from __future__ import annotations

from typing import Final

from infra.interval import ZERO, Interval
from infra.memory.architecture import Architecture
from infra.memory.engine import EngineSpec

# The second runner doesn't profile encoders before 0.27.
_SECOND_RUNNER_BLIND: Final = ((0, 22), (0, 27))
_UNKNOWN_ITEM_TOKENS: Final = 4096
# gpu_model_runner.py of 0.11: each output is copied into a row as long as the budget.
_EXPANDS_OUTPUTS: Final = (0, 11)
# Processors return 32-bit values.
_PIXEL_BYTES: Final = 4
# models/qwen3_vl.py get_max_video_tokens: 12,288 embeddings of a video, counted 12.5 times for their timestamps.
_LONG_VIDEO: Final = ((0, 11), (0, 12))
_LONG_VIDEO_TOKENS: Final = 153_600


def encoder_bytes(spec: EngineSpec, architecture: Architecture) -> tuple[Interval, Interval]:
    """Return what stays alive behind the encoder (its outputs and the pixels), and its own transient peak.

    How large the largest picture is, the processor's configuration says, not config.json: the bounds are wide.
    """
    vision = architecture.vision
    first, end = _SECOND_RUNNER_BLIND
    blind = spec.is_second_runner and first <= spec.behaviour.version[:2] < end
    if vision is None or spec.text_only or blind:
        return ZERO, ZERO
    item = vision.tokens_max or _UNKNOWN_ITEM_TOKENS
    items = max(1, spec.batched_tokens // item)
    version = spec.behaviour.version[:2]
    first, last = _LONG_VIDEO
    if architecture.name.startswith("Qwen3VL") and first <= version <= last:
        items, item = 1, _LONG_VIDEO_TOKENS
    row = architecture.hidden * vision.levels * spec.dtype_bytes
    outputs = items * item * row
    if version == _EXPANDS_OUTPUTS:
        outputs += items * max(item, spec.batched_tokens) * row
    # Pictures are cast to the model's type before they reach the card, but for the older engine.
    pixels = items * vision.pixel_values * (_PIXEL_BYTES if spec.behaviour.engine == "V0" else spec.dtype_bytes)
    kept = Interval(0.5 * outputs, outputs + pixels, 2 * outputs + 2 * pixels)
    patches = items * vision.patches
    transient = patches * 2 * (3 * vision.intermediate + 4 * vision.hidden)
    return kept, Interval(0.2 * transient, 0.6 * transient, 1.8 * transient)
