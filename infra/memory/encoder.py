"""The picture encoder's part of the profile run (vllm/v1/worker/gpu_model_runner.py profile_run, encoder budget)."""

from __future__ import annotations

from typing import Final

from infra.interval import ZERO, Interval
from infra.memory.architecture import Architecture
from infra.memory.engine import EngineSpec

# The second runner doesn't profile encoders before 0.27.
_SECOND_RUNNER_BLIND: Final = ((0, 22), (0, 27))
_UNKNOWN_ITEM_TOKENS: Final = 4096


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
    outputs = items * item * architecture.hidden * 2
    pixels = items * vision.pixel_values * 2
    kept = Interval(0.5 * outputs, outputs + pixels, 2 * outputs + 2 * pixels)
    patches = items * vision.patches
    transient = patches * 2 * (3 * vision.intermediate + 4 * vision.hidden)
    return kept, Interval(0.2 * transient, 0.6 * transient, 1.8 * transient)
