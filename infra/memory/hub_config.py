"""From a hub's config.json to an Architecture. What isn't known for certain is UnknownShapeError, never a guess."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from infra.memory.architecture import Architecture, Layer
from infra.memory.families import ENCODERS, TRAITS, Traits, decoder_layers
from infra.memory.hybrids import READERS
from infra.memory.keys import Keys, UnknownShapeError
from infra.memory.rotary import rotary_elements
from infra.memory.vision import vision_of

# Multimodal wrappers, and the language model inside where its own config section doesn't name it.
_WRAPPERS: Final = {
    "Gemma3ForConditionalGeneration": "Gemma3ForCausalLM",
    "Gemma4ForConditionalGeneration": "Gemma4ForCausalLM",
    "Gemma4UnifiedForConditionalGeneration": "Gemma4ForCausalLM",
    "Mistral3ForConditionalGeneration": "MistralForCausalLM",
    "PixtralForConditionalGeneration": "MistralForCausalLM",
    "LlavaForConditionalGeneration": "LlamaForCausalLM",
    "Llama4ForConditionalGeneration": "Llama4ForCausalLM",
    "Qwen2VLForConditionalGeneration": "Qwen2ForCausalLM",
    "Qwen2_5_VLForConditionalGeneration": "Qwen2ForCausalLM",
    "Qwen3VLForConditionalGeneration": "Qwen3ForCausalLM",
    "Qwen3VLMoeForConditionalGeneration": "Qwen3MoeForCausalLM",
    "Qwen3_5ForConditionalGeneration": "Qwen3_5ForCausalLM",
    "Qwen3_5MoeForConditionalGeneration": "Qwen3_5MoeForCausalLM",
    "KimiVLForConditionalGeneration": "DeepseekV3ForCausalLM",
    "KimiK25ForConditionalGeneration": "DeepseekV3ForCausalLM",
    "Glm4vMoeForConditionalGeneration": "Glm4MoeForCausalLM",
}
# Heads for other tasks over the same body (vllm/model_executor/models/registry.py).
_SAME_BODY: Final = {
    "Qwen2Model": "Qwen2ForCausalLM",
    "Qwen3Model": "Qwen3ForCausalLM",
    "MistralModel": "MistralForCausalLM",
}
_HEADS: Final = ("ForSequenceClassification", "ForTextEncoding", "ForRewardModel")
# Rope types whose factor the default context doesn't take in (vllm/config/model.py, _get_and_verify_max_len).
_NO_SCALING: Final = frozenset(
    {"su", "longrope", "llama3", "yarn", "deepseek_yarn", "default", "proportional", "mrope", ""}
)


def read_config(path: Path) -> Mapping[str, Any]:
    """Read a config.json, or the one in a directory.

    Raises UnknownShapeError when there is none or it is no JSON object.
    """
    file = path / "config.json" if path.is_dir() else path
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UnknownShapeError(f"{file} can't be read: {error.strerror}") from None
    except ValueError:
        raise UnknownShapeError(f"{file} is no JSON") from None
    if not isinstance(content, dict):
        raise UnknownShapeError(f"{file} is no JSON object")
    quantization = file.with_name("hf_quant_config.json")
    if "quantization_config" not in content and quantization.is_file():
        inner = json.loads(quantization.read_text(encoding="utf-8")).get("quantization", {})
        content["quantization_config"] = {"quant_method": "modelopt", **inner}
    return content


def architecture_of(config: Mapping[str, Any]) -> Architecture:
    """Return the shape that a config.json declares.

    Raises UnknownShapeError for an architecture that Hearth doesn't know or keys that are missing.
    """
    outer = Keys(config)
    named = outer.names("architectures")
    if not named:
        raise UnknownShapeError("config.json names no architecture")
    name = named[0]
    inner = outer.section("text_config", "llm_config", "language_config") or outer
    body = _body(name)
    traits = ENCODERS.get(body) or TRAITS.get(body)
    try:
        if body in READERS:
            layers = READERS[body](inner)
            traits = traits or Traits()
        elif traits is not None:
            layers = decoder_layers(inner, traits)
        else:
            raise UnknownShapeError(f"the architecture {name} is none that Hearth knows")
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise UnknownShapeError(f"config.json contradicts itself: {error}") from None
    return _assembled(name, outer, inner, layers, traits, is_encoder=body in ENCODERS)


def _body(name: str) -> str:
    body = _WRAPPERS.get(name) or _SAME_BODY.get(name) or name
    for head in _HEADS:
        if body.endswith(head) and body not in ENCODERS:
            body = body.removesuffix(head) + "ForCausalLM"
    return body


def _assembled(
    name: str, outer: Keys, inner: Keys, layers: tuple[Layer, ...], traits: Traits, *, is_encoder: bool
) -> Architecture:
    hidden = inner.integer("hidden_size", "n_embd")
    vocab = inner.integer("vocab_size")
    if not layers or not hidden or not vocab:
        raise UnknownShapeError("config.json declares no layers, no hidden size or no vocabulary")
    tied = traits.tied_always or outer.flag(
        "tie_word_embeddings", default=inner.flag("tie_word_embeddings", default=traits.tied)
    )
    positions = inner.integer("max_position_embeddings", "n_positions", default=2048)
    learned = is_encoder or name.startswith("OPT")
    per_layer = inner.integer("hidden_size_per_layer_input", default=0)
    quantization = outer.section("quantization_config", "compression_config") or inner.section("quantization_config")
    return Architecture(
        name=name,
        hidden=hidden,
        vocab=vocab,
        layers=layers,
        tied_embeddings=tied or is_encoder,
        max_position=positions,
        default_context=_default_context(inner, positions, is_roberta="oberta" in name),
        stored_dtype=outer.text("dtype", "torch_dtype") or inner.text("dtype", "torch_dtype", default="bfloat16"),
        role="encoder" if is_encoder else "decoder",
        vision=vision_of(outer, hidden),
        learned_positions=positions + (2 if name.startswith("OPT") else 0) if learned else 0,
        per_layer_embedding_parameters=_per_layer_embeddings(inner, per_layer, len(layers), hidden),
        final_norms=traits.final_norms * (2 if traits.norm_has_bias else 1),
        mtp_layers=inner.integer("num_nextn_predict_layers", "mtp_num_hidden_layers", default=0),
        rotary_elements=rotary_elements(inner, layers, positions) if not is_encoder else 0,
        quantization=quantization.values if quantization is not None else {},
    )


def _per_layer_embeddings(keys: Keys, width: int, layers: int, hidden: int) -> int:
    """Return Gemma 3n's and 4's second embedding: a row per token and layer, and the projections that use it."""
    if not width:
        return 0
    vocab = keys.integer("vocab_size_per_layer_input", "vocab_size")
    return vocab * width * layers + hidden * width * layers + layers * 2 * hidden * width


def _default_context(keys: Keys, positions: int, *, is_roberta: bool) -> int:
    """Return max_model_len as vLLM derives it when nobody sets it."""
    rope = keys.section("rope_scaling", "rope_parameters")
    if is_roberta:
        # Positions start behind the padding index (bge-m3: 8194 rows, 8192 usable).
        return positions - 2
    if rope is None:
        return positions
    kind = rope.text("rope_type", "type")
    if kind == "longrope":
        return keys.integer("original_max_position_embeddings", default=positions)
    factor = rope.any("factor")
    scales = kind not in _NO_SCALING and isinstance(factor, int | float) and "gemma3" not in keys.text("model_type")
    return int(positions * factor) if scales else positions
