"""The encoder beside a language model, from the `vision_config` section of its config.json.

Sources: vllm/model_executor/models/{qwen2_5_vl,qwen3_vl,siglip,pixtral,gemma4_mm,mllama4}.py of 0.33.0.
"""

from __future__ import annotations

from infra.memory.architecture import Vision
from infra.memory.keys import Keys


def vision_of(keys: Keys, text_hidden: int) -> Vision | None:
    """Return the encoder, or None for a model that reads text only."""
    tower = keys.section("vision_config")
    if tower is None:
        return None
    kind = tower.text("model_type") or keys.text("model_type")
    hidden = tower.integer("embed_dim" if kind == "qwen2_vl" else "hidden_size", default=0)
    layers = tower.integer("depth", "num_hidden_layers", default=0)
    if not hidden or not layers:
        return None
    gated = kind in {"qwen2_5_vl", "pixtral", "gemma4_vision"} or tower.text("hidden_act") == "silu"
    width = tower.integer("intermediate_size", default=0) or int(hidden * float(tower.any("mlp_ratio") or 4))
    attention = 4 * hidden * hidden
    feed_forward = (3 if gated else 2) * hidden * width
    patch = tower.integer("patch_size", default=14)
    embedding = tower.integer("in_channels", "num_channels", default=3) * patch * patch * hidden
    embedding *= tower.integer("temporal_patch_size", default=1)
    embedding += tower.integer("num_position_embeddings", "position_embedding_size", default=0) * hidden
    merge = tower.optional("spatial_merge_size") or keys.optional("spatial_merge_size")
    tokens = _tokens_max(keys, tower, kind, merge)
    size = tower.optional("image_size")
    patches = (
        (size // patch) ** 2 if size else (tokens or 0) * (merge or tower.optional("pooling_kernel_size") or 1) ** 2
    )
    return Vision(
        parameters=layers * (attention + feed_forward) + embedding + _projector(tower, hidden, text_hidden, merge),
        hidden=hidden,
        layers=layers,
        intermediate=width,
        tokens_max=tokens,
        patches=patches,
        pixel_values=patches * patch * patch * 3 * tower.integer("temporal_patch_size", default=1),
        levels=1 + len(tower.names("deepstack_visual_indexes")),
    )


def _projector(tower: Keys, hidden: int, text_hidden: int, merge: int | None) -> int:
    out = tower.integer("out_hidden_size", default=text_hidden)
    if merge is None:
        return hidden * out
    merged = hidden * merge * merge
    deepstack = 1 + len(tower.names("deepstack_visual_indexes"))
    return deepstack * (merged * merged + merged * out)


def _tokens_max(keys: Keys, tower: Keys, kind: str, merge: int | None) -> int | None:
    """Return the most embeddings of one item: fixed for Gemma, by the processor's largest image for others."""
    fixed = keys.optional("mm_tokens_per_image", "vision_soft_tokens_per_image")
    if fixed is not None:
        return fixed
    if kind.startswith("gemma4"):
        # A video of 32 frames of 70 embeddings, each with 8 tokens around them, is more than a picture of 280.
        return 32 * (70 + 8)
    if keys.text("model_type").startswith("gemma3"):
        return 256
    if kind.startswith("qwen") and merge is not None:
        # Qwen processors take up to 16384 patches of 28 x 28 pixels (max_pixels 12,845,056).
        return 16384
    size = tower.optional("image_size")
    if size is None:
        return None
    side = size // tower.integer("patch_size", default=14) // (merge or 1)
    return side * side
