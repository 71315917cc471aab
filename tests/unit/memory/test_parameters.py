"""Parameter counts against those that publishers state: the shape of every catalogue model that has one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import infra.catalogue.models as catalogue
from infra.memory.checkpoint import checkpoint_of
from infra.memory.parts import parameters

ENTRIES: dict[str, Any] = json.loads(Path(catalogue.__file__).with_name("models.json").read_text())["models"]
PUBLISHED = {name: entry["parameters"] for name, entry in ENTRIES.items() if entry.get("parameters")}
UNKNOWN = {name for name in PUBLISHED if checkpoint_of(name).architecture is None}
# Routing biases (Nemotron, DeepSeek, GLM, MiniMax) and the bias of phi-2's head aren't counted: some thousand numbers.
TEXT_WITHIN = 2e-5
# Towers are counted by their layers, patch and position tables and the projector; norms and biases are left out.
VISION_WITHIN = 0.004
# A pooling layer of hidden x hidden that vLLM doesn't load.
ENCODER_WITHIN = 0.002


def test_most_published_counts_are_checked() -> None:
    assert len(PUBLISHED) - len(UNKNOWN) > 75
    assert sorted(UNKNOWN) == ["google/embeddinggemma-300m", "google/gemma-3n-E2B-it", "google/gemma-3n-E4B-it"]


@pytest.mark.parametrize("name", sorted(set(PUBLISHED) - UNKNOWN))
def test_the_count_is_the_published_one(name: str) -> None:
    architecture = checkpoint_of(name).architecture
    assert architecture is not None
    counted, within = parameters(architecture), TEXT_WITHIN
    if architecture.role == "pooler" and not architecture.tied_embeddings:
        counted -= architecture.vocab * architecture.hidden
    if architecture.vision is not None:
        counted, within = counted + architecture.vision.parameters, VISION_WITHIN
    elif architecture.role == "encoder":
        within = ENCODER_WITHIN
    assert counted == pytest.approx(PUBLISHED[name], rel=within)
