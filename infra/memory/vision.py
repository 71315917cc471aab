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
    hidden = tower.integer("embed_dim" if tower.text("model_type") == "qwen2_vl" else "hidden_size", default=0)
    layers = tower.integer("depth", "num_hidden_layers", default=0)
    if not hidden or not layers:
        return None
    gated = tower.text("model_type") in {"qwen2_5_vl", "pixtral", "gemma4_vision"} or tower.text("hidden_act") == "silu"
    width = tower.integer("intermediate_size", default=0) or int(hidden * float(tower.any("mlp_ratio") or 4))
    attention = 4 * hidden * hidden
    feed_forward = (3 if gated else 2) * hidden * width
    patch = tower.integer("patch_size", default=14)
    embedding = tower.integer("in_channels", "num_channels", default=3) * patch * patch * hidden
    embedding *= tower.integer("temporal_patch_size", default=1)
    embedding += tower.integer("num_position_embeddings", "position_embedding_size", default=0) * hidden
    merge = tower.optional("spatial_merge_size") or keys.optional("spatial_merge_size")
    tokens = _tokens_max(keys, tower, merge)
    size = tower.optional("image_size")
    patches = (size // patch) ** 2 if size else (tokens or 0) * (merge or 1) ** 2
    return Vision(
        parameters=layers * (attention + feed_forward) + embedding + _projector(tower, hidden, text_hidden, merge),
        hidden=hidden,
        layers=layers,
        intermediate=width,
        tokens_max=tokens,
        patches=patches,
        pixel_values=patches * patch * patch * 3 * tower.integer("temporal_patch_size", default=1),
    )


def _projector(tower: Keys, hidden: int, text_hidden: int, merge: int | None) -> int:
    out = tower.integer("out_hidden_size", default=text_hidden)
    if merge is None:
        return hidden * out
    merged = hidden * merge * merge
    deepstack = 1 + len(tower.names("deepstack_visual_indexes"))
    return deepstack * (merged * merged + merged * out)


def _tokens_max(keys: Keys, tower: Keys, merge: int | None) -> int | None:
    """Return the most embeddings of one image: fixed for SigLIP towers, by the processor's largest image for others."""
    fixed = keys.optional("mm_tokens_per_image", "vision_soft_tokens_per_image")
    if fixed is not None:
        return fixed
    if tower.text("model_type").startswith("qwen") and merge is not None:
        # Qwen processors take up to 16384 patches of 28 x 28 pixels (max_pixels 12,845,056).
        return 16384
    size = tower.optional("image_size")
    if size is None:
        return None
    side = size // tower.integer("patch_size", default=14) // (merge or 1)
    return side * side
